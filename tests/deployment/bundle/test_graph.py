import shutil
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from support.models import VOCABULARY

from polyhead.deployment.backends import GRAPH, INT8_GRAPH
from polyhead.deployment.bundle import graph
from polyhead.errors import UserError
from polyhead.models.multitask import MultiTaskModel

LONGEST = 40


def make(make_encoder, tasks, family="bert", pooling="mean"):
    return MultiTaskModel(make_encoder(family, pooling), tasks, 0.1).eval().requires_grad_(False)


@pytest.mark.slow
def test_graph_equals_the_model_for_every_batch_and_length(graphs, model):
    check(graphs / GRAPH, model.eval())


@pytest.mark.slow
def test_graph_of_another_family_and_pooling_equals_its_model(tmp_path, make_encoder, tasks):
    model = make(make_encoder, tasks, "mpnet", "max")
    assert graph.write_graph(tmp_path / "a.onnx", model, LONGEST - 2) < 1e-4  # mpnet counts positions from 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    check(tmp_path / "a.onnx", model)


def check(path, model):
    """Compare the outputs of a graph with those of its model, on batches of 1 to 33 sentences of many lengths."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [node.name for node in session.get_outputs()] == [
        "sentence_embedding",
        "category_logits",
        "sentiment_logits",
        "last_hidden_state",
    ]
    for sentences in range(1, 34):
        tokens = 2 + 5 * sentences % (LONGEST - 3)
        ids = torch.randint(3, VOCABULARY, (sentences, tokens))
        mask = (torch.arange(tokens) < torch.randint(1, tokens + 1, (sentences, 1))).long()
        with torch.inference_mode():
            embeddings = model.encoder(ids, mask)
            states = model.encoder.last_states(ids, mask)
            expected = [embeddings, *model.classify(embeddings).values(), states]
        found = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4)


def tensors_of(path):
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


@pytest.mark.slow
def test_quantize_rounds_each_channel_of_a_weight_to_8_bits(graphs):
    before, after = tensors_of(graphs / GRAPH), tensors_of(graphs / INT8_GRAPH)
    scales = {name.removesuffix("_scale"): scale for name, scale in after.items() if name.endswith("_scale")}
    by_channel = {name: scale for name, scale in scales.items() if scale.ndim == 1}
    assert len(by_channel) == 3 * 6 + 2  # the matrix products of three layers and two heads
    for name, scale in by_channel.items():
        original, transposed, _ = name.partition("_Transposed")
        weight = before[original].T if transposed else before[original]  # (in, out)
        steps = after[f"{name}_quantized"]
        assert steps.dtype == np.int8
        assert scale.shape == weight.shape[1:]
        assert (np.abs(steps * scale - weight) <= scale / 2 * 1.001).all()


def test_write_graph_refuses_a_graph_that_differs(tmp_path, monkeypatch, make_encoder, tasks):
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: None)
    monkeypatch.setattr(graph, "strip_notes", lambda _: None)
    for difference in (1e-3, float("nan")):
        monkeypatch.setattr(graph, "_largest_difference", lambda *_, found=difference: found)
        message = rf"outputs differ from PyTorch's by {difference:.1e}; do without a graph"
        with pytest.raises(UserError, match=message):
            graph.write_graph(tmp_path / "a.onnx", make(make_encoder, tasks), LONGEST)


@pytest.mark.slow
def test_write_graph_compares_every_output_with_the_model(tmp_path, monkeypatch, graphs, model):
    """The graph is of other weights than the model that it is compared with."""
    model.heads["sentiment"][-1].bias.data += 1.0
    monkeypatch.setattr(torch.onnx, "export", lambda _, __, path, **___: shutil.copy(graphs / GRAPH, path))
    with pytest.raises(UserError, match=r"differ from PyTorch's by 1\.0e\+00"):
        graph.write_graph(tmp_path / "a.onnx", model.eval(), LONGEST)


def test_write_graph_says_in_one_line_that_torch_cannot_export(tmp_path, monkeypatch, make_encoder, tasks):
    def fail(*_, **__):
        raise torch.onnx.OnnxExporterError("no such operator\nand a page of advice")

    monkeypatch.setattr(torch.onnx, "export", fail)
    message = r"^torch cannot export this encoder to ONNX \(no such operator\); do without a graph$"
    with pytest.raises(UserError, match=message):
        graph.write_graph(tmp_path / "a.onnx", make(make_encoder, tasks), LONGEST)


def test_require_says_what_to_install_where_a_library_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError, match=r'^graph: onnxscript is not installed; run: pip install "polyhead\[onnx\]"'):
        graph.require("onnx", "onnxscript")
