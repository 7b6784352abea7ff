"""Runs whose heads are solved, as a user starts them."""

import json
import re

import pytest
import torch
from support.commands import TINY, script, train

from polyhead.app.loaded.trained import load_trained_run

pytestmark = pytest.mark.slow
SINGLE = "trainer.precision=32-true"


def metrics_of(run):
    return json.loads((run / "metrics.json").read_text())


def heads_of(run):
    return load_trained_run(run).model.heads.state_dict()


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("solved")
    done = train(*TINY, SINGLE, "freeze=backbone", "hydra.run.dir=run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "head of category: solved over 64 rows, penalty " in done.stdout
    assert "temperature" in done.stdout
    assert re.search(r"heads\.category\W+150\W+solved\W", done.stdout)
    return folder / "run"


def test_heads_alone_take_no_step_and_leave_all_that_a_run_leaves(solved, tmp_path):
    metrics = metrics_of(solved)
    assert metrics["epochs"] == 0
    assert metrics["best_epoch"] is None
    assert metrics["parameters"]["trainable"] == 225
    assert metrics["validation"].keys() == metrics["test"].keys() == {"category", "sentiment"}
    assert (solved / "checkpoints" / "best.ckpt").is_file()
    assert (solved / "predictions.npz").is_file()
    exported = script("export", str(solved), f"output={tmp_path / 'bundle'}")
    assert exported.returncode == 0, exported.stderr


def test_stored_and_recomputed_embeddings_give_the_same_heads(solved, tmp_path):
    done = train(*TINY, SINGLE, "freeze=backbone", "activation_cache=off", "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found, expected = heads_of(tmp_path / "run"), heads_of(solved)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)


def test_fine_tuning_begins_at_the_solved_heads(solved, tmp_path):
    rates = ["optimizer.encoder_lr=1e-12", "optimizer.head_lr=1e-12", "trainer.max_epochs=1"]
    for freeze in ("none", "lora", "lp_ft", "gradual"):
        done = train(*TINY, SINGLE, *rates, f"freeze={freeze}", f"hydra.run.dir={freeze}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert metrics_of(tmp_path / freeze)["epochs"] == 1
        found, expected = heads_of(tmp_path / freeze), heads_of(solved)
        for task in ("category", "sentiment"):
            weight, bias = f"{task}.1.weight", f"{task}.1.bias"
            lengths = found[weight].norm(dim=1)
            assert lengths.max() <= 3**-0.5 + 1e-5
            ratio = expected[weight].norm() / found[weight].norm()
            torch.testing.assert_close(found[weight] * ratio, expected[weight], rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(found[bias] * ratio, expected[bias], rtol=1e-3, atol=1e-4)
    assert "heads are solved; the epochs that would train them alone (1) are left out" in done.stdout


def test_heads_that_are_trained_further_start_from_some_rows(tmp_path):
    choices = ["heads.rows=1", "model.encoder_dropout=0", "freeze=none", "trainer.max_epochs=1"]
    done = train(*TINY, SINGLE, *choices, "data.sizes.train=300", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {task: int(count) for task, count in re.findall(r"head of (\w+): solved over (\d+) rows", done.stdout)}
    assert rows.keys() == {"category", "sentiment"}
    assert max(rows.values()) <= 1 + 20 * 9  # classes, of both tasks


def test_heads_of_an_encoder_with_adapters_are_solved_in_bfloat16(tmp_path):
    done = train(*TINY, "freeze=lora", "trainer.precision=bf16-mixed", "trainer.max_epochs=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "head of category: solved over 64 rows" in done.stdout


def test_heads_that_are_frozen_or_trained_start_at_random(tmp_path):
    for name, options in {
        "heads": ["freeze=heads", "trainer.max_epochs=1"],
        "trained": ["heads=trained", "freeze=backbone", "optimizer.head_lr=1e-12", "trainer.max_epochs=1"],
    }.items():
        done = train(*TINY, SINGLE, *options, f"hydra.run.dir={name}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "solved" not in done.stdout
    for name, value in heads_of(tmp_path / "heads").items():
        torch.testing.assert_close(heads_of(tmp_path / "trained")[name], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("heads.penalty=0", "heads.penalty: 0 given; it must be a number above 0, one by task, or auto"),
        ("heads.penalty={mood:1}", "heads.penalty: unknown task 'mood'"),
        ("heads.folds=1", "heads.folds: 1 given; it must be 2 or more"),
        ("heads=solve", "heads=solve: no such option; did you mean 'solved'?"),
    ],
)
def test_wrong_words_about_heads_are_a_line(tmp_path, given, message):
    done = train(*TINY, given, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_keys_that_change_nothing_are_told(tmp_path):
    given = ["freeze=backbone", "optimizer.head_lr=0.1", "+trainer.max_steps=3", "heads.penalty=1", "seed=1"]
    done = train(*TINY, *given, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    idle = "trainer.max_epochs, optimizer.head_lr, trainer.max_steps: without effect, since heads are solved"
    assert idle in " ".join(done.stdout.split())
    assert "penalty 1\n" in done.stdout


def test_study_of_what_changes_nothing_is_refused(tmp_path):
    done = script("tune", *TINY, "freeze=backbone", "trials=2", f"folder={tmp_path / 'study'}")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: space: optimizer.encoder_lr, optimizer.head_lr,")
    assert line.endswith("set heads=trained, or search something else")


def test_stage_that_is_left_out_does_not_make_the_last_one_late(tmp_path):
    done = train(*TINY, "freeze=lp_ft", "freeze.probe_epochs=9", "trainer.max_epochs=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "its last stage begins" not in done.stdout
