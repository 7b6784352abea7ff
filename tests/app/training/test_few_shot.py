"""Runs of few labels, all of which are trained on: pairs, heads solved again, no validation."""

import csv
import json

import pytest
from support.commands import TINY, script, train

from polyhead.app.loaded.trained import load_trained_run

TEXTS = {"Question": "why is the sky {} today", "Order": "bring me the {} at once please"}
WORDS = ["red", "green", "blue", "old", "new", "big", "small", "wet"]


def write(path, words):
    rows = [(text.format(word), label) for word in words for label, text in TEXTS.items()]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "kind"), *rows])


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    write(folder / "train.csv", WORDS[:6])
    write(folder / "test.csv", WORDS[6:])
    files = ["data=files", "data.files.train=train.csv", "data.files.test=test.csv", "tasks=[kind]"]
    choices = ["experiment=few_shot", "data.holdout.validation=0", "auto_epochs.min_steps=4", "hydra.run.dir=run"]
    tiny = [word for word in TINY if not word.startswith(("data", "trainer.max_epochs"))]
    done = train(*tiny, *files, *choices, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run", done.stdout


@pytest.mark.slow
def test_run_without_validation_trains_on_all_rows_and_tests(few):
    run, told = few
    metrics = json.loads((run / "metrics.json").read_text())
    assert "train: 12 sentences" in told
    assert "validation" not in json.loads((run / "provenance.json").read_text())["data"]
    assert metrics["validation"] == {}
    assert metrics["monitor"]["value"] is None
    assert metrics["test"].keys() == {"kind"}
    assert metrics["epochs"] == 4


@pytest.mark.slow
def test_heads_are_solved_again_over_the_tuned_encoder(few):
    run, told = few
    lines = [line for line in told.splitlines() if line.startswith("head of kind: solved")]
    assert len(lines) == 2
    assert "again" not in lines[0]
    assert "again" in lines[1]
    predicted = json.loads((run / "metrics.json").read_text())["test"]["kind"]["accuracy"]
    model = load_trained_run(run).model
    assert model.heads["kind"][-1].weight.any()
    assert 0 <= predicted <= 1


@pytest.mark.slow
@pytest.mark.parametrize(("heads", "told"), [("heads.again=true", 0), ("heads.again=false", 1), ("heads=trained", 1)])
def test_heads_that_learn_nothing_and_are_not_solved_at_the_end_are_told(tmp_path, heads, told):
    done = train(*TINY, "loss=pair_similarity", heads, "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("loss: no head learns from PairSimilarityLoss, so they stay as they start;") == told


@pytest.mark.slow
def test_run_without_validation_is_exported_evaluated_reported_and_predicts(few, tmp_path):
    run, _ = few
    score = json.loads((run / "metrics.json").read_text())["test"]["kind"]["accuracy"]
    for name, *words in (
        ["export", str(run), f"output={tmp_path / 'bundle'}"],
        ["evaluate", f"model={run}", f"input={run.parent / 'test.csv'}", f"output={tmp_path / 'later'}"],
        ["report", str(run), f"output={tmp_path / 'report'}"],
        ["predict", f"model={tmp_path / 'bundle'}", f"input={run.parent / 'test.csv'}", f"output={tmp_path / 'p.csv'}"],
    ):
        done = script(name, *words, cwd=tmp_path)
        assert done.returncode == 0, (name, done.stderr)
    assert json.loads((tmp_path / "later" / "metrics.json").read_text())["test"]["kind"]["accuracy"] == pytest.approx(
        score
    )
    assert "not calibrated" in (tmp_path / "bundle" / "README.md").read_text()
