"""Predictions for long texts: the heads on the mean of the windows' embeddings, by every backend."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from support.bundles import MAX_LENGTH, manifest_of, texts
from support.fakes import WORDS, word_tokenizer

from polyhead.data.dataset import TokenizedSplit
from polyhead.data.tokenization import TextTokenizer
from polyhead.deployment.backends import GRAPH
from polyhead.deployment.bundle.folder import Bundle, write_model
from polyhead.deployment.bundle.graph import write_graph
from polyhead.deployment.bundle.manifest import FILE, seal, unseal
from polyhead.deployment.bundle.model_card import model_card
from polyhead.deployment.predictor import Predictor
from polyhead.errors import UserError
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.sentence_modules import Normalize

LONG = [*texts(20), " ".join(WORDS[:40]), " ".join(WORDS[5:70])]  # of up to 6 windows
TOPS = {"plain": list, "normalized": lambda: [Normalize()]}


@pytest.fixture(scope="module")
def normalized(tmp_path_factory):
    """Return the folder of the graph of a model with a layer on top: its weights are the same for each backend."""
    folder = tmp_path_factory.mktemp("normalized")

    def graph_of(model):
        if not any(folder.iterdir()):
            write_graph(folder / GRAPH, model.eval().requires_grad_(False), MAX_LENGTH)
        return folder

    return graph_of


def write(folder, model, tasks, graphs=None, windows=9):
    folder.mkdir()
    write_model(folder, model.eval(), TextTokenizer(word_tokenizer(), MAX_LENGTH, windows=windows))
    if graphs:
        (folder / GRAPH).parent.mkdir()
        shutil.copy(graphs / GRAPH, folder / GRAPH)
    seal(folder, replace(manifest_of(tasks), windows=windows))
    return folder


def expected_of(model):
    """Embeddings and probabilities of the first task, by the model as it trains."""
    tokens = TextTokenizer(word_tokenizer(), MAX_LENGTH, windows=9).tokenize(LONG)
    with torch.no_grad():
        embeddings = model.embed(TokenizedSplit(tokens, padding=0)[list(range(len(LONG)))])
        return embeddings, model.classify(embeddings)["category"].softmax(dim=1)


@pytest.mark.parametrize("top", [*TOPS])
@pytest.mark.parametrize("backend", ["torch", *(pytest.param(b, marks=pytest.mark.slow) for b in ("onnx", "openvino"))])
def test_predictor_gives_a_long_text_what_the_model_gives_it(
    tmp_path, request, normalized, make_encoder, tasks, backend, top
):
    if top == "plain":  # the model of the graphs that all tests share: the first that a test makes
        model = request.getfixturevalue("model")
        graph = request.getfixturevalue("graphs") if backend != "torch" else None
    else:
        model = MultiTaskModel(make_encoder(top=TOPS[top]()), tasks, dropout=0.1)
        graph = normalized(model) if backend != "torch" else None
    folder = write(tmp_path / "bundle", model, tasks, graph)
    predictor = Predictor.load(folder, backend, "32-true", "cpu")
    found = predictor.predict(LONG)
    embeddings, shares = expected_of(model)
    torch.testing.assert_close(torch.from_numpy(found.embeddings), embeddings, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(torch.from_numpy(found.probabilities["category"]), shares, atol=1e-5, rtol=1e-4)
    assert predictor.truncated == 0


def test_predictor_refuses_heads_that_are_not_those_of_the_manifest(tmp_path, model, tasks):
    folder = write(tmp_path / "bundle", model, tasks)
    predictor = Predictor.load(folder, precision="32-true", device="cpu")
    bundle = Bundle(folder, replace(predictor.bundle.manifest, tasks=predictor.bundle.manifest.tasks[:1]))
    with pytest.raises(UserError, match="its heads.safetensors does not hold its heads; export the bundle again"):
        Predictor(bundle, predictor.runner.network)


def test_manifest_of_a_bundle_without_windows_cuts_texts(tmp_path, model, tasks):
    folder = write(tmp_path / "bundle", model, tasks, windows=1)
    content = json.loads((folder / FILE).read_text())
    del content["windows"], content["digest"]  # as older versions wrote it
    (folder / FILE).write_text(json.dumps(content))
    assert unseal(folder).windows == 1
    assert Bundle.open(folder).load_text_tokenizer().windows == 1


def test_model_card_says_that_sentence_transformers_cuts_long_texts(tasks):
    windowed = model_card("name", replace(manifest_of(tasks), windows=9), "mean", "", graph=False)
    assert "9 overlapping windows of 16 tokens, whose embeddings are averaged" in windowed
    assert "sentence-transformers cuts texts to 16 tokens" in windowed
    assert "sentence-transformers cuts" not in model_card("name", manifest_of(tasks), "mean", "", graph=False)
