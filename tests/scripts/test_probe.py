"""The probe: how hard the hypothetical sentences are for baselines."""

import sys

import numpy as np
import pytest
import torch
import yaml
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from support.commands import ROOT, TINY_ENCODER, script

from polyhead.inference.embedder import Embedder
from polyhead.models.pretrained import PretrainedEncoder


@pytest.fixture
def probe(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import probe

    return probe


@pytest.mark.slow
def test_probe_scores_rise_from_majority_to_words_to_embeddings(probe, monkeypatch, capsys):
    monkeypatch.setattr(probe, "SIZES", {"train": 600, "test": 240})
    assert probe.main(["--seeds", "0"]) == 0
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.split()[-3:] == ["category", "sentiment", "topic"]
    rows = {line[:24].strip(): [float(value) for value in line.split()[-3:]] for line in lines}
    majority, words, embeddings = (rows[name] for name in ("majority class", "TF-IDF + regression", "linear probe"))
    for lowest, middle, highest in zip(majority, words, embeddings, strict=True):
        assert 0 < lowest < middle < highest < 1


@pytest.mark.slow
def test_probe_embeds_texts_as_polyhead_does(probe):
    """The probe has an encoder loop of its own; Polyhead's Embedder is the reference."""
    settings = yaml.safe_load((ROOT / "configs" / "encoder" / "minilm.yaml").read_text())
    del settings["_target_"]
    source = PretrainedEncoder(**settings)
    embedder = Embedder(source.load(), source.load_text_tokenizer(), "32-true", torch.device("cpu"))
    texts = ["a long sentence about the weather of last week", "short", "two words"]
    reference = np.concatenate(list(embedder.embed(texts)))
    reference /= np.linalg.norm(reference, axis=1, keepdims=True)
    np.testing.assert_allclose(probe.load_encoder()(texts), reference, atol=1e-5)


def test_probe_names_the_extra_to_install_where_scikit_learn_is_missing(probe, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert probe.main([]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "sklearn is not installed" in line
    assert "polyhead[test]" in line


def test_probe_refuses_a_seed_below_zero_before_it_starts(probe, capsys):
    assert probe.main(["--seeds", "0", "-1"]) == 2
    assert capsys.readouterr() == ("", "error: --seeds: -1 given; it must be 0 or more\n")


@pytest.mark.slow
def test_probe_measures_own_data_as_scikit_learn_does(probe, tmp_path):
    rows = [
        (f"{('dull', 'fine')[i % 3 == 0]} thing {i}", ("neg", "pos")[i % 3 == 0] if i % 5 else "") for i in range(90)
    ]
    for name, part in {"train": rows[:60], "test": rows[60:]}.items():
        (tmp_path / f"{name}.csv").write_text("text,mood\n" + "".join(f"{text},{label}\n" for text, label in part))
    arguments = ["data=files", "data.files.train=train.csv", "data.files.test=test.csv", "tasks=[mood]", *TINY_ENCODER]
    done = script("probe", *arguments, cwd=tmp_path, POLYHEAD_DATA=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    title, *lines = [
        line for line in done.stdout.splitlines() if not line.startswith(("train:", "test:", "validation:"))
    ]
    assert title.split() == ["macro-F1", "on", "test", "mood"]
    scores = {line[:24].strip(): float(line.split()[-1]) for line in lines}
    assert list(scores) == ["majority class", "TF-IDF + regression", "linear probe"]
    labels = [label for _, label in rows[60:] if label]
    assert scores["majority class"] == pytest.approx(f1_score(labels, ["neg"] * len(labels), average="macro"), abs=1e-3)
    assert scores["TF-IDF + regression"] == 1


@pytest.mark.slow
def test_probe_refuses_mistakes_in_own_data_in_one_line(probe, tmp_path):
    done = script("probe", "data=files", "data.files.train=nothing.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: data.files.train: no file 'nothing.csv'")
    assert len(done.stderr.splitlines()) == 1


def test_probe_weighs_sentences_as_if_they_came_several_times(probe):
    random = np.random.default_rng(0)
    values, labels = random.normal(size=(40, 3)), [str(label) for label in random.integers(0, 2, 40)]
    weights = random.integers(0, 3, 40).astype(np.float32)
    repeated = np.repeat(np.arange(40), weights.astype(int))
    texts = [f"w{i % 7} w{i % 5}" for i in range(40)]
    for kind, given in ((LogisticRegression(C=1e4, max_iter=9999), values), (DummyClassifier(), values)):
        test = given[::3], {"mood": labels[::3]}
        weighed = probe._score(kind, (given, {"mood": labels}), test, weights)
        assert weighed == probe._score(kind, (given[repeated], {"mood": [labels[i] for i in repeated]}), test)
    words = make_pipeline(TfidfVectorizer(), LogisticRegression())
    probe._score(words, (texts, {"mood": labels}), (texts, {"mood": labels}), weights)
    assert probe._weight_argument(words, weights).keys() == {"logisticregression__sample_weight"}
