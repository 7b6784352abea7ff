import logging
import shutil

import pytest
from support.sentence_models import TEXTS, embedded_by_library, write_sentence_model, write_transformer

from polyhead.errors import UserError
from polyhead.models.model_files import ModelFiles
from polyhead.models.pretrained import AUTO, PretrainedEncoder

COMMIT = "0123456789" * 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of sentence-transformers with cls pooling and Normalize."""
    from sentence_transformers.base.modules import Normalize

    place = tmp_path_factory.mktemp("model")
    write_sentence_model(place / "model", write_transformer(place / "transformer"), "cls", [Normalize()])
    return place / "model"


@pytest.fixture
def snapshot(folder, tmp_path, monkeypatch):
    """Put the model into a cache of the hub, as ``own/tiny``, and return where its files lie."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(logging.getLogger("polyhead"), "propagate", True)
    repository = tmp_path / "models--own--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    return shutil.copytree(folder, repository / "snapshots" / COMMIT)


def of_the_hub(**changes):
    values = {"architecture": {}, "pretrained": True, "pooling": AUTO, "max_length": AUTO, "sha256": None}
    return PretrainedEncoder("own/tiny", **{**values, "prompt": AUTO, **changes})


@pytest.mark.slow
def test_model_in_the_cache_of_the_hub_is_itself(folder, snapshot, caplog):
    import torch

    from polyhead.inference.embedder import Embedder

    encoder = of_the_hub()
    embedder = Embedder(encoder.load(), encoder.load_text_tokenizer(), "32-true", torch.device("cpu"))
    (ours,) = embedder.embed(TEXTS)
    torch.testing.assert_close(torch.from_numpy(ours), embedded_by_library(folder), atol=1e-5, rtol=1e-5)
    assert caplog.text == ""


def test_model_whose_modules_may_be_on_the_hub_alone_is_told(snapshot, caplog):
    (snapshot / "modules.json").unlink()
    assert of_the_hub().load().describe() == "mean"
    assert "no modules.json of own/tiny in the hub's cache" in caplog.text
    assert "hf download own/tiny" in caplog.text


def test_model_that_is_known_to_have_no_modules_is_not(snapshot, caplog):
    (snapshot / "modules.json").unlink()
    absent = snapshot.parents[1] / ".no_exist" / COMMIT / "modules.json"
    absent.parent.mkdir(parents=True)
    absent.touch()
    assert of_the_hub().load().describe() == "mean"
    assert caplog.text == ""


def test_model_that_is_not_in_the_cache_is_refused_in_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="'own/tiny' is no local folder, not in the hub's offline cache"):
        of_the_hub().load()


def test_random_weights_of_the_hub_are_made_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr(ModelFiles, "find", lambda *_: pytest.fail("asked the hub"))
    encoder = of_the_hub(
        pretrained=False, architecture={"model_type": "bert", "hidden_size": 24, "num_hidden_layers": 1}
    )
    assert encoder.skeleton().describe() == "mean"
    assert encoder.load_text_tokenizer().prompt == ""


@pytest.mark.parametrize("content", ["{", "[1, 2]", '"text"', "[" * 10_000])
def test_file_that_is_damaged_is_refused_in_a_line(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match="a.json'") as caught:
        ModelFiles(str(tmp_path)).read("a.json", dict)
    assert "\n" not in str(caught.value)
