"""What a run continues, and under which configuration: without training, on folders as runs leave them."""

import os

import pytest
import torch
from omegaconf import OmegaConf
from support.configs import CONFIGS

from polyhead.app.config.hydra_state import chosen_options, compose_as_train, task_overrides
from polyhead.app.training.claim import claim
from polyhead.app.training.resumption import merge, resume
from polyhead.errors import UserError
from polyhead.runs.contents import Provenance
from polyhead.runs.folder import RunFolder

ABSENT = {}


def progress(epochs, within):
    """Return what a checkpoint says of the place where training stopped."""
    return {"fit_loop": {"epoch_progress": {"current": {"ready": epochs}}, "epoch_loop.batch_progress": within}}


@pytest.fixture
def stop(tmp_path):
    """Make the folder of a run that stopped in its second epoch, or at the end of it."""

    def make(*overrides, name="stopped", within=False, checkpoint=True, done=False, **changed):
        run = tmp_path / name
        config = compose_as_train(CONFIGS, [*overrides, f"run_dir={run}"])
        for key, value in changed.items():
            OmegaConf.update(config, key.replace("__", "."), value, merge=False)
        folder = RunFolder(run)
        folder.claim(OmegaConf.to_yaml(config, resolve=True))
        made_with = {"command": [], "seed": 0, "precision": "32-true", "device": "cpu", "python": "3", "versions": {}}
        made_with |= {"git": None, "hardware": {}, "choices": chosen_options(), "overrides": task_overrides()}
        Provenance(**made_with).write(folder)
        if checkpoint:
            folder.checkpoints.mkdir()
            state = {"loops": progress(2, {"is_last_batch": not within}), "optimizer_states": [{}]}
            torch.save(state, folder.checkpoints / "last.ckpt")
        if done:
            folder.write_json("metrics.json", {})
        return run

    return make


def given(tmp_path, *overrides):
    return compose_as_train(CONFIGS, [f"run_dir={tmp_path / 'new'}", *overrides])


@pytest.mark.slow
def test_a_run_continues_under_its_own_choices_and_those_on_top(stop, tmp_path, caplog):
    caplog.set_level("INFO", "polyhead")
    run = stop("loss=focal", "data.imbalance.category=20", "freeze=lora", "freeze.rank=2", "trainer.max_epochs=2")
    resumption = resume(given(tmp_path, f"resume={run}", "trainer.max_epochs=5", "weighting=equal"))
    config = resumption.config
    assert (config.loss.gamma, config.data.imbalance.category, config.freeze.rank) == (2, 20, 2)
    assert config.trainer.max_epochs == 5
    assert config.callbacks.last.dirpath == str(tmp_path / "new" / "checkpoints")
    assert resumption.checkpoint == run / "checkpoints" / "last.ckpt"
    assert not resumption.in_place
    assert [record.getMessage() for record in caplog.records] == ["resumed with trainer.max_epochs: 2 -> 5"]
    assert chosen_options()["freeze"] == "lora", "the new run notes what it is made of"


@pytest.mark.slow
def test_a_value_that_no_override_names_is_that_of_the_run(stop, tmp_path):
    """Defaults, files and the environment change in time; a run in the middle of its training does not."""
    run = stop(loader__batch_size=7, trainer__gradient_clip_val=0.5)
    config = resume(given(tmp_path, f"resume={run}", "trainer.gradient_clip_val=2")).config
    assert (config.loader.batch_size, config.trainer.gradient_clip_val) == (7, 2)


@pytest.mark.slow
def test_an_option_on_top_may_be_the_default(stop, tmp_path):
    run = stop("loss=focal", "accelerator=cpu")
    config = resume(given(tmp_path, f"resume={run}", "loss=cross_entropy", "accelerator=auto")).config
    assert (config.loss.gamma, config.trainer.accelerator) == (0, "auto")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("data.sizes.train=9", "data.sizes.train: 4000 -> 9"),
        ("data=files", "data._target_"),
        ("tasks.sentiment=[bad,good]", "tasks.sentiment"),
        ("~tasks.sentiment", "tasks.sentiment"),
        ("encoder=bert_base", "encoder.location"),
        ("encoder.max_length=9", "encoder.max_length"),
        ("freeze=backbone", "freeze.frozen"),
        ("weighting=dwa", "weighting._target_"),
        ("optimizer.head_lr=1", "optimizer.head_lr"),
        ("model._target_=other.Model", "model._target_"),
    ],
)
def test_what_a_checkpoint_holds_state_of_is_refused_in_one_line_if_it_differs(stop, tmp_path, override, key):
    run = stop()
    with pytest.raises(UserError, match=f"^{key}[^\n]*, with resume; a run that continues keeps its [^\n]*$"):
        resume(given(tmp_path, f"resume={run}", override))


@pytest.mark.slow
@pytest.mark.parametrize("override", ["seed=1", "trainer.devices=2"])
def test_the_order_of_batches_changes_between_epochs_alone(stop, tmp_path, override):
    resume(given(tmp_path, f"resume={stop(name='between')}", override))
    with pytest.raises(UserError, match=r"was written within an epoch[^\n]*$"):
        resume(given(tmp_path, f"resume={stop(name='within', within=True)}", override))


@pytest.mark.slow
@pytest.mark.parametrize("override", ["model.dropout=0", "loader.workers=2"])
def test_what_decides_no_state_is_free_within_an_epoch(stop, tmp_path, override):
    resume(given(tmp_path, f"resume={stop(within=True)}", override))


@pytest.mark.slow
def test_too_few_epochs_are_refused_before_anything_is_built(stop, tmp_path):
    with pytest.raises(UserError, match="trainer.max_epochs: 1 given"):
        resume(given(tmp_path, f"resume={stop()}", "trainer.max_epochs=1"))


@pytest.mark.slow
def test_a_run_resumed_in_its_own_folder_goes_on_there(stop):
    run = stop("seed=3")
    resumption = resume(compose_as_train(CONFIGS, [f"resume={run}", f"run_dir={run}", "trainer.max_epochs=9"]))
    assert resumption.in_place
    assert resumption.config.resume is None, "it is the run that it was"
    assert claim(RunFolder(run), resumption.config, resumption, lambda _: []) is None
    written = OmegaConf.load(run / "config.yaml")
    assert (written.seed, written.trainer.max_epochs) == (3, 9)
    RunFolder(run).write_json("metrics.json", {})
    with pytest.raises(UserError, match="is done; continue it under other choices in a folder of its own"):
        resume(compose_as_train(CONFIGS, [f"resume={run}", f"run_dir={run}", "trainer.max_epochs=12"]))


def test_auto_begins_where_there_is_nothing(tmp_path):
    resumption = resume(given(tmp_path, "resume=auto"))
    assert (resumption.checkpoint, resumption.in_place, resumption.config.resume) == (None, False, None)
    resumption.config.monitor.metric = "validation/score"  # as a run chooses that knows its tasks
    assert resumption.config.callbacks.best.monitor == "validation/score"


NUMBER = {"kind": "number", "loss": "squared", "mean": 3.0, "spread": 1.0}
ORDINAL = {"kind": "ordinal", "labels": ["1", "2", "3"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tasks", "noted", "same"),
    [
        ("tasks=[{stars: number}]", {"stars": NUMBER}, True),
        ("tasks=[{stars: {kind: number, loss: huber}}]", {"stars": NUMBER}, False),
        ("tasks=[{stars: {kind: number, mean: 3}}]", {"stars": NUMBER}, True),
        ("tasks=[{stars: number}]", {"stars": ORDINAL}, False),
        ("tasks=[{stars: ordinal}]", {"stars": ORDINAL}, True),
        ("tasks=[{stars: {kind: ordinal, labels: [1,2,3]}}]", {"stars": ORDINAL}, True),
        ("tasks=[{stars: {kind: ordinal, labels: [3,2,1]}}]", {"stars": ORDINAL}, False),
    ],
)
def test_auto_knows_tasks_of_all_kinds_again(stop, tmp_path, tasks, noted, same):
    choices = ["data=files", "data.files.train=x.csv", tasks]
    run = stop(*choices, tasks=noted, monitor__metric="validation/score")
    again = compose_as_train(CONFIGS, ["resume=auto", *choices, f"run_dir={run}"])
    if same:
        config = resume(again).config
        assert (config.tasks, config.callbacks.best.monitor) == (noted, "validation/score")
    else:
        with pytest.raises(UserError, match=r"another configuration \(tasks\.stars"):
            resume(again)


@pytest.mark.slow
@pytest.mark.parametrize("tasks", ["tasks=[sentiment]", "tasks=[{sentiment: [bad,good]}]"])
def test_auto_continues_the_same_command_whatever_the_caches_and_the_spelling_of_the_folder(
    tasks, stop, tmp_path, monkeypatch
):
    choices = ["data=files", "data.files.train=x.csv", tasks]
    run = stop("seed=3", *choices, tasks={"sentiment": ["bad", "good"]})
    monkeypatch.chdir(tmp_path)
    again = ["resume=auto", "seed=3", *choices, "run_dir=stopped", "tokens.folder=/other"]
    resumption = resume(compose_as_train(CONFIGS, again))
    assert resumption.in_place
    assert not resumption.done
    assert os.path.samefile(resumption.checkpoint, run / "checkpoints" / "last.ckpt")
    assert resumption.config.tasks == {"sentiment": ["bad", "good"]}, "the classes that it found then"


@pytest.mark.slow
def test_auto_clears_the_folder_of_a_run_that_has_no_checkpoint_yet(stop):
    run = stop(checkpoint=False)
    (run / "left").write_text("")
    resumption = resume(compose_as_train(CONFIGS, ["resume=auto", f"run_dir={run}"]))
    assert resumption.checkpoint is None
    claim(RunFolder(run), resumption.config, resumption, lambda _: [])
    assert not (run / "left").exists()
    assert (run / "config.yaml").exists()


@pytest.mark.slow
def test_auto_knows_a_run_that_is_done(stop):
    run = stop(done=True)
    assert resume(compose_as_train(CONFIGS, ["resume=auto", f"run_dir={run}"])).done


@pytest.mark.slow
@pytest.mark.parametrize("resumed", ["auto", None])
def test_resumption_removes_what_a_killed_process_was_writing(stop, resumed):
    """Also where the run is done, and nothing will be written there any more."""
    run = stop(done=True)
    left = [run / "SHA256SUMS.0badcafe.partial", run / "checkpoints" / "last.ckpt.0badcafe.partial"]
    for path in left:
        path.write_text("half")
    resume(compose_as_train(CONFIGS, [f"resume={resumed or run}", f"run_dir={run}"]))
    assert not any(path.exists() for path in left)


@pytest.mark.slow
@pytest.mark.parametrize("done", [True, False])
def test_auto_refuses_a_folder_with_a_run_of_another_configuration(stop, done):
    run = stop("seed=3", done=done)
    with pytest.raises(
        UserError, match=r"^resume=auto: [^\n]*another configuration \(seed: 3 -> 0, and 1 more\)[^\n]*$"
    ):
        resume(compose_as_train(CONFIGS, ["resume=auto", f"run_dir={run}"]))


@pytest.mark.slow
def test_auto_leaves_a_folder_of_something_else_alone(tmp_path):
    (tmp_path / "new").mkdir()
    for content in ("precious", "- a\n- b\n", "a: [", "run_dir: 3\n"):
        (tmp_path / "new" / "config.yaml").write_text(content)
        with pytest.raises(UserError, match=r"^resume[^\n]*$"):
            resume(given(tmp_path, "resume=auto"))
        assert (tmp_path / "new" / "config.yaml").read_text() == content


@pytest.mark.slow
def test_a_run_that_builds_what_is_not_trusted_is_refused(stop, tmp_path):
    run = stop(callbacks__evil={"_target_": "os.system", "command": "true"})
    with pytest.raises(UserError, match="which is no public name of polyhead"):
        resume(given(tmp_path, f"resume={run}"))


@pytest.mark.parametrize(
    ("before", "after", "theirs", "merged"),
    [
        ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": 3}, {"a": 2}, {"a": 3}),
        ({"a": 1}, ABSENT, {"a": 2}, ABSENT),
        (ABSENT, {"a": 1}, {"a": 2}, {"a": 1}),
        ({"a": 1}, {"a": 1}, ABSENT, ABSENT),
        (ABSENT, ABSENT, {"a": 2}, {"a": 2}),
        ({"a": [1]}, {"a": [1]}, {"a": [2, 3]}, {"a": [2, 3]}),
        (
            {"a": {"_target_": "A", "x": 1}},
            {"a": {"_target_": "B", "y": 2}},
            {"a": {"_target_": "A", "x": 7}},
            {"a": {"_target_": "B", "y": 2}},
        ),
    ],
)
def test_merge_takes_what_changed_and_keeps_the_rest(before, after, theirs, merged):
    assert merge(before, after, theirs) == merged
