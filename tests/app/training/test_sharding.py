"""Whole runs whose weights are spread over two processes, against one process."""

import time

import pytest
import torch
from support.commands import NO_HEALTH, NO_PICTURES, ROOT, TINY_ENCODER, script, sizes, start, train

CHOICES = [
    *sizes(128, 32),
    *TINY_ENCODER,
    *NO_PICTURES,
    *NO_HEALTH,
    "+encoder.architecture.hidden_dropout_prob=0.0",
    "+encoder.architecture.attention_probs_dropout_prob=0.0",
    "model.dropout=0.0",
    "optimizer.eps=0.01",  # Adam's step is smooth in the gradient then, so rounding stays as small as it is
    "trainer.precision=32-true",
    "trainer.gradient_clip_val=0.1",
    "trainer.max_epochs=2",
    "weighting=uncertainty",  # it learns, and is not spread
    "watch_conflict=true",  # a backward pass of its own, before that of the step
    "test=false",
]
SPREAD = ["accelerator=fsdp_cpu", "loader.batch_size=16"]


def run(folder, *arguments):
    done = train(*CHOICES, *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done.stdout


def checkpoint(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def check_close(found, expected, where=""):
    """Check nested state, every tensor of it to float tolerance."""
    if isinstance(expected, torch.Tensor):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4, msg=lambda text: f"{where}: {text}")
    elif isinstance(expected, dict):
        assert list(found) == list(expected), where
        for key, value in expected.items():
            check_close(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        for index, value in enumerate(expected):
            check_close(found[index], value, f"{where}.{index}")
    elif not isinstance(expected, float):
        assert found == expected, where


@pytest.mark.slow
def test_run_that_spreads_its_weights_resumes_exactly_and_leaves_the_checkpoint_of_one_process(tmp_path):
    run(tmp_path, "accelerator=cpu", "loader.batch_size=32", "run_dir=one")
    spread = [*SPREAD, "callbacks.last.every_minutes=0", "resume=auto", "run_dir=spread"]
    killed = start(ROOT / "train.py", *CHOICES, *spread, cwd=tmp_path, log=tmp_path / "log")
    while not (tmp_path / "spread" / "checkpoints" / "last.ckpt").exists():
        assert not killed.has_ended(), (tmp_path / "log").read_text()
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    assert not (tmp_path / "spread" / "metrics.json").exists()
    assert "continued from" in run(tmp_path, *spread)
    one, resumed = (checkpoint(tmp_path / name) for name in ("one", "spread"))
    assert resumed["global_step"] == one["global_step"] == 8
    assert len(one["optimizer_states"][0]["state"]) > 10
    for state in (one["state_dict"], resumed["state_dict"]):
        del state["conflict.sums"]  # of the gradients of each process
    for part in ("state_dict", "optimizer_states"):
        check_close(resumed[part], one[part], part)
    exported = script("export", "run=spread", "output=bundle", cwd=tmp_path)
    assert exported.returncode == 0, exported.stderr


@pytest.mark.slow
def test_run_that_spreads_its_weights_refuses_what_it_cannot(tmp_path):
    done = train(*CHOICES, *SPREAD, "compile=true", "run_dir=run", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: compile: True given; the layers that fsdp spreads are not compiled, leave one of the two out"
    ]
