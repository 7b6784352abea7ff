"""Graph: encoder and all heads as one ONNX graph, in single precision and in int8. Knows nothing about bundles.

Inputs ``input_ids`` and ``attention_mask`` (B, S), both dynamic; outputs ``sentence_embedding`` (B, W), ``TASK_logits``
(B, C) of every task about one text, since the logits of tasks about two are computed from two embeddings, and
``last_hidden_state`` (B, S, H), which sentence-transformers and optimum take, to pool it themselves.
Shapes: B sentences, S tokens, H units of a token state, W units of an embedding, C classes of a task.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from polyhead.errors import UserError, require_extra
from polyhead.models.multitask import MultiTaskModel
from polyhead.storage.output import write_atomically

TOLERANCE = 1e-4
"""The largest difference between an output of the graph and PyTorch's that is accepted."""

STATES = "last_hidden_state"
"""The output that is no part of an answer of ours; graphs of earlier versions lack it."""

_OPSET = 18  # what torch's exporter writes without converting
_INPUTS = ["input_ids", "attention_mask"]
_NOTES = ("doc_string", "metadata_props")
_LOG_ERRORS_ONLY = 3  # of ONNX Runtime; its warnings are about its own fusions


class _Graph(nn.Module):
    """The model with the signature of the graph: tensors in, tensors out."""

    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        states = self.model.encoder.last_states(input_ids, attention_mask)  # (B, S, H)
        embeddings = self.model.encoder.embed_last_states(states, attention_mask)  # (B, W)
        logits = self.model.classify(embeddings)
        return (embeddings, *(logits[task] for task in self.model.one_text_heads), states)


def write_graph(path: Path, model: MultiTaskModel, max_length: int) -> float:
    """Write a model as a graph, and compare the graph's outputs with the model's.

    Args:
        path: of the file; the weights are in it. Its folder is made.
        model: in evaluation mode, on the processor, in single precision.
        max_length: longest sentence in tokens, special ones included.

    Returns:
        The largest absolute difference between the outputs, on batches with and without padding; of the token states,
        in units of the largest.

    Raises:
        UserError: a library is missing, the architecture cannot be exported, or the difference is above ``TOLERANCE``.
    """
    require("onnx", "onnxscript", "onnxruntime")
    network = _Graph(model).eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    outputs = ["sentence_embedding", *(f"{task}_logits" for task in model.one_text_heads), STATES]
    dynamic = {0: "batch", 1: "tokens"}
    try:
        with _quiet(), torch.inference_mode(False), torch.no_grad():
            torch.onnx.export(
                network,
                _example_inputs(3, 9),
                path,
                input_names=_INPUTS,
                output_names=outputs,
                dynamic_shapes=(dynamic, dynamic),
                opset_version=_OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = _first_line(error)
        raise UserError(f"torch cannot export this encoder to ONNX ({reason}); do without a graph") from error
    strip_notes(path)
    difference = _largest_difference(path, network, max_length)
    if not difference <= TOLERANCE:  # not a number is refused, too
        raise UserError(f"the graph's outputs differ from PyTorch's by {difference:.1e}; do without a graph")
    return difference


def quantize(graph: Path, path: Path) -> None:
    """Write a graph whose matrix products are of 8-bit integers, with weights scaled by channel.

    In a trial with all-MiniLM-L6-v2 the mean cosine to the embeddings in single precision was 0.992 so, and 0.961 with
    one scale per matrix.

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
    strip_notes(path)


def strip_notes(path: Path) -> None:
    """Remove from a graph whatever computes nothing: descriptions, and notes such as the exporter's stack traces.

    They are two thirds of the file of a tiny model, and name the folders of the machine that wrote it.
    """
    import onnx

    model = onnx.load(path)
    _clear_notes(model)
    with write_atomically(path) as partial:
        partial.write_bytes(model.SerializeToString(deterministic=True))


def _clear_notes(message: Any) -> None:
    """Clear the notes of a message of the format, and of all messages in it."""
    for entry, value in message.ListFields():
        if entry.name in _NOTES:
            message.ClearField(entry.name)
        elif entry.message_type is not None:
            parts = value if isinstance(value, Sequence) else [value]
            for part in parts:
                _clear_notes(part)


def open_session(graph: Path) -> Any:
    """Open a graph in ONNX Runtime, on the processor, and return its ``onnxruntime.InferenceSession``.

    Raises:
        Exception: the file is damaged; ONNX Runtime has a class for each kind of damage, and no common one.
    """
    import onnxruntime

    options: Any = onnxruntime.SessionOptions()
    options.log_severity_level = _LOG_ERRORS_ONLY
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def require(*modules: str, parameter: str = "graph") -> None:
    """Import modules of the ``onnx`` extra.

    Args:
        modules: their names.
        parameter: what the user chose that needs them, for the message.

    Raises:
        UserError: one of them is missing; the message says what to install.
    """
    for module in modules:
        with require_extra("onnx", parameter):
            import_module(module)


def _largest_difference(path: Path, network: _Graph, max_length: int) -> float:
    """Compare outputs on batches of other shapes than the traced one, with and without padding."""
    session = open_session(path)
    differences = []
    for sentences, tokens in ((1, 2), (1, max_length), (5, min(33, max_length))):
        ids, mask = _example_inputs(sentences, tokens)
        with torch.inference_mode():
            *expected, states = (output.numpy() for output in network(ids, mask))
        *found, found_states = session.run(None, dict(zip(_INPUTS, (ids.numpy(), mask.numpy()), strict=True)))
        for ours, theirs in zip(expected, found, strict=True):
            differences.append(np.abs(ours - theirs).max())
        # What stands at padding is read by nobody, and some families have single units that are far from 0.
        shown = mask.numpy() > 0  # (B, S)
        differences.append(_relative_difference(states[shown], found_states[shown]))
    return float(np.max(differences))  # not a number if any of them is none


def _relative_difference(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Return the largest difference between two arrays, in units of the largest entry where that is above 1."""
    return float(np.abs(ours - theirs).max() / max(1.0, np.abs(ours).max()))


def _example_inputs(sentences: int, tokens: int) -> tuple[Tensor, Tensor]:
    """Make ids (B, S), small ones that every vocabulary has, and a mask (B, S) that pads every sentence differently."""
    ids = (torch.arange(sentences * tokens) % 50 + 5).reshape(sentences, tokens)
    lengths = (tokens - torch.arange(sentences)).clamp(min=1)
    mask = (torch.arange(tokens) < lengths[:, None]).long()
    return ids, mask


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's messages about its own inside from the terminal."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _first_line(error: Exception) -> str:
    cause = error.__cause__ or error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__
