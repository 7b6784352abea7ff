from itertools import pairwise

import pytest

from polyhead.errors import ParameterError
from polyhead.freezing.plans import FreezeSpec
from polyhead.freezing.schedules import Gradual, ProbeThenFineTune, UnfreezeSchedule


def frozen_groups(model, stage):
    """Return which of the embeddings and the three layers a stage freezes."""
    ids = stage.freezing.frozen_parameters(model)
    parts = {"embeddings": model.encoder.embeddings[0]} | {
        str(i): layer for i, layer in enumerate(model.encoder.layers)
    }
    return {name for name, module in parts.items() if all(id(p) in ids for p in module.parameters())}


def test_gradual_unfreezes_from_the_top_down_to_the_last_parameter(model):
    stages = Gradual(groups=4, epochs=2).checked_stages(model)
    assert [stage.epoch for stage in stages] == [0, 2, 4, 6, 8]
    assert [frozen_groups(model, stage) for stage in stages] == [
        {"embeddings", "0", "1", "2"},
        {"embeddings", "0", "1"},
        {"embeddings", "0"},
        {"embeddings"},
        set(),
    ]
    assert stages[-1].freezing.frozen_parameters(model) == set()
    head = model.heads["category"][1].weight
    assert all(id(head) not in stage.freezing.frozen_parameters(model) for stage in stages)


@pytest.mark.parametrize("groups", [1, 2, 3, 4])
def test_gradual_unfreezes_groups_of_even_size(model, groups):
    stages = Gradual(groups, epochs=1).checked_stages(model)
    frozen = [len(frozen_groups(model, stage)) for stage in stages]
    sizes = [before - after for before, after in pairwise(frozen)]
    assert (frozen[0], frozen[-1], len(sizes)) == (4, 0, groups)
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 1


@pytest.mark.parametrize("groups", [1, 2, 3, 4])
def test_gradual_keeps_the_lower_parts_frozen_for_longest(model, groups):
    order = ["embeddings", "0", "1", "2"]
    for stage in Gradual(groups, epochs=1).checked_stages(model):
        frozen = frozen_groups(model, stage)
        assert frozen == set(order[: len(frozen)])


def test_gradual_continues_the_schedule_of_the_learning_rates(model):
    stages = Gradual(groups=2, epochs=1).checked_stages(model)
    assert {(stage.lr_scale, stage.restart) for stage in stages} == {(1.0, False)}


def test_gradual_refuses_more_groups_than_layers_and_embeddings(model):
    message = "^groups: 5 given; it must be 1 to 4, this encoder has 3 layers and the embeddings"
    with pytest.raises(ParameterError, match=message):
        Gradual(groups=5, epochs=1).checked_stages(model)


def test_gradual_refuses_all_values_below_one_at_once():
    with pytest.raises(ParameterError) as caught:
        Gradual(groups=0, epochs=0)
    assert str(caught.value).splitlines() == [
        "groups: 0 given; it must be 1 or more",
        "epochs: 0 given; it must be 1 or more",
    ]


def test_unfreeze_schedule_unfreezes_each_part_in_its_epoch(model):
    unfreeze = [{"epoch": 1, "parts": ["encoder.layers[-1]"]}, {"epoch": 3, "parts": ["encoder.embeddings"]}]
    stages = UnfreezeSchedule(["encoder"], unfreeze).checked_stages(model)
    assert [stage.epoch for stage in stages] == [0, 1, 3]
    assert [frozen_groups(model, stage) for stage in stages] == [
        {"embeddings", "0", "1", "2"},
        {"embeddings", "0", "1"},
        {"0", "1"},
    ]


@pytest.mark.parametrize(
    ("unfreeze", "message"),
    [
        ([{"epoch": 1, "parts": ["encoder.layer[0]"]}], "^unfreeze: the model has no 'encoder.layer\\[0\\]'"),
        ([{"epoch": 2, "parts": ["encoder"]}, {"epoch": 1, "parts": ["heads"]}], "epochs 0, 2, 1 on given"),
        ([{"epoch": 0, "parts": ["encoder"]}], "epochs 0, 0 on given"),
    ],
)
def test_unfreeze_schedule_that_does_not_fit_is_refused(model, unfreeze, message):
    with pytest.raises(ParameterError, match=message):
        UnfreezeSchedule(["encoder"], unfreeze).checked_stages(model)


def test_unfreeze_schedule_refuses_all_unknown_parts_at_once(model):
    schedule = UnfreezeSchedule(["encodr"], [{"epoch": 1, "parts": ["heads"]}, {"epoch": 2, "parts": ["hods"]}])
    with pytest.raises(ParameterError) as caught:
        schedule.checked_stages(model)
    starts = [line.split(";")[0] for line in str(caught.value).splitlines()]
    assert starts == ["frozen: the model has no 'encodr'", "unfreeze: the model has no 'hods'"]


@pytest.mark.parametrize(
    "entry",
    [
        {"epoch": 1},
        {"epoch": "1", "parts": []},
        {"epoch": 1, "parts": "encoder"},
        {"epoch": 1, "parts": [], "lr": 1},
        "encoder",
        3,
    ],
)
def test_unfreeze_schedule_refuses_an_entry_of_another_form(entry):
    with pytest.raises(ParameterError, match="^unfreeze: .* of the form {epoch: 2, parts"):
        UnfreezeSchedule(["encoder"], [entry])


def test_unfreeze_schedule_with_nothing_to_train_at_first_is_refused(model):
    with pytest.raises(ParameterError, match="nothing is trained from epoch 0 on"):
        UnfreezeSchedule(["encoder", "heads"], [{"epoch": 1, "parts": ["encoder"]}]).checked_stages(model)


def test_probing_comes_before_fine_tuning_with_a_schedule_of_its_own(model):
    probe, whole = ProbeThenFineTune(probe_epochs=3, lr_scale=0.1).checked_stages(model)
    assert (probe.epoch, probe.freezing, probe.lr_scale, probe.restart) == (0, FreezeSpec(["encoder"]), 1.0, False)
    assert (whole.epoch, whole.freezing, whole.lr_scale, whole.restart) == (3, FreezeSpec([]), 0.1, True)


def test_probing_refuses_all_wrong_values_at_once():
    with pytest.raises(ParameterError) as caught:
        ProbeThenFineTune(probe_epochs=0, lr_scale=0.0)
    assert str(caught.value).splitlines() == [
        "probe_epochs: 0 given; it must be 1 or more",
        "lr_scale: 0.0 given; it must be above 0",
    ]


def test_probing_takes_a_single_epoch(model):
    assert ProbeThenFineTune(probe_epochs=1, lr_scale=1e-9).checked_stages(model)[1].epoch == 1
