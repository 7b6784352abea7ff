"""Graph: encoder and all heads as one ONNX graph, in single precision and in int8. Knows nothing about bundles.

Inputs ``input_ids`` and ``attention_mask`` (B, S), both dynamic; outputs ``sentence_embedding`` (B, H) and
``{task}_logits`` (B, C). Shapes: B sentences, S tokens, H hidden units, C classes of a task.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from polyhead.errors import UserError, require_extra
from polyhead.models.multitask import MultiTaskModel

TOLERANCE = 1e-4
_OPSET = 18  # what torch's exporter writes without converting


class _Graph(nn.Module):
    """The model with the signature of the graph: tensors in, tensors out."""

    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        self.encoder, self.heads = model.encoder, model.heads

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        embeddings = self.encoder(input_ids, attention_mask)  # (B, H)
        return (embeddings, *(head(embeddings) for head in self.heads.values()))


def write_graph(path: Path, model: MultiTaskModel, max_length: int) -> float:
    """Write a model as a graph, and run it beside the model.

    Args:
        path: of the file; the weights are in it.
        model: in evaluation mode, on the processor, in single precision.
        max_length: longest sentence in tokens.

    Returns:
        The largest difference between the graph's outputs and the model's.

    Raises:
        UserError: a library is missing, or the architecture cannot be exported.
    """
    require("onnx", "onnxscript", "onnxruntime")
    network = _Graph(model).eval()
    names = ["sentence_embedding", *(f"{task}_logits" for task in model.heads)]
    dynamic = {0: "batch", 1: "tokens"}
    try:
        with _quiet(), torch.inference_mode(False), torch.no_grad():
            torch.onnx.export(
                network,
                _example(3, 9),
                path,
                input_names=["input_ids", "attention_mask"],
                output_names=names,
                dynamic_shapes=(dynamic, dynamic),
                opset_version=_OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise UserError(
            f"graph: torch cannot export this encoder to ONNX ({_first_line(error)}); set graph=none"
        ) from error
    difference = _largest_difference(path, network, max_length)
    if difference > TOLERANCE:
        raise UserError(f"graph: its outputs differ from PyTorch's by {difference:.1e}; set graph=none")
    return difference


def quantize(graph: Path, path: Path) -> None:
    """Write a graph whose matrix products are of 8-bit integers.

    Weights are scaled by channel: the mean cosine to the embeddings of all-MiniLM-L6-v2 was 0.992 so in a trial, and
    0.961 with one scale a matrix.

    Args:
        graph: in single precision.
        path: of the file to write.

    Raises:
        UserError: a library is missing.
    """
    require("onnx", "onnxruntime")
    from onnxruntime.quantization import quantize_dynamic

    with _quiet():
        quantize_dynamic(graph, path, per_channel=True)


def require(*modules: str) -> None:
    """Raise a UserError that says what to install where one of the modules is missing."""
    for module in modules:
        with require_extra("onnx", "graph"):
            import_module(module)


def _largest_difference(path: Path, network: _Graph, max_length: int) -> float:
    """Compare outputs on batches of other shapes than the one that was traced, with and without padding."""
    import onnxruntime

    options: Any = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    largest = 0.0
    for sentences, tokens in ((1, 2), (1, max_length), (5, min(33, max_length))):
        inputs = _example(sentences, tokens)
        with torch.inference_mode():
            expected = network(*inputs)
        found = session.run(None, dict(zip(("input_ids", "attention_mask"), map(Tensor.numpy, inputs), strict=True)))
        largest = max(largest, *(float(np.abs(f - e.numpy()).max()) for f, e in zip(found, expected, strict=True)))
    return largest


def _example(sentences: int, tokens: int) -> tuple[Tensor, Tensor]:
    """Make ids (B, S), small ones that every vocabulary has, and a mask (B, S) that pads every sentence differently."""
    ids = (torch.arange(sentences * tokens) % 50 + 5).reshape(sentences, tokens)
    lengths = (tokens - torch.arange(sentences)).clamp(min=1)
    return ids, (torch.arange(tokens) < lengths[:, None]).long()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's talk about its own inside from the terminal."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _first_line(error: Exception) -> str:
    cause = error.__cause__ or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
