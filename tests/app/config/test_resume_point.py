import json

import pytest
from support.configs import CONFIGS

from polyhead.app.config.resume_point import find_resume_point, last_checkpoint, noted_overrides, resumed_overrides
from polyhead.errors import UserError
from polyhead.runs.contents import Provenance
from polyhead.runs.folder import RunFolder


@pytest.fixture
def make_run(tmp_path):
    def make(*overrides, name="run", checkpoint="checkpoints/last.ckpt", config="run_dir: /elsewhere\n"):
        run = tmp_path / name
        (run / checkpoint).parent.mkdir(parents=True)
        (run / checkpoint).write_text("state")
        (run / "config.yaml").write_text(config)
        made_with = {"choices": {}, "command": [], "seed": 0, "precision": "32-true", "device": "cpu", "python": "3"}
        made_with |= {"versions": {}, "git": None, "hardware": {}}
        Provenance(overrides=list(overrides), **made_with).write(RunFolder(run))
        return run

    return make


def test_resume_point_is_the_last_checkpoint_of_a_folder_or_the_file_given(make_run):
    run = make_run()
    point = find_resume_point(str(run))
    assert (point.run, point.checkpoint) == (run, run / "checkpoints" / "last.ckpt")
    other = run / "checkpoints" / "step=5.ckpt"
    other.write_text("state")
    assert find_resume_point(str(other)).checkpoint == other
    assert find_resume_point(str(other)).run == run


def test_last_checkpoint_is_found_where_its_callback_writes_it_also_in_a_run_that_was_moved(make_run):
    config = "run_dir: /elsewhere\ncallbacks: {last: {dirpath: /elsewhere/states, filename: newest}}\n"
    run = make_run(checkpoint="states/newest.ckpt", config=config)
    assert last_checkpoint(run) == run / "states" / "newest.ckpt"
    (run / "states" / "newest.ckpt").unlink()
    assert last_checkpoint(run) is None


def test_resume_point_says_what_is_missing_in_one_line(make_run, tmp_path):
    run = make_run()
    (run / "checkpoints" / "last.ckpt").unlink()
    (tmp_path / "alone.ckpt").write_text("state")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folds" / "fold=0").mkdir(parents=True)
    (tmp_path / "folds" / "fold=0" / "config.yaml").touch()
    for given, message in [
        (run, "has no checkpoints/last.ckpt"),
        (tmp_path / "empty", "holds no config.yaml"),
        (tmp_path / "folds", "holds the runs of data.folds; the command that made them continues them, with"),
        (tmp_path / "nowhere", "no file"),
        (tmp_path / "alone.ckpt", "lies in no folder of a run"),
    ]:
        with pytest.raises(UserError, match=f"^resume: [^\n]*{message}[^\n]*$"):
            find_resume_point(str(given))


def test_overrides_of_the_run_stand_before_those_given_and_these_replace_them(make_run):
    run = make_run("freeze=lora", "freeze.rank=2", "loss=focal", "seed=3", "+trainer.max_steps=5", "resume=auto")
    given = [f"resume={run}", "freeze=backbone", "seed=4", "+trainer.max_steps=9", "-m"]
    merged = resumed_overrides(given, CONFIGS)
    assert merged == ["loss=focal", *given]
    assert resumed_overrides(merged, CONFIGS) == merged, "processes of distributed training expand it again"


def test_what_is_taken_out_is_there_before(make_run):
    run = make_run("+trainer.max_steps=5")
    given = [f"resume={run}", "~trainer.max_steps"]
    assert resumed_overrides(given, CONFIGS) == ["+trainer.max_steps=5", *given]


def test_what_a_run_added_is_there_to_be_changed(make_run):
    run = make_run("+trainer.max_steps=5", "+freeze.rank=2")
    given = [f"resume={run}", "trainer.max_steps=9", "freeze=none"]
    merged = resumed_overrides(given, CONFIGS)
    assert merged == ["+trainer.max_steps=5", *given]
    assert resumed_overrides(merged, CONFIGS) == merged


def test_what_a_run_took_out_is_taken_out_once(make_run):
    run = make_run("~callbacks.confusion", "~callbacks.gallery")
    given = [f"resume={run}", "~callbacks.confusion"]
    merged = resumed_overrides(given, CONFIGS)
    assert merged == ["~callbacks.gallery", *given]
    assert resumed_overrides(merged, CONFIGS) == merged


def test_overrides_stay_as_they_are_where_no_run_is_named(tmp_path):
    for given in (["seed=1"], ["resume=auto"], ["resume=null"], [f"resume={tmp_path}/nowhere", "seed=1"]):
        assert resumed_overrides(given, CONFIGS) == given


def test_several_runs_at_once_are_refused(make_run):
    one, two = make_run(name="one"), make_run(name="two")
    with pytest.raises(UserError, match="several runs given"):
        resumed_overrides([f"resume={one},{two}"], CONFIGS)


def test_noted_overrides_get_the_names_of_today_without_a_word(make_run, capsys):
    assert noted_overrides(make_run("freeze=thawing", "loader.window=9"), CONFIGS) == [
        "freeze=schedule",
        "loader.bucket_batches=9",
    ]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "override",
    [
        "experiment=../../elsewhere",
        "+experiment=[/elsewhere/evil]",
        "+nothing_known=/elsewhere/evil",
        "hydra.searchpath=[/elsewhere]",
        "+hydra/callbacks=evil",
        "+freeze@hydra.callbacks=evil",
        "freeze@hydra.callbacks.x=none",
        "a=b=[",
    ],
)
def test_noted_overrides_that_lead_elsewhere_are_refused(make_run, override):
    run = make_run("seed=1", override)
    with pytest.raises(UserError, match=r"^resume: [^\n]*it is damaged, or forged$"):
        resumed_overrides([f"resume={run}"], CONFIGS)


def test_noted_overrides_whom_a_run_trusts_are_not_taken_over(make_run):
    assert noted_overrides(make_run("trust=evil", "seed=1", "run_dir=x"), CONFIGS) == ["seed=1"]


def test_overrides_that_are_no_list_are_refused(make_run):
    run = make_run("seed=1")
    content = json.loads((run / "provenance.json").read_text()) | {"overrides": 3}
    RunFolder(run).write_json("provenance.json", content)
    with pytest.raises(UserError):
        noted_overrides(run, CONFIGS)
