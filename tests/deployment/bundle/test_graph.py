import sys

import numpy as np
import onnxruntime
import pytest
import torch
from support.models import VOCABULARY

from polyhead.deployment.bundle import graph
from polyhead.errors import UserError
from polyhead.models.multitask import MultiTaskModel

LONGEST = 40


def make(make_encoder, tasks, family="bert", pooling="mean"):
    return MultiTaskModel(make_encoder(family, pooling), tasks, 0.1).eval().requires_grad_(False)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "pooling"), [("bert", "mean"), ("mpnet", "max")])
def test_the_graph_equals_the_model_for_every_batch_and_length(tmp_path, make_encoder, tasks, family, pooling):
    model = make(make_encoder, tasks, family, pooling)
    assert graph.write_graph(tmp_path / "a.onnx", model, LONGEST - 2) < 1e-4  # roberta counts positions from 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"), providers=["CPUExecutionProvider"])
    assert [node.name for node in session.get_outputs()] == [
        "sentence_embedding",
        "category_logits",
        "sentiment_logits",
    ]
    for sentences in range(1, 34):
        tokens = 2 + 5 * sentences % (LONGEST - 3)
        ids = torch.randint(3, VOCABULARY, (sentences, tokens))
        mask = (torch.arange(tokens) < torch.randint(1, tokens + 1, (sentences, 1))).long()
        with torch.inference_mode():
            embeddings = model.encoder(ids, mask)
            expected = [embeddings, *model.classify(embeddings).values()]
        found = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_graph_that_differs_is_refused(tmp_path, monkeypatch, make_encoder, tasks):
    monkeypatch.setattr(graph, "_largest_difference", lambda *_: 1e-3)
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: None)
    with pytest.raises(UserError, match=r"differ from PyTorch's by 1\.0e-03; set graph=none"):
        graph.write_graph(tmp_path / "a.onnx", make(make_encoder, tasks), LONGEST)


def test_what_torch_cannot_export_is_told_in_one_line(tmp_path, monkeypatch, make_encoder, tasks):
    def fail(*_, **__):
        raise torch.onnx.OnnxExporterError("no such operator\nand a page of advice")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(UserError, match=r"cannot export this encoder to ONNX \(no such operator\); set graph=none"):
        graph.write_graph(tmp_path / "a.onnx", make(make_encoder, tasks), LONGEST)


def test_a_missing_library_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError, match=r'onnxscript is not installed; run: pip install "polyhead\[onnx\]"'):
        graph.require("onnx", "onnxscript")
