from copy import deepcopy

import pytest
import torch
from support.training import make_data, make_module, make_trainer

from polyhead.freezing.lora import LoRA, merge_adapters
from polyhead.freezing.schedules import Gradual
from polyhead.training.fit import fit_and_test
from polyhead.training.interpolation import copy_weights, interpolate


def weights_after(tmp_path, model, tasks, share):
    module = make_module(model, tasks)
    fit_and_test(module, make_data(tasks), make_trainer(tmp_path, max_epochs=1), resume=None, interpolation=share)
    return {name: value.clone() for name, value in module.model.named_parameters()}


@pytest.mark.slow
def test_weights_lie_between_those_of_the_start_and_those_of_the_end(tmp_path, model, tasks):
    start = {name: value.clone() for name, value in model.named_parameters()}
    seed = torch.get_rng_state()
    found = weights_after(tmp_path, model, tasks, 0.25)
    model.load_state_dict(start, strict=False)
    torch.set_rng_state(seed)
    trained = weights_after(tmp_path, model, tasks, 1.0)
    assert any(not torch.equal(trained[name], value) for name, value in start.items())
    for name, value in start.items():
        torch.testing.assert_close(found[name], 0.75 * value + 0.25 * trained[name])


@pytest.mark.slow
def test_parts_that_are_unfrozen_later_move_back_as_well(tmp_path, model, tasks):
    start = {name: value.clone() for name, value in model.named_parameters()}
    module = make_module(model, tasks, Gradual(groups=2, epochs=1))
    trainer = make_trainer(tmp_path, max_epochs=3)
    fit_and_test(module, make_data(tasks), trainer, resume=None, interpolation=1e-9)
    for name, value in model.named_parameters():
        torch.testing.assert_close(value, start[name])


def merged_weights(model):
    merged = deepcopy(model.encoder)
    merge_adapters(merged)
    return dict(merged.layers.named_parameters())


def test_updates_of_lora_move_back_as_the_weights_that_they_are_added_to_would(model):
    LoRA(rank=2).prepare(model)
    before, start = merged_weights(model), copy_weights(model)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if ".lora_" in name:
                weights.add_(torch.randn_like(weights))  # as training does
    after = merged_weights(model)
    assert any(not torch.allclose(before[name], weights) for name, weights in after.items())
    interpolate(model, start, 0.75)
    for name, weights in merged_weights(model).items():
        torch.testing.assert_close(weights, 0.25 * before[name] + 0.75 * after[name])
