"""Runs that measure and hold their embedding, as a user starts them."""

import json

import numpy as np
import pytest
from scipy.stats import spearmanr
from support.commands import NO_HEALTH, TINY, script, train
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

MEASURED = [word for word in TINY if word not in NO_HEALTH]
PAIRS = [("A man plays.", "Someone plays.", 5), ("A man plays.", "A tree falls.", 0), ("Rain falls.", "It rains.", 4)]
PAIRS += [("I like tea.", "I like cake.", 2), ("Where is it?", "How old are you?", 1), ("Good day!", "Bad day.", 2)]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    path.write_text("a,b,similar\n" + "".join(f"{first},{second},{score}\n" for first, second, score in PAIRS))
    return [f"health.pairs={path}", "health.columns=[a,b,similar]"]


def health_of(run):
    return json.loads((run / "metrics.json").read_text())["health"]


def correlation(run, folder):
    """Embed the pairs by the run's exported way, and correlate by scipy."""
    texts = [text for side in (0, 1) for text in (pair[side] for pair in PAIRS)]
    (folder / "texts.txt").write_text("\n".join(texts))
    done = script("encode", "input=texts.txt", "output=found.npy", f"run={run}", "precision=32-true", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = np.load(folder / "found.npy")
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return spearmanr((found[: len(PAIRS)] * found[len(PAIRS) :]).sum(axis=1), [pair[2] for pair in PAIRS])[0]


@pytest.mark.slow
def test_run_tells_how_its_embedding_was_and_is(tmp_path, pairs):
    rate = ["optimizer.encoder_lr=1e-2", "trainer.precision=32-true"]
    for name, hold in (("free", "off"), ("held", "cosine")):
        given = [f"keep_embedding={hold}", *["keep_embedding.weight=100"] * (hold != "off")]
        done = train(*MEASURED, *pairs, *rate, *given, f"hydra.run.dir={name}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert "embedding: held to what the encoder gives at the start, over 64 sentences" in done.stdout
    assert "embedding agreement with the start 0." in done.stdout
    free, held = health_of(tmp_path / "free"), health_of(tmp_path / "held")
    assert free["lowest_agreement"] < free["agreement"] < held["agreement"] < 1
    assert (free["sentences"], free["pairs"]) == (32, 6)
    assert free["spearman_before"] == held["spearman_before"]
    assert free["spearman"] == pytest.approx(correlation(tmp_path / "free", tmp_path), abs=1e-6)
    events = EventAccumulator(str(tmp_path / "held"))
    events.Reload()
    assert events.Scalars("embedding/agreement")[0].value == pytest.approx(held["agreement"])


@pytest.mark.slow
def test_frozen_encoder_keeps_its_embedding_without_measuring(tmp_path, pairs):
    done = train(*MEASURED, *pairs, "freeze=backbone", "keep_embedding=similarity", "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "keep_embedding: without effect, since nothing of the encoder is trained" in done.stdout
    assert "embedding: as it was, since nothing of the encoder is trained" in done.stdout
    health = health_of(tmp_path / "run")
    assert health.keys() == {"agreement", "lowest_agreement", "pairs", "spearman_before", "spearman"}
    assert (health["agreement"], health["spearman"]) == (1, health["spearman_before"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("health.pairs=none.csv", "health.pairs: input: no file 'none.csv'"),
        ("health.sentences=1", "health.sentences: 1 given; it must be from 2 to 20000"),
        ("keep_embedding=direction", "keep_embedding=direction: no such option; Valid: cosine, off, similarity"),
        ("keep_embedding.weight=2", "keep_embedding.weight"),
    ],
)
def test_wrong_words_about_the_embedding_are_a_line(tmp_path, given, message):
    done = train(*MEASURED, given, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
