"""Kills: a run, a study or an entry of a cache that SIGKILL ends at any moment, and the same command given again."""

import itertools
import json
import random
import sqlite3
import tempfile
import time
from pathlib import Path

import pytest
import torch
from support.commands import NO_PICTURES, ROOT, TINY_ENCODER, start

pytestmark = [pytest.mark.campaign, pytest.mark.slow]

TRAIN, TUNE = ROOT / "train.py", ROOT / "scripts" / "tune.py"
FREEZES = {
    "none": [],
    "gradual": ["freeze=gradual"],
    "lp_ft": ["freeze=lp_ft"],
    "lora": ["freeze=lora", "freeze.rank=2"],
    "schedule": ["freeze=schedule"],
    "backbone": ["freeze=backbone", "heads=trained"],
    "lower_layers": ["freeze=lower_layers", "freeze.count=1"],
}
WEIGHTINGS = ["uncertainty", "famo", "dwa", "gradnorm", "pcgrad", "graddrop"]
SHORT = [
    *TINY_ENCODER,
    *NO_PICTURES,
    "data.sizes={train: 96, validation: 32, test: 32}",
    "loader.batch_size=16",
    "trainer.max_epochs=4",
    "trainer.precision=32-true",
    "accelerator=cpu",
    "callbacks.last.every_minutes=0.003",
    "logger=none",
]
OTHER_FILE_SYSTEM = Path("/dev/shm")  # beside that of the tests, where there is one


def command(script, arguments, folder, elsewhere):
    """Start a command with temporary files beside its run, or on another file system."""
    temporary = elsewhere or folder
    return start(script, *arguments, cwd=folder, log=folder / "log", TMPDIR=str(temporary))


def finish(script, arguments, folder, elsewhere=None):
    assert command(script, arguments, folder, elsewhere).wait() == 0, (folder / "log").read_text()[-2000:]


def kill_after(started, seconds):
    """Kill a command at a moment; return whether it was still running."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not started.has_ended():
        time.sleep(0.005)
    return kill(started)


def kill_at_a_write(started, folder, pattern, count):
    """Kill a command when so many files that are being written have been seen; return whether it was still running."""
    seen = set()
    while len(seen) < count and not started.has_ended():
        seen |= {str(path) for path in folder.glob(pattern)}
        time.sleep(0.001)  # the command needs the core
    return kill(started)


def kill(started):
    if started.has_ended():
        started.wait()
        return False
    started.kill()
    return started.wait() < 0


def state(run):
    """Return all that a run has learned and measured."""
    best, last = (torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True) for name in ("best", "last"))
    metrics = json.loads((run / "metrics.json").read_text())
    measured = {name: metrics[name] for name in ("validation", "test", "epochs", "best_epoch")}
    return best["state_dict"], last["state_dict"], last["optimizer_states"], last["lr_schedulers"], measured


def same(first, second):
    """Return whether two nested states are equal bit for bit."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first.nan_to_num(), second.nan_to_num())
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(value, second[name]) for name, value in first.items())
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


@pytest.fixture
def elsewhere():
    """Give a folder for temporary files on another file system."""
    if not OTHER_FILE_SYSTEM.is_dir():
        pytest.skip("no other file system here")
    with tempfile.TemporaryDirectory(dir=OTHER_FILE_SYSTEM) as folder:
        yield Path(folder)


class Uninterrupted:
    """The runs that are never stopped, made once each."""

    def __init__(self, folder):
        self.folder, self.made = folder, {}

    def of(self, choices):
        key = tuple(choices)
        if key not in self.made:
            folder = self.folder / str(len(self.made))
            folder.mkdir()
            began = time.monotonic()
            finish(TRAIN, [*SHORT, *choices, "hydra.run.dir=run"], folder)
            self.made[key] = state(folder / "run"), time.monotonic() - began
        return self.made[key]


def test_a_killed_run_ends_as_the_one_that_was_never_stopped(tmp_path, trials, tally, elsewhere):
    chance, whole = random.Random(0), Uninterrupted(tmp_path)
    pairs = list(itertools.product(FREEZES, WEIGHTINGS))
    chance.shuffle(pairs)
    for trial, (freeze, weighting) in enumerate(itertools.islice(itertools.cycle(pairs), trials(2, 100))):
        choices = [*FREEZES[freeze], f"weighting={weighting}"]
        expected, seconds = whole.of(choices)
        folder = tmp_path / f"killed{trial}"
        folder.mkdir()
        arguments = [*SHORT, *choices, "hydra.run.dir=run", "resume=auto", f"activation_cache.folder={folder}/cache"]
        temporary = elsewhere if trial % 2 else None
        for _ in range(chance.choice([1, 1, 2])):
            started = command(TRAIN, arguments, folder, temporary)
            if chance.random() < 0.5:
                killed = kill_after(started, chance.uniform(0.2, 1.0) * seconds)
                moment = "at a random moment"
            else:
                killed = kill_at_a_write(started, folder, "run/checkpoints/*.partial", chance.randint(1, 25))
                moment = "while a checkpoint was written"
            tally[f"killed {moment}" if killed else "ended before"] += 1
        began = (folder / "run" / "checkpoints" / "last.ckpt").exists()
        finish(TRAIN, arguments, folder, temporary)
        assert same(state(folder / "run"), expected), (trial, freeze, weighting)
        assert sorted(path.name for path in (folder / "run").rglob("*.partial")) == []
        tally["continued, bit for bit" if began else "began again, bit for bit"] += 1


@pytest.mark.parametrize("kind", ["activations", "tokens"])
def test_an_entry_of_a_cache_whose_writer_was_killed_is_made_again(tmp_path, trials, tally, elsewhere, kind):
    rows = [f"sentence number {number} is about {number % 7},{'ab'[number % 2]}\n" for number in range(1500)]
    (tmp_path / "rows.csv").write_text("text,sentiment\n" + "".join(rows))
    data = ["data=files", f"data.files={{train: {tmp_path}/rows.csv}}", "tasks=[sentiment]", f"data.cache={tmp_path}/t"]
    choices = [*SHORT, "freeze=backbone", "heads=trained", "trainer.max_epochs=1", "~data.sizes", *data]
    choices.remove("data.sizes={train: 96, validation: 32, test: 32}")
    choices.remove("~data.sizes")
    whole = tmp_path / "whole"
    whole.mkdir()
    finish(TRAIN, [*choices, "hydra.run.dir=run", *caches(whole)], whole)
    expected, chance = state(whole / "run"), random.Random(1)
    for trial in range(trials(1, 20)):
        folder = tmp_path / f"killed{trial}"
        folder.mkdir()
        arguments = [*choices, "hydra.run.dir=run", "resume=auto", *caches(folder)]
        started = command(TRAIN, arguments, folder, elsewhere if trial % 2 else None)
        killed = kill_at_a_write(started, folder, f"{kind}/*.partial", chance.randint(1, 2))
        tally["killed while an entry was written" if killed else "ended before"] += 1
        finish(TRAIN, arguments, folder)
        assert same(state(folder / "run"), expected)
        assert list(folder.glob(f"{kind}/*.partial")) == []
        tally["bit for bit"] += 1


def caches(folder):
    return [f"tokens.folder={folder}/tokens", f"activation_cache.folder={folder}/activations"]


def test_a_study_that_was_killed_is_continued_by_the_same_command(tmp_path, trials, tally, elsewhere):
    pytest.importorskip("optuna")
    (tmp_path / "space.yaml").write_text(
        "space: {optimizer.head_lr: {low: 1.0e-4, high: 1.0e-2, log: true}}\n"
        "objectives: [quality]\nseeds: [0]\npruning: {startup_trials: 1, warmup_epochs: 1}\n"
    )
    chance = random.Random(2)
    for trial in range(trials(1, 20)):
        folder = tmp_path / f"killed{trial}"
        folder.mkdir()
        arguments = [*SHORT, "--trials", "2", "--folder", "study", "--space", str(tmp_path / "space.yaml")]
        started = command(TUNE, arguments, folder, elsewhere if trial % 2 else None)
        killed = kill_at_a_write(started, folder, "study/study.db-journal", 1)
        if chance.random() < 0.5:
            started = command(TUNE, arguments, folder, None)
            killed = kill_after(started, chance.uniform(0.2, 4.0))
        tally["killed" if killed else "ended before"] += 1
        finish(TUNE, arguments, folder)
        with sqlite3.connect(folder / "study" / "study.db") as study:
            assert study.execute("pragma integrity_check").fetchone() == ("ok",)
            states = [row[0] for row in study.execute("select state from trials")]
        assert states.count("COMPLETE") + states.count("PRUNED") + states.count("FAIL") >= 2
        tally["continued"] += 1
