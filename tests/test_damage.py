"""Damaged files: each is found, in one line, or made again, or the damage changes nothing; none gives other results.

Every kind of file that is written and read back is damaged at random: in a run, a bundle, a study and the caches.
"""

import logging
import random
import shutil
import signal
from collections.abc import Mapping
from contextlib import contextmanager
from functools import cache

import numpy as np
import optuna
import pytest
import torch
from support.commands import TINY_ENCODER, script, train
from support.studies import distance, make_tuning

from polyhead import Predictor
from polyhead.app.loaded.trained import load_trained_run
from polyhead.data.token_cache import TokenCache
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.errors import UserError
from polyhead.freezing.activation_cache import ActivationCache
from polyhead.runs.contents import Provenance, RunMetrics
from polyhead.runs.folder import RunFolder
from polyhead.runs.predictions import Predictions
from polyhead.runs.report.curves import read_curves
from polyhead.runs.search import search
from polyhead.runs.study_file import StudyFile
from polyhead.runs.tuning import open_study
from polyhead.sources.records import Columns
from polyhead.sources.table_cache import TableCache
from polyhead.sources.table_reader import read as read_table
from polyhead.storage import digests
from polyhead.storage.dialect import Dialect
from polyhead.training.checkpoints import load_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.campaign]

TEXTS = ["What a lovely day", "Shares fell on Monday", ""]
LIMIT_GB = 1


def flip(dice, content):
    damaged = bytearray(content)
    damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def flip_many(dice, content):
    for _ in range(20):
        content = flip(dice, content)
    return content


def truncate(dice, content):
    return content[: dice.randrange(len(content))]


def zero_block(dice, content):
    start = dice.randrange(len(content))
    size = min(dice.choice([16, 512, 4096]), len(content) - start)
    return content[:start] + bytes(size) + content[start + size :]


def swap_blocks(dice, content):
    size = max(1, min(512, len(content) // 4))
    first = dice.randrange(len(content) - 2 * size + 1) if len(content) > 2 * size else 0
    middle = first + size
    return content[:first] + content[middle : middle + size] + content[first:middle] + content[middle + size :]


def extend(dice, content):
    return content + dice.randbytes(dice.choice([1, 100]))


DAMAGES = [flip, flip, flip, flip_many, truncate, zero_block, swap_blocks, extend, lambda dice, content: b""]


def equal(one, other):
    """Compare what was read, bit for bit."""
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and one.keys() == other.keys() and all(equal(one[n], other[n]) for n in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other


@contextmanager
def no_hang(seconds):
    def ring(*_):
        raise TimeoutError(f"reading took more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make a run on sentences from a file with frozen layers, a bundle of it, and a study."""
    folder = tmp_path_factory.mktemp("made")
    rows = [f"sentence {i % 17} of {i % 5},{'good' if i % 3 else 'bad'}" for i in range(90)]
    (folder / "train.csv").write_text("\n".join(["text,mood", *rows]) + "\n")
    caches = {f"POLYHEAD_{name}": str(folder / name.lower()) for name in ("ACTIVATIONS", "TOKENS", "DATA")}
    choices = [
        "data=files",
        "data.files.train=train.csv",
        "tasks=[mood]",
        "freeze=backbone",
        "accelerator=cpu",
        "heads=trained",
    ]
    limits = ["trainer.max_epochs=1", "callbacks.last.every_minutes=0", "hydra.run.dir=run"]
    done = train(*choices, *limits, *TINY_ENCODER, cwd=folder, **caches)
    assert done.returncode == 0, done.stderr
    done = script("export", "run=run", "output=bundle", cwd=folder)
    assert done.returncode == 0, done.stderr
    place = StudyFile(folder / "study")
    search(open_study(place, make_tuning(), "max", None, {}), place, _objective, 3)
    return folder


def _objective(trial):
    trial.report(0.25, 0)
    if trial.number == 1:
        raise optuna.TrialPruned
    return distance(trial, make_tuning())


def read_run(made):
    trained = load_trained_run(made / "run")
    return trained.model.state_dict(), dict(trained.fits), [(it.name, it.labels) for it in trained.tasks]


def read_last(made):
    return load_checkpoint(made / "run" / "checkpoints" / "last.ckpt")


def read_results(made):
    run = RunFolder(made / "run")
    predictions = Predictions.read(run)
    return vars(RunMetrics.read(run)), vars(Provenance.read(run)), predictions.labels, predictions.predicted


def read_config(made):
    from polyhead.app.config.run_config import read_config as read

    return dict(read(made / "run"))


def read_bundle(made):
    predictor = Predictor.load(made / "bundle", precision="32-true")
    predictions = predictor.predict(TEXTS)
    return [[dict(it.labels), {task: dict(p) for task, p in it.probabilities.items()}] for it in predictions]


def read_study(made):
    study = open_study(StudyFile(made / "study"), make_tuning(), "max", None, {})
    trials = study.get_trials(deepcopy=False)
    return [(it.number, it.state.name, it.params, it.values, it.intermediate_values) for it in trials]


def read_tokens(made):
    """Read all entries; what is made again is what they held."""
    tokens, found = TokenCache(str(made / "tokens"), LIMIT_GB), {}
    for key, held in _tokens_held(made).items():
        entry = tokens.get(key, lambda held=held: [held], ["mood"])
        found[key] = [np.array(entry.ids), np.array(entry.offsets), np.array(entry.labels["mood"]), entry.truncated]
    return found


@cache  # read once, from the whole files
def _tokens_held(made):
    folders = sorted(path for path in (made / "tokens").iterdir() if path.is_dir())
    return {
        folder.name: TokenizedSentences(
            np.fromfile(folder / "ids.bin", np.int32),
            np.fromfile(folder / "offsets.bin", np.int64),
            {"mood": np.fromfile(folder / "labels-mood.bin", np.int32)},
        )
        for folder in folders
    }


def read_activations(made):
    activations, found = ActivationCache(str(made / "activations"), LIMIT_GB), {}
    for key, held in _activations_held(made).items():
        fill = lambda array, held=held: array.copy_(held)  # noqa: E731
        found[key] = activations.get(key, tuple(held.shape), held.dtype, fill).clone()
    return found


@cache
def _activations_held(made):
    held = {}
    for path in sorted((made / "activations").glob("*.bin")):
        rows = np.frombuffer(path.read_bytes()[:-256], np.float32).reshape(-1, 24)
        held[path.stem] = torch.from_numpy(rows.copy())
    return held


def read_tables(made):
    tables = TableCache(str(made / "tables"), LIMIT_GB)  # of its own: training leaves entries of other columns
    table = read_table(made / "train.csv", Columns("text", {"mood": "mood"}), Dialect("utf-8", '"'), tables)
    return [{name: column.to_pylist() for name, column in chunk.items()} for chunk in table.chunks()], len(table)


KINDS = {
    "best.ckpt": (read_run, "run/checkpoints/best.ckpt"),
    "last.ckpt": (read_last, "run/checkpoints/last.ckpt"),
    "digests of checkpoints": (read_run, "run/checkpoints/SHA256SUMS"),
    "digests of a run": (read_results, "run/SHA256SUMS"),
    "metrics.json": (read_results, "run/metrics.json"),
    "provenance.json": (read_results, "run/provenance.json"),
    "predictions.npz": (read_results, "run/predictions.npz"),
    "config.yaml": (read_config, "run/config.yaml"),
    "bundle": (read_bundle, "bundle/**/*"),
    "study": (read_study, "study/study.db"),
    "tokens": (read_tokens, "tokens/*/*"),
    "activations": (read_activations, "activations/*"),
    "tables": (read_tables, "tables/*/*"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_file_is_found_or_the_damage_changes_nothing(made, kind, trials, tally, caplog, monkeypatch, tmp_path):
    monkeypatch.chdir(made)
    read, pattern = KINDS[kind]
    whole = read(made)
    top = made / pattern.split("/")[0]
    backup = tmp_path / "backup"
    shutil.copytree(top, backup)
    dice = random.Random(kind)
    for _ in range(trials(4, 25)):
        victim = dice.choice(sorted(path for path in made.glob(pattern) if path.is_file() and path.stat().st_size))
        content = victim.read_bytes()
        damage = dice.choice(DAMAGES)
        damaged = damage(dice, content)
        victim.write_bytes(damaged)
        what = f"{victim.relative_to(made)}, {damage.__name__}"
        digests._known.cache_clear()  # as a new process has it
        caplog.clear()
        with no_hang(60), caplog.at_level(logging.WARNING):
            found, refusal = _read_or_refusal(read, made)
        if refusal:
            assert len(refusal) == 1, what
            tally[f"{kind}: refused in one line"] += 1
        else:
            told = [record for record in caplog.records if record.name.startswith("polyhead")]
            same = equal(whole, found)
            assert same or (told and kind == "config.yaml"), what
            tally[f"{kind}: {'made again or told' if told else 'without effect'}"] += 1
            assert told or damaged == content or kind not in ("best.ckpt", "last.ckpt", "tokens", "tables"), what
        shutil.rmtree(top)
        shutil.copytree(backup, top)


def _read_or_refusal(read, made):
    try:
        return read(made), []
    except UserError as error:
        return None, str(error).splitlines()


def test_damaged_events_of_tensorboard_end_the_curves_and_nothing_else(made, trials, tally):
    (path, *_) = sorted((made / "run").glob("events.out.tfevents.*"))
    content, whole, dice = path.read_bytes(), read_curves(made / "run"), random.Random(0)
    for _ in range(trials(1, 25)):
        path.write_bytes(dice.choice(DAMAGES)(dice, content))
        found = read_curves(made / "run")
        assert all(set(values) <= set(whole[name]) for name, values in found.items())
        tally["events: cut short" if found != whole else "events: without effect"] += 1
    path.write_bytes(content)
