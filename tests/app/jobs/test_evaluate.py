"""Evaluation of a run or a bundle on sentences that came later, against what training itself reported."""

import csv
import json
import random
import re

import pytest
from hydra import compose, initialize_config_dir
from support.bundles import add_scores, half_right, make_bundle, texts
from support.commands import NO_HEALTH, NO_PICTURES, ROOT, TINY_ENCODER, script, train

from polyhead import Predictor
from polyhead.app.jobs import evaluate as evaluate_script
from polyhead.errors import UserError
from polyhead.runs.evaluation import EvaluationMetrics
from polyhead.runs.folder import RunFolder

COMMON = [*TINY_ENCODER, *NO_PICTURES, *NO_HEALTH, "accelerator=cpu", "trainer.max_epochs=2", "optimizer.head_lr=0.01"]
COMMON += ["logger=none"]
FILES = ["data=files", "data.files.train=train.csv", "data.files.test=test.csv", "data.text=body"]
FREEZES = {
    "none": [],
    "lower_layers": ["freeze=lower_layers", "freeze.count=1"],
    "schedule": ["freeze=schedule", "trainer.max_epochs=3"],
    "lora": ["freeze=lora"],
    "single": ["freeze=backbone", "trainer.precision=32-true"],
    "backbone": ["freeze=backbone"],
}


def write_rows(path, count, seed, category="category"):
    """Write sentences with two tasks; every fifth has no sentiment."""
    source = random.Random(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["body", category, "sentiment"])
        for number in range(count):
            kind, mood = source.choice(["Quote", "Riddle", "News"]), source.choice(["good", "bad"])
            text = f"{mood if source.random() < 0.8 else 'so'} {kind.lower()} {seed} " + "and more " * source.randrange(
                9
            )
            writer.writerow([f"{text}{number}", kind, mood if number % 5 else ""])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    write_rows(folder / "train.csv", 120, seed=0)
    write_rows(folder / "test.csv", 45, seed=1)
    return folder


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    stores = tmp_path_factory.mktemp("stores")
    return {f"POLYHEAD_{name}": str(stores / name.lower()) for name in ("DATA", "TOKENS", "ACTIVATIONS")}


@pytest.fixture(scope="module")
def trained(folder, stores):
    """Train by the name of what is frozen, each once."""

    def train_once(name):
        if not (folder / name).exists():
            arguments = [*COMMON, *FILES, "tasks=[category,sentiment]", *FREEZES[name], f"hydra.run.dir={name}"]
            done = train(*arguments, cwd=folder, **stores)
            assert done.returncode == 0, done.stderr
        return folder / name

    return train_once


@pytest.fixture
def evaluate(folder, stores):
    def evaluate(*arguments, cwd=folder):
        return script("evaluate", *arguments, "device=cpu", cwd=cwd, **stores)

    return evaluate


@pytest.mark.slow
@pytest.mark.parametrize("name", FREEZES)
def test_evaluate_gives_what_training_reported_on_the_same_file_to_the_last_digit(trained, evaluate, tmp_path, name):
    run = trained(name)
    done = evaluate(f"model={run}", "input=test.csv", f"output={tmp_path}")
    assert done.returncode == 0, done.stderr
    reported = json.loads((run / "metrics.json").read_text())["test"]
    assert json.loads((tmp_path / "metrics.json").read_text())["test"] == reported
    assert (tmp_path / "mistakes.csv").read_text() == (run / "mistakes.csv").read_text()
    with (tmp_path / "confusion_category.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header[1:] == [row[0] for row in rows]
    assert [list(map(int, row[1:])) for row in rows] == reported["category"]["confusion"]


@pytest.mark.slow
def test_evaluate_scores_a_bundle_as_the_run_that_it_was_made_of(trained, evaluate, folder, tmp_path):
    run = trained("none")
    assert script("export", str(run), f"output={tmp_path / 'bundle'}", cwd=folder).returncode == 0
    done = evaluate(f"model={tmp_path / 'bundle'}", "input=test.csv", f"output={tmp_path / 'x'}", "text=body")
    assert done.returncode == 0, done.stderr
    reported = json.loads((run / "metrics.json").read_text())["test"]
    assert EvaluationMetrics.read(RunFolder(tmp_path / "x")).test == reported


@pytest.mark.slow
def test_evaluate_counts_the_coverage_of_a_run_as_its_scores_promise_it(trained, evaluate, tmp_path):
    run = trained("backbone")
    done = evaluate(f"model={run}", "input=test.csv", f"output={tmp_path}", "coverage={category: 0.8}")
    assert done.returncode == 0, done.stderr
    metrics = EvaluationMetrics.read(RunFolder(tmp_path))
    (found,) = metrics.selection.values()
    assert found["low"] < found["coverage"] < found["high"]
    assert f"category: coverage {found['coverage']:.4f} (95 % interval {found['low']:.4f} to" in done.stdout
    assert found["coverage"] >= metrics.test["category"]["accuracy"] - 1e-6  # which is in single precision


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["coverage", "accuracy"])
def test_evaluate_counts_what_predict_gives(tmp_path, model, tasks, capsys, wanted):
    some = [text for text in texts(80) if text.strip()]
    bundle = make_bundle(tmp_path / "bundle", model, tasks)
    shares = Predictor.load(bundle, precision="32-true", device="cpu").predict(texts(180)[90:]).probabilities
    add_scores(bundle, tasks, {task: half_right(shares[task]) for task in shares})
    predictor = Predictor.load(bundle, precision="32-true", device="cpu")
    truth = [tasks[0].labels[row % 3] for row in range(len(some))]
    rows = "".join(f"{text},{label}\n" for text, label in zip(some, truth, strict=True))
    (tmp_path / "later.csv").write_text(f"text,category\n{rows}")
    given = [f"model={bundle}", f"input={tmp_path / 'later.csv'}", f"output={tmp_path / 'x'}", f"{wanted}=0.6"]
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        evaluate_script.run(
            compose("evaluate", [*given, "device=cpu", "precision=32-true", f"cache={tmp_path / 'cache'}"])
        )
    metrics = EvaluationMetrics.read(RunFolder(tmp_path / "x"))
    found = metrics.selection["category"]
    assert [*metrics.selection] == ["category"]
    predictions = predictor.predict(some)
    if wanted == "coverage":
        sets = predictor.select(coverage=0.6).label_sets(tasks[0], predictions.probabilities["category"])
        counted = [label in labels for label, labels in zip(truth, sets, strict=True)]
        assert found["labels_per_set"] == pytest.approx(sum(map(len, sets)) / len(sets))
    else:
        answered = predictor.select(accuracy=0.6).answered(tasks[0], predictions.probabilities["category"])
        labels = zip(truth, predictions.labels("category"), answered, strict=True)
        counted = [label == guess for label, guess, is_answered in labels if is_answered]
        assert 0 < len(counted) < len(some)
        assert found["answered"] == pytest.approx(len(counted) / len(some))
    assert found[wanted] == pytest.approx(sum(counted) / len(counted))
    assert f"{wanted} {found[wanted]:.4f} (95 % interval" in capsys.readouterr().out


@pytest.mark.slow
def test_evaluate_takes_other_columns_and_skips_tasks_without_labels(trained, evaluate, tmp_path):
    run = trained("backbone")
    (tmp_path / "later.csv").write_text("text,mood\na good quote,good\na bad riddle,bad\n")
    arguments = [f"model={run}", "input=later.csv", "text=text", "columns={sentiment: mood}"]
    done = evaluate(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "category: skipped, no sentence has a label for it" in done.stdout
    assert "test: 2 sentences with a label for sentiment: an accuracy has a 95 % interval" in done.stdout
    metrics = EvaluationMetrics.read(RunFolder(tmp_path / "evaluation"))
    assert [*metrics.test] == ["sentiment"]
    assert metrics.skipped == ["category"]
    again = evaluate(*arguments, cwd=tmp_path)
    assert again.returncode == 2
    assert "overwrite=true" in again.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("body,category\na,Quot\n", [], "later.csv row 2: category: unknown label 'Quot'; did you mean 'Quote'?"),
        ("body,category\n ,Quote\n", [], "input: no row has a text in 'body' in later.csv; give sentences with labels"),
        ("body,mood\na,b\n", [], "input: no label for category, sentiment in later.csv; see columns"),
        ("body,mood\na,b\n", ["columns={mod: mood}"], "columns: unknown task 'mod'"),
        ("text,mood\na,b\n", [], "later.csv: no column 'body'"),
        ("body,category\na,Quote\n", ["input=x.csv"], "input: no file 'x.csv'"),
        ("body,category\na,Quote\n", ["model=."], "model: '.' is neither a finished run nor a bundle"),
        ("body,category\na,Quote\n", ["mistakes=0"], "count: 0 given; it must be 1 or more"),
        ("body,category\na,Quote\n", ["precision=8"], "precision"),
        ("body,category\na,Quote\n", ["coverage=1.5"], "coverage: 1.5 given; it must be above 0 and below 1"),
        ("body,category\na,Quote\n", ["accuracy=0.99"], "accuracy: 0.99 cannot be promised for category: its 12 valid"),
    ],
)
def test_evaluate_refuses_in_one_line(trained, tmp_path, monkeypatch, content, arguments, message):
    run = trained("backbone")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "later.csv").write_text(content)
    given = [f"model={run}", "input=later.csv", "device=cpu", f"cache={tmp_path / 'cache'}", *arguments]
    with (
        initialize_config_dir(str(ROOT / "configs"), version_base="1.3"),
        pytest.raises(UserError, match=re.escape(message)) as caught,
    ):
        evaluate_script.run(compose("evaluate", given))
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "evaluation" / "metrics.json").exists()
