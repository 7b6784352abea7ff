from types import SimpleNamespace

import pytest
from support.configs import composed

from polyhead.app.jobs.prediction_columns import column_types
from polyhead.app.training.composition import compose_components
from polyhead.app.training.model_check import column_problems
from polyhead.app.training.trainer import compose_trainer
from polyhead.errors import UserError
from polyhead.tasks import Task
from polyhead.training.auto_epochs import TrainingLength


def problems(tmp_path, *overrides):
    with pytest.raises(UserError) as caught:
        compose_components(composed(tmp_path, *overrides))
    return str(caught.value).splitlines()


def test_problems_are_reported_all_at_once_before_weights_load(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "polyhead.models.pretrained.PretrainedEncoder.load", lambda self: pytest.fail("weights were loaded")
    )
    found = problems(
        tmp_path,
        "trainer.precision=16-mixed",
        "accelerator=cpu",
        "freeze.frozen=[encodr]",
        "weighting=fixed",
        "weighting.weights.sentiment=-1",
        "optimizer.head_lr=0",
        "loader.batch_size=0",
        "model.dropout=0.1",
        "resume=nowhere/last.ckpt",
    )
    assert sorted(line.split(":")[0].split("=")[0] for line in found) == [
        "freeze.frozen",
        "loader.batch_size",
        "optimizer.head_lr",
        "resume",
        "trainer.precision",
        "weighting.weights.sentiment",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("loader.batch_size=many", "loader.batch_size: 'many' given; it must be a whole number"),
        ("loader.batch_size=1.5", "loader.batch_size: 1.5 given; it must be a whole number"),
        ("encoder.pretrained=3", "encoder.pretrained: 3 given; it must be true or false"),
        ("optimizer.head_lr=fast", "optimizer.head_lr: 'fast' given; it must be a number"),
        ("data=files data.files=a.csv", "data.files: 'a.csv' given; it must be entries with names"),
        ("data=files data.shifted=a.csv", "data.shifted: 'a.csv' given; it must be entries with names, as in {name: "),
        ("+loader.sice=3", "loader.sice: LoaderSettings has no such argument; did you mean"),
        ("~encoder.location", "encoder.location: missing"),
        ("encoder.location=nowhere", "encoder.location: 'nowhere' is no local folder"),
        ("encoder.max_length=513", "encoder.max_length: 513 given"),
        (
            "freeze._target_=polyhead.freezing.plans.Frozing",
            "freeze._target_: 'polyhead.freezing.plans.Frozing' cannot be found",
        ),
        ("model.dropout=2", "model.dropout: 2 given"),
        ("~tasks.category ~tasks.sentiment", "tasks: none given"),
        ("freeze=lower_layers freeze.count=7", "the model has no 'encoder.layers[:7]'; ...layers 0 to 5"),
        ("trainer.max_epochs=abc", "trainer.max_epochs: 'abc' given; it must be a whole number, or auto"),
        ("auto_epochs.min_steps=0", "auto_epochs.min_steps: 0 given; it must be 1 or more"),
        ("interpolation=1.5", "interpolation: 1.5 given; it must be a share above 0, up to 1"),
        ("trainer.accelerator=gqu", "trainer.accelerator: unknown 'gqu'; did you mean 'gpu'"),
        ("trainer.precision=bf32", "trainer.precision: unknown 'bf32'"),
    ],
)
def test_a_wrong_value_is_one_line_with_key_value_and_rule(tmp_path, override, message):
    found = problems(tmp_path, *override.split(" "))
    assert len(found) == 1
    assert all(part in found[0] for part in message.split("..."))


@pytest.mark.parametrize(
    "other", ["topic_probability", "topic_probability_a", "topic_set", "topic_top2", "topic_top2_probability"]
)
def test_tasks_whose_predictions_would_share_a_column_are_refused(tmp_path, other):
    names = ["+tasks.topic=[a,b]", f"+tasks.{other}=[a,b]", f"+tasks.{other}s=[a,b]"]
    found = [line for line in problems(tmp_path, *names) if "would share" in line]
    assert [line.partition(";")[0] for line in found] == [
        f"tasks: 'topic' and '{other}' would share the column 'predicted_{other}' of predictions"
    ]


def test_no_task_may_have_the_name_of_any_column_that_predict_writes_of_another():
    topic = Task("topic", ("a", "b", "c"))
    config = SimpleNamespace(top_k=3, embeddings=False)
    written = column_types(SimpleNamespace(columns=(), schema=None), (topic,), config)
    beside = {column.removeprefix("predicted_") for column in written} - {"topic"}
    assert len(beside) == 9  # a set, a probability, two runners-up with theirs, and a probability of each class
    for name in beside:
        assert len(column_problems([topic, Task(name, ("a", "b"))])) == 1


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("trainer.strategy=dpp", "trainer"),
        ("+trainer.x=1", "trainer.x"),
    ],
)
def test_a_value_that_lightning_refuses_is_one_line(tmp_path, override, key):
    config = composed(tmp_path, override)
    with pytest.raises(UserError, match=f"^{key}: [^\n]*$"):
        compose_trainer(config, "32-true", TrainingLength(1, 1), [])


@pytest.mark.slow
@pytest.mark.parametrize("switch", ["compile", "test", "watch_conflict"])
def test_a_switch_is_true_or_false(tmp_path, switch):
    allowed = "true or false or auto" if switch == "compile" else "true or false"
    assert problems(tmp_path, f"{switch}=maybe") == [f"{switch}: 'maybe' given; it must be {allowed}"]
    both = problems(tmp_path, f"{switch}=maybe", "seed=many")
    assert {f"{switch}: 'maybe' given; it must be {allowed}", "seed: 'many' given; it must be a whole number"} < {*both}
