"""``encoder.long=windows`` from training to predictions, as a user meets it."""

import csv
import json

import numpy as np
import pytest
from support.commands import NO_PICTURES, TINY_ENCODER, script, train

from polyhead import Predictor

pytestmark = pytest.mark.slow
WINDOWS = ["encoder.long=windows", "encoder.max_length=8", "encoder.windows=3"]
FREEZES = {"backbone": ["freeze=backbone"], "lower_layers": ["freeze=lower_layers", "freeze.count=1"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sentences of up to 40 words, whose last one says the mood."""
    folder = tmp_path_factory.mktemp("long")
    for name, first, count in (("train", 0, 90), ("test", 90, 40)):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "mood"])
            for row in range(first, first + count):
                mood = ("good", "bad")[row % 2]
                writer.writerow([f"number {row} " + "and more " * (row % 20) + mood, mood])
    return folder


@pytest.fixture(scope="module")
def runs(folder):
    common = ["data=files", "data.files.train=train.csv", "data.files.test=test.csv", "tasks=[mood]"]
    common += [*TINY_ENCODER, *NO_PICTURES, "accelerator=cpu", "trainer.max_epochs=2", *WINDOWS]
    common += ["trainer.precision=32-true"]
    for name, freeze in FREEZES.items():
        done = train(*common, *freeze, f"hydra.run.dir={name}", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "sentences cut to 3 windows of 8 tokens; encoder.windows=N reads more" in " ".join(done.stdout.split())
    return folder


@pytest.mark.parametrize("freeze", FREEZES)
def test_evaluate_reads_long_texts_as_training_did(runs, tmp_path, freeze):
    done = script("evaluate", f"model={freeze}", "input=test.csv", f"output={tmp_path}", "device=cpu", cwd=runs)
    assert done.returncode == 0, done.stderr
    reported = json.loads((runs / freeze / "metrics.json").read_text())["test"]
    assert json.loads((tmp_path / "metrics.json").read_text())["test"] == reported


def test_bundle_reads_long_texts_as_its_run_does(runs, tmp_path):
    exported = script("export", "run=lower_layers", f"output={tmp_path / 'bundle'}", "graph=onnx", cwd=runs)
    assert exported.returncode == 0, exported.stderr
    arguments = ["input=test.csv", "precision=32-true", "device=cpu"]
    done = script("encode", *arguments, "run=lower_layers", f"output={tmp_path / 'a.npy'}", cwd=runs)
    assert done.returncode == 0, done.stderr
    assert "cut to 3 windows of 8 tokens" in done.stdout
    with (runs / "test.csv").open() as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    for backend in ("torch", "onnx"):
        predictor = Predictor.load(tmp_path / "bundle", backend, "32-true", "cpu")
        np.testing.assert_allclose(predictor.predict(texts).embeddings, np.load(tmp_path / "a.npy"), atol=1e-4)
    given = [f"model={tmp_path / 'bundle'}", "input=test.csv", "precision=32-true"]
    done = script("evaluate", *given, f"output={tmp_path / 'out'}", cwd=runs)
    assert done.returncode == 0, done.stderr
    reported = json.loads((runs / "lower_layers" / "metrics.json").read_text())["test"]["mood"]
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())["test"]["mood"]
    assert found["accuracy"] == pytest.approx(reported["accuracy"])
    assert found["loss"] == pytest.approx(reported["loss"], abs=1e-4)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("encoder.long=window", "encoder.long: unknown 'window'; did you mean 'windows'?"),
        ("encoder.windows=1", "encoder.windows: 1 given; it must be 2 to 1000"),
    ],
)
def test_train_refuses_other_values_in_one_line(tmp_path, argument, message):
    done = train(argument, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
