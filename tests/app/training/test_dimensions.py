"""Widths of an embedding from the command line: trained, measured, exported, predicted and encoded with."""

import json

import numpy as np
import pytest
from support.commands import NO_HEALTH, NO_PICTURES, ROOT, TINY, script, start, train

EXACT = ["trainer.precision=32-true"]
QUICK = [*NO_PICTURES, *NO_HEALTH, *EXACT, "accelerator=cpu", "trainer.max_epochs=1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run that was trained for three widths, and its bundle."""
    place = tmp_path_factory.mktemp("dimensions")
    given = ["model.dimensions=[24,12,6]", "keep_embedding=similarity", "hydra.run.dir=run"]
    done = train(*TINY, *EXACT, *given, cwd=place)
    assert done.returncode == 0, done.stderr
    assert script("export", "run", "output=bundle", cwd=place).returncode == 0
    return place


@pytest.mark.slow
def test_predictions_at_a_width_have_the_score_that_was_measured(folder):
    done = script("export", "run", "output=stored", "sentences=test", cwd=folder)
    assert done.returncode == 0, done.stderr
    from polyhead.app.loaded.trained import load_trained_run
    from polyhead.deployment.predictor import Predictor

    sentences = load_trained_run(folder / "run").sentences("test")
    measured = json.loads((folder / "run" / "metrics.json").read_text())["dimensions"]
    assert measured.keys() == {"12", "6"}
    for size in (12, 6):
        predictor = Predictor.load(folder / "bundle", precision="32-true", device="cpu", dimensions=size)
        predictions = predictor.predict([sentence.text for sentence in sentences])
        for task in ("category", "sentiment"):
            right = [label == s.labels[task] for label, s in zip(predictions.labels(task), sentences, strict=True)]
            results = measured[str(size)]
            assert np.mean(right) == pytest.approx(results["test"][task]["accuracy"])
            temperature = results["validation"][task]["temperature"]
            assert predictor.fits[task]["temperature"] == pytest.approx(temperature)


@pytest.mark.slow
def test_table_of_scores_against_width_has_those_that_were_measured(folder):
    log = folder / "table.log"
    code = start(ROOT / "docs" / "lab" / "shrink.py", "run", "sizes=12,6", cwd=folder, log=log).wait()
    assert code == 0, log.read_text()
    rows = [line.strip("| \n").split("|") for line in log.read_text().splitlines() if line.startswith("| run |")]
    printed = {cells[1].strip(): [float(cell) for cell in cells[2:]] for cells in rows if cells[1].strip().isdigit()}
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    for size, scores in printed.items():
        measured = metrics["dimensions"][size]["test"] if size in metrics["dimensions"] else metrics["test"]
        *accuracies, spearman = scores
        assert accuracies == [pytest.approx(measured[task]["accuracy"], abs=6e-4) for task in ("category", "sentiment")]
        assert -1 <= spearman <= 1
    assert printed.keys() == {"24", "12", "6"}


@pytest.mark.slow
def test_encoded_embeddings_at_a_width_are_those_of_predictions(folder):
    (folder / "texts.txt").write_text("A sentence.\nWhat a day!\n")
    common = ["input=texts.txt", "precision=32-true", "device=cpu", "dimensions=6", "overwrite=true"]
    predicted = script("predict", "model=bundle", "output=out.jsonl", "embeddings=true", *common, cwd=folder)
    assert predicted.returncode == 0, predicted.stderr
    encoded = script("encode", "run=run", "output=out.npy", *common, cwd=folder)
    assert encoded.returncode == 0, encoded.stderr
    rows = [json.loads(line)["embedding"] for line in (folder / "out.jsonl").read_text().splitlines()]
    np.testing.assert_allclose(np.load(folder / "out.npy"), rows, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("origin", ["run", "bundle"])
def test_head_that_is_kept_has_the_temperatures_of_its_widths(folder, origin):
    rows = [f"{label} thing number {i},{label}" for i in range(16) for label in ("sea", "sky")]
    (folder / "topics.csv").write_text("\n".join(["text,topic", *rows]))
    files = [f"data.files.{split}=topics.csv" for split in ("train", "validation", "test")]
    given = [*QUICK, f"start={origin}", "freeze=backbone", "heads=trained", "data=files", *files, "tasks=[topic]"]
    name = f"added_to_{origin}"
    done = train(*given, "model.dimensions=[24,12]", f"hydra.run.dir={name}", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert script("export", name, f"output={name}_bundle", cwd=folder).returncode == 0
    old, new = (json.loads((folder / made / "tasks.json").read_text()) for made in ("bundle", f"{name}_bundle"))
    assert new["dimensions"]["12"]["sentiment"] == old["dimensions"]["12"]["sentiment"]
    assert new["dimensions"].keys() == {"12"}
    refused = train(*given, "model.dimensions=[24,8]", cwd=folder)
    assert refused.returncode == 2
    message = f"model.dimensions: 8 given, and the head of category in '{origin}', which is kept as it is, was not"
    assert message in refused.stderr, refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "given", "message"),
    [
        ("encode", ["run=run", "dimensions=5"], "dimensions: 5 given, and 'run' was trained for 24, 12, 6 alone"),
        (
            "encode",
            ["dimensions=96"],
            "dimensions: 96 given, and of an encoder alone nothing says whether it was trained",
        ),
        (
            "predict",
            ["model=bundle", "dimensions=5"],
            "was trained for 24, 12, 6 alone; train with model.dimensions=[24,5]",
        ),
    ],
)
def test_widths_that_were_not_trained_for_are_a_line(folder, command, given, message):
    (folder / "texts.txt").write_text("A sentence.\nWhat a day!\n")
    output = "no.npy" if command == "encode" else "no.jsonl"
    done = script(command, *given, "input=texts.txt", f"output={output}", cwd=folder)
    assert done.returncode != 0
    assert message in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["model.dimensions=[96,48]"], "model.dimensions: [96, 48] given; it must be whole numbers that fall from 24"),
        (["model.dimensions=[24,12]", "freeze=backbone"], "model.dimensions: heads are solved for the whole embedding"),
        (
            ["model.dimensions=[24,12]", "heads.again=true"],
            "model.dimensions: heads are solved for the whole embedding",
        ),
    ],
)
def test_widths_that_cannot_be_trained_are_a_line(tmp_path, given, message):
    done = train(*TINY, *given, cwd=tmp_path)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
