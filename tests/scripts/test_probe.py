"""The probe: how hard the hypothetical sentences are for baselines."""

import sys

import numpy as np
import pytest
import torch
import yaml
from support.commands import ROOT

from polyhead.inference.embedder import Embedder
from polyhead.models.pretrained import PretrainedEncoder


@pytest.fixture
def probe(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import probe

    return probe


@pytest.mark.slow
def test_probe_scores_rise_from_majority_to_words_to_embeddings(probe, monkeypatch, capsys):
    monkeypatch.setattr(probe, "SIZES", {"train": 1000, "test": 400})
    assert probe.main(["--seeds", "0"]) == 0
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.split()[-3:] == ["category", "sentiment", "topic"]
    rows = {line[:24].strip(): [float(value) for value in line.split()[-3:]] for line in lines}
    majority, words, embeddings = (rows[name] for name in ("majority class", "TF-IDF + regression", "linear probe"))
    for lowest, middle, highest in zip(majority, words, embeddings, strict=True):
        assert 0 < lowest < middle < highest < 1


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
