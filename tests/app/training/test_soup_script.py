"""Runs averaged into one by ``scripts/soup.py``, as a user would."""

import json

import pytest
import torch
from support.commands import NO_HEALTH, NO_PICTURES, TINY, TINY_ENCODER, script, train

from polyhead.app.loaded.trained import load_trained_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soup")
    sweep = ["seed=0,1", "freeze=lower_layers", "freeze.count=1", "optimizer.head_lr=1e-2", "hydra.sweep.dir=sweep"]
    # In bf16 what is stored and what is computed anew round otherwise, and scores of an average could not be compared.
    done = train("-m", *TINY, *sweep, "trainer.precision=32-true", cwd=folder)
    assert done.returncode == 0, done.stderr
    return sorted(path for path in (folder / "sweep").iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def soup(runs):
    folder = runs[0].parents[1] / "soup"
    done = script("soup", str(runs[0].parent), "--folder", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "soup: the average of 2 of 2 runs" in done.stdout
    return folder


def test_soup_has_the_mean_of_the_runs_weights_and_metrics_of_its_own(runs, soup):
    first, second, average = (load_trained_run(folder) for folder in (*runs, soup))
    for name, value in average.model.state_dict().items():
        mean = (first.model.state_dict()[name].double() + second.model.state_dict()[name].double()) / 2
        torch.testing.assert_close(value.double(), mean, rtol=1e-6, atol=1e-7)
    assert average.metrics.epochs == average.metrics.parameters["trainable"] == 0
    assert average.metrics.validation.keys() == average.metrics.test.keys() == {"category", "sentiment"}
    assert average.metrics.soup == [str(folder) for folder in runs]


def test_soup_is_exported_reproduced_and_reported_like_any_run(soup):
    bundle = soup.parent / "bundle"
    exported = script("export", str(soup).replace("=", r"\="), f"output={bundle}")
    assert exported.returncode == 0, exported.stderr
    again = script("reproduce", str(soup))
    assert again.returncode == 0, again.stdout + again.stderr
    reported = script("report", str(soup.parent), "--output", str(soup.parent / "report"))
    assert reported.returncode == 0, reported.stderr


def test_greedy_soup_is_at_least_as_good_on_validation_as_the_best_run(runs):
    folder = runs[0].parents[1] / "greedy"
    done = script("soup", *map(str, runs), "--recipe", "greedy", "--folder", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    values = [json.loads((run / "metrics.json").read_text())["monitor"]["value"] for run in (folder, *runs)]
    assert values[0] >= max(values[1:])


def test_training_starts_from_an_average(runs, tmp_path):
    given = [f"soup.runs=['{runs[0]}','{runs[1]}']", "soup=uniform", "freeze=backbone", "trainer.max_epochs=1"]
    for name, how in (("on", "activation_cache=disk"), ("recomputed", "activation_cache=off")):
        done = train(*TINY, *given, how, "trainer.precision=32-true", f"hydra.run.dir={name}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    stored, computed = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("on", "recomputed"))
    assert stored["activation_cache"]
    for task, results in stored["validation"].items():  # stored features are the average's, not the first encoder's
        assert results["loss"] == pytest.approx(computed["validation"][task]["loss"], rel=1e-5)
    states = [load_trained_run(folder).model.state_dict() for folder in (*runs, tmp_path / "on")]
    encoder = "encoder.transformer.encoder.layer.1.output.dense.weight"
    torch.testing.assert_close(states[2][encoder], (states[0][encoder] + states[1][encoder]) / 2)
    head = "heads.category.1.weight"
    assert not torch.allclose(states[2][head], (states[0][head] + states[1][head]) / 2, atol=1e-4)


def test_training_starts_from_an_average_also_without_validation(tmp_path):
    rows = "".join(f"sentence {i},{i % 2}\n" for i in range(8))
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text(f"text,mood\n{rows}")
    files = ["data=files", "data.files.train=train.csv", "data.files.test=test.csv", "data.holdout.validation=0.0"]
    given = [*TINY_ENCODER, *NO_PICTURES, *NO_HEALTH, "accelerator=cpu", *files, "tasks=[mood]", "trainer.max_epochs=1"]
    for name in ("a", "b"):
        done = train(*given, f"hydra.run.dir={name}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    done = train(*given, "soup=uniform", "soup.runs=[a,b]", "hydra.run.dir=average", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "soup: the average of 2 of 2 runs" in done.stdout
    done = train(*given, "soup=greedy", "soup.runs=[a,b]", "hydra.run.dir=greedy", cwd=tmp_path)
    assert done.stderr.endswith("error: soup: greedy chooses by validation, and there is none; take soup=uniform\n")


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    done = train(*TINY, "heads=trained", "~tasks.sentiment", "hydra.run.dir=old", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "old"


@pytest.mark.parametrize(
    "given",
    [
        ["start={old}", "~tasks.category"],
        ["teacher={old}", "distillation.share=0.5", "keep_embedding=cosine"],
        ["model.dimensions=[24,12]"],
    ],
    ids=["start", "teacher", "dimensions"],
)
def test_soup_takes_runs_that_began_or_learned_elsewhere(old, tmp_path, given):
    small = [word for word in TINY if not word.startswith("encoder.")] if given[0].startswith("start") else TINY
    choices = [word.replace("{old}", str(old)) for word in given]
    done = train("-m", *small, *choices, "heads=trained", "seed=0,1", "hydra.sweep.dir=sweep", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    soup = script("soup", "sweep", "folder=soup", cwd=tmp_path)
    assert soup.returncode == 0, soup.stdout + soup.stderr
    runs = sorted(path for path in (tmp_path / "sweep").iterdir() if path.is_dir())
    first, second, average = (load_trained_run(folder) for folder in (*runs, tmp_path / "soup"))
    for name, value in average.model.state_dict().items():
        mean = (first.model.state_dict()[name].double() + second.model.state_dict()[name].double()) / 2
        torch.testing.assert_close(value.double(), mean, rtol=1e-6, atol=1e-7)
    assert average.metrics.kept_heads == first.metrics.kept_heads
    assert average.metrics.dimensions.keys() == first.metrics.dimensions.keys()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["data.seed=5"], "had other validation sentences; it may have learned from those that are evaluated here"),
        (["~tasks.sentiment"], "was trained with other choices of tasks"),
    ],
)
def test_soup_refuses_runs_that_do_not_fit_together(runs, tmp_path, changed, message):
    done = train(*TINY, "freeze=backbone", *changed, "trainer.max_epochs=1", "hydra.run.dir=other", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    mixed = script("soup", str(runs[0]), str(tmp_path / "other"), "--folder", str(tmp_path / "soup"))
    assert mixed.returncode == 2
    assert message in mixed.stderr
    assert len(mixed.stderr.splitlines()) == 1


def test_soup_refuses_runs_that_are_missing_in_one_line(runs, tmp_path):
    for given, message in (
        ([str(runs[0])], "1 finished runs in"),
        ([str(tmp_path / "none")], "is no folder"),
        ([str(runs[0].parent), "--folder", str(runs[0])], "holds another run"),
    ):
        done = script("soup", *given)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert message in line
