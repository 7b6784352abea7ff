import pytest

from polyhead.errors import UserError
from polyhead.freezing.plans import FreezeSpec
from polyhead.freezing.schedules import Gradual, ProbeThenFineTune, UnfreezeSchedule


def frozen_units(model, stage):
    """Say which of embeddings and three layers a stage freezes."""
    ids = stage.freezing.frozen_parameters(model)
    parts = {"embeddings": model.encoder.embeddings[0]} | {
        str(i): layer for i, layer in enumerate(model.encoder.layers)
    }
    return {name for name, module in parts.items() if all(id(p) in ids for p in module.parameters())}


def test_gradual_thaws_from_the_top_down_to_the_last_parameter(model):
    stages = Gradual(groups=4, epochs=2).checked_stages(model)
    assert [stage.epoch for stage in stages] == [0, 2, 4, 6, 8]
    assert [frozen_units(model, stage) for stage in stages] == [
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
def test_gradual_thaws_something_in_every_stage(model, groups):
    stages = Gradual(groups, epochs=1).checked_stages(model)
    sizes = [len(stage.freezing.frozen_parameters(model)) for stage in stages]
    assert len(stages) == groups + 1
    assert sizes == sorted(set(sizes), reverse=True)


def test_more_groups_than_layers_and_embeddings_are_refused(model):
    with pytest.raises(UserError, match="freeze.groups: 5 given; this encoder has 3 layers .* give 1 to 4"):
        Gradual(groups=5, epochs=1).checked_stages(model)


def test_all_wrong_values_of_gradual_are_told_at_once():
    with pytest.raises(UserError) as caught:
        Gradual(groups=0, epochs=-1)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["freeze.groups", "freeze.epochs"]


def test_a_list_thaws_what_it_says_when_it_says_it(model):
    thaw = [{"epoch": 1, "parts": ["encoder.layers[-1]"]}, {"epoch": 3, "parts": ["encoder.embeddings"]}]
    stages = UnfreezeSchedule(["encoder"], thaw).checked_stages(model)
    assert [stage.epoch for stage in stages] == [0, 1, 3]
    assert [frozen_units(model, stage) for stage in stages] == [
        {"embeddings", "0", "1", "2"},
        {"embeddings", "0", "1"},
        {"0", "1"},
    ]


@pytest.mark.parametrize(
    ("thaw", "message"),
    [
        ([{"epoch": 1, "parts": ["encoder.layer[0]"]}], "the model has no 'encoder.layer\\[0\\]'"),
        ([{"epoch": 2, "parts": ["encoder"]}, {"epoch": 1, "parts": ["heads"]}], "epochs 0, 2, 1 on given"),
        ([{"epoch": 0, "parts": ["encoder"]}], "epochs 0, 0 on given"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(model, thaw, message):
    with pytest.raises(UserError, match=message):
        UnfreezeSchedule(["encoder"], thaw).checked_stages(model)


@pytest.mark.parametrize("entry", [{"epoch": 1}, {"epoch": "1", "parts": []}, {"epoch": 1, "parts": "encoder"}])
def test_an_entry_of_another_form_is_refused(entry):
    with pytest.raises(UserError, match="freeze.unfreeze: .* write {epoch: 2, parts"):
        UnfreezeSchedule(["encoder"], [entry])


def test_nothing_to_train_at_first_is_refused(model):
    with pytest.raises(UserError, match="nothing is trained from epoch 0 on"):
        UnfreezeSchedule(["encoder", "heads"], [{"epoch": 1, "parts": ["encoder"]}]).checked_stages(model)


def test_probing_comes_before_fine_tuning_with_its_own_schedule(model):
    probe, whole = ProbeThenFineTune(probe_epochs=3, lr_scale=0.1).checked_stages(model)
    assert (probe.epoch, probe.freezing) == (0, FreezeSpec(["encoder"]))
    assert (whole.epoch, whole.freezing, whole.lr_scale, whole.restart) == (3, FreezeSpec([]), 0.1, True)


def test_all_wrong_values_of_probing_are_told_at_once():
    with pytest.raises(UserError) as caught:
        ProbeThenFineTune(probe_epochs=0, lr_scale=-1.0)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["freeze.probe_epochs", "freeze.lr_scale"]
