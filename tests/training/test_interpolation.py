import pytest
import torch
from support.training import make_data, make_module, make_trainer

from polyhead.freezing.schedules import Gradual
from polyhead.training.fit import fit_and_test


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
