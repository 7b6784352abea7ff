"""Loggers as a run uses them: what each of them holds in the end is read back without its own library."""

import json
import sqlite3

import pytest
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger
from support.commands import SMALL_DATA, TINY_ENCODER, train
from support.training import make_trainer

from polyhead.errors import UserError
from polyhead.training.loggers import open_loggers


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    loggers = ["logger=[csv,mlflow,wandb]", "logger.wandb.offline=true", f"run_dir={folder}/one"]
    few = ["accelerator=cpu", "~callbacks.gallery", "~callbacks.reliability"]
    done = train(*SMALL_DATA, *TINY_ENCODER, *few, *loggers, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.mark.slow
def test_loggers_of_a_run_may_be_several_at_once(run):
    folder, shown = run
    metrics = json.loads((folder / "one/metrics.json").read_text())
    expected = metrics["test"]["category"]["macro_f1"]
    assert f"curves: {folder}/one/metrics.csv" in shown
    assert "tensorboard" not in shown
    columns = (folder / "one/metrics.csv").read_text().splitlines()[0]
    assert "validation/category/macro_f1" in columns

    with sqlite3.connect(folder / "mlflow.db") as database:
        final = dict(database.execute("select key, value from latest_metrics where key like 'Final/%'"))
        params = dict(database.execute("select key, value from params"))
        assert database.execute("select name from runs").fetchall() == [("one",)]
    assert final["Final/test/category/macro_f1"] == pytest.approx(expected)
    assert params["freeze"] == "none"

    (offline,) = (folder / "one/wandb").glob("offline-run-*")
    assert list(offline.glob("*.wandb"))


@pytest.mark.slow
def test_loggers_that_can_hold_pictures_and_tables_are_given_them(run):
    folder, _ = run
    (kept,) = (folder / "mlruns").glob("*/artifacts")
    names = {str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()}
    assert "freezing plan.json" in names
    assert "test/category/mistakes.json" in names
    assert any(name.startswith("validation/sentiment/confusion/") and name.endswith(".png") for name in names)
    table = json.loads((kept / "freezing plan.json").read_text())
    assert table["columns"][:2] == ["part", "parameters"]

    (media,) = (folder / "one/wandb").glob("offline-run-*/files/media")
    assert list(media.glob("images/test/category/confusion*.png"))
    assert list(media.glob("table/test/category/mistakes*.json"))


def test_logger_that_does_not_open_is_one_line(tmp_path):
    class Refused(MLFlowLogger):
        def __init__(self):
            pass

        run_id = property(lambda self: 1 / 0)

    trainer = make_trainer(tmp_path)
    trainer.loggers = [CSVLogger(tmp_path), Refused()]
    with pytest.raises(UserError, match=r"^logger: Refused does not open \(division by zero\); mend that, or choose"):
        open_loggers(trainer)
