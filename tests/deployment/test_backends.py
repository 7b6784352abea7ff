import sys

import numpy as np
import pytest
import torch
from support.bundles import MAX_LENGTH, make_bundle, manifest_of, texts

from polyhead.deployment.backends import GRAPH, INT8_GRAPH, open_backend
from polyhead.deployment.bundle import graph
from polyhead.deployment.bundle.folder import Bundle
from polyhead.deployment.bundle.manifest import seal
from polyhead.deployment.predictor import Predictor
from polyhead.errors import UserError


@pytest.fixture
def folder(tmp_path, model, tasks):
    return make_bundle(tmp_path / "bundle", model, tasks)


@pytest.fixture
def with_graphs(folder, model, tasks):
    graph.write_graph(folder / GRAPH, model.eval().requires_grad_(False), MAX_LENGTH)
    graph.quantize(folder / GRAPH, folder / INT8_GRAPH)
    seal(folder, manifest_of(tasks))
    return folder


@pytest.mark.slow
def test_all_backends_predict_the_same(with_graphs):
    expected = Predictor.load(with_graphs, "torch", "32-true", "cpu").predict(texts(60))
    for backend, tolerance in (("onnx", 1e-4), ("openvino", 1e-4), ("onnx-int8", 0.1)):
        found = Predictor.load(with_graphs, backend, "32-true", "cpu").predict(texts(60))
        np.testing.assert_allclose(found.embeddings, expected.embeddings, atol=tolerance)
        for task, shares in expected.probabilities.items():
            np.testing.assert_allclose(found.probabilities[task], shares, atol=tolerance)
    half = Predictor.load(with_graphs, "openvino", "bf16-true", "cpu").predict(texts(60))
    np.testing.assert_allclose(half.probabilities["category"], expected.probabilities["category"], atol=0.05)


def test_torch_gives_embeddings_and_then_the_logits_of_all_tasks(folder, model):
    backend = open_backend(Bundle.open(folder), "torch", "32-true", "cpu")
    ids = torch.randint(3, 90, (4, 7))
    with torch.inference_mode():
        embeddings = model.eval().encoder(ids)
        expected = torch.cat([embeddings, *model.classify(embeddings).values()], dim=1)
        torch.testing.assert_close(backend(ids), expected, atol=1e-5, rtol=1e-4)
    assert backend.width == expected.shape[1] == 16 + 3 + 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tourch", "auto", "cpu"), "backend: unknown 'tourch'; did you mean 'torch'"),
        (("onnx", "auto", "cpu"), r"has no graph\.onnx; export it again with graph=onnx"),
        (("openvino", "auto", "cpu"), r"has no graph\.onnx; export it again with graph=onnx"),
        (("onnx-int8", "auto", "cpu"), r"has no graph\.int8\.onnx; export it again with graph=int8"),
        (("torch", "bf8", "cpu"), "precision: unknown 'bf8'"),
        (("torch", "auto", "tpu"), "device: unknown 'tpu'"),
    ],
)
def test_what_is_not_there_is_told(folder, arguments, message):
    with pytest.raises(UserError, match=message):
        open_backend(Bundle.open(folder), *arguments)


@pytest.mark.parametrize(("backend", "module"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_a_missing_library_is_told_with_what_to_install(folder, tasks, monkeypatch, backend, module):
    (folder / GRAPH).touch()
    seal(folder, manifest_of(tasks))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=rf'{module} is not installed; run: pip install "polyhead\[{backend}\]"'):
        open_backend(Bundle.open(folder), backend, "auto", "cpu")


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_damaged_graph_is_told_in_one_line(folder, tasks, backend):
    (folder / GRAPH).write_bytes(b"no graph at all")
    seal(folder, manifest_of(tasks))
    with pytest.raises(UserError, match=r"graph\.onnx' is no graph that can be read") as error:
        open_backend(Bundle.open(folder), backend, "auto", "cpu")
    assert "\n" not in str(error.value)
