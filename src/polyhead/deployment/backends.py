"""Backends: what computes a bundle's embeddings and logits. Knows nothing about texts or probabilities.

A backend maps ids (B, S), nothing padded, to (B, H + C): the embedding, then the logits of all heads in their order.
Shapes: B texts, S tokens, H hidden units, C classes of all tasks together.
"""

from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from polyhead import hardware
from polyhead.deployment.bundle.folder import Bundle
from polyhead.errors import UserError, did_you_mean, require_extra
from polyhead.inference.length_batches import inference_copy
from polyhead.inference.packed_linear import pack_linear_layers

GRAPH, INT8_GRAPH = "graph.onnx", "graph.int8.onnx"


class Backend(Protocol):
    """Computes embeddings and logits.

    Attributes:
        width: H + C.
        streams: batches that it computes side by side, asked for by as many threads.
    """

    width: int
    streams: int

    def __call__(self, ids: Tensor) -> Tensor: ...  # noqa: D102


class TorchBackend:
    """PyTorch, on any device.

    Args:
        bundle: whose weights.
        precision: ``32-true``, or one that starts with ``bf16``; the heads compute in single precision either way.
        device: where to compute.
    """

    streams = 1

    def __init__(self, bundle: Bundle, precision: str, device: str) -> None:
        model = bundle.load_model()
        self.device = torch.device(device)
        self.encoder = inference_copy(model.encoder, precision, self.device)
        pack_linear_layers(self.encoder)
        self.heads = model.heads.to(self.device)
        self.width = self.encoder.hidden_size + sum(len(task.labels) for task in bundle.tasks)

    def __call__(self, ids: Tensor) -> Tensor:
        """Map ids (B, S) to embeddings and logits (B, H + C)."""
        embeddings = self.encoder(ids.to(self.device))
        return torch.cat([embeddings, *(head(embeddings) for head in self.heads.values())], dim=1)


class OnnxBackend:
    """ONNX Runtime, on the processor.

    Args:
        graph: file of the graph.
    """

    streams = 1

    def __init__(self, graph: Path) -> None:
        with require_extra("onnx", "backend"):
            import onnxruntime as runtime
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # its warnings are about its own fusions
        try:
            self.session: Any = runtime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
            self.width = sum(int(output.shape[1]) for output in self.session.get_outputs())
        except Exception as error:  # the library has a class for each kind of damage, and no common one
            raise _unreadable(graph, error) from error

    def __call__(self, ids: Tensor) -> Tensor:
        """Map ids (B, S) to embeddings and logits (B, H + C)."""
        inputs = {"input_ids": ids.numpy(), "attention_mask": np.ones(ids.shape, dtype=np.int64)}
        return torch.from_numpy(np.concatenate(self.session.run(None, inputs), axis=1))


class OpenVinoBackend:
    """OpenVINO, on the processor, with as many streams as it finds best: few cores a batch wait less for each other.

    Args:
        graph: file of the ONNX graph.
        precision: ``32-true``, or one that starts with ``bf16``; the latter is a hint, followed by processors that
            multiply bfloat16.
    """

    def __init__(self, graph: Path, precision: str) -> None:
        with require_extra("openvino", "backend"):
            import openvino  # type: ignore[import-untyped]
        kind = "bf16" if precision.startswith("bf16") else "f32"
        settings = {"INFERENCE_PRECISION_HINT": kind, "PERFORMANCE_HINT": "THROUGHPUT"}
        try:
            compiled = openvino.Core().compile_model(str(graph), "CPU", settings)
            self.width = sum(output.get_partial_shape()[1].get_length() for output in compiled.outputs)
        except RuntimeError as error:
            raise _unreadable(graph, error) from error
        self.streams = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.outputs = range(len(compiled.outputs))
        self.idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.streams):
            self.idle.put(compiled.create_infer_request())

    def __call__(self, ids: Tensor) -> Tensor:
        """Map ids (B, S) to embeddings and logits (B, H + C)."""
        inputs = {"input_ids": ids.numpy(), "attention_mask": np.ones(ids.shape, dtype=np.int64)}
        request = self.idle.get()
        try:
            request.infer(inputs, share_inputs=True)
            # Concatenation copies: the next batch writes over what the request holds.
            arrays = [request.get_output_tensor(index).data for index in self.outputs]
            return torch.from_numpy(np.concatenate(arrays, axis=1, dtype=np.float32))
        finally:
            self.idle.put(request)


BACKENDS = ("torch", "onnx", "onnx-int8", "openvino")


def open_backend(bundle: Bundle, name: str, precision: str, device: str) -> Backend:
    """Load a bundle for computing.

    Args:
        bundle: whose weights.
        name: of the backend.
        precision: as Lightning names it; ``auto`` takes bf16 where the processor multiplies it natively.
        device: ``auto``, ``cpu``, ``gpu``, ``cuda`` or ``mps``; all but torch compute on the processor.

    Raises:
        UserError: an unknown name, something that is not here, a library that is not installed, or no graph.
    """
    if name not in BACKENDS:
        raise UserError(f"backend: unknown {name!r}; {did_you_mean(name, BACKENDS)}")
    where = device if name == "torch" else "cpu"
    problems = list(hardware.problems(where, precision, ("device", "precision")))
    if problems:
        raise UserError("\n".join(problems))
    if precision == "auto":
        precision = hardware.best_precision(where)
    if name == "torch":
        return TorchBackend(bundle, precision, hardware.device_type(where))
    if name == "openvino":
        return OpenVinoBackend(_graph(bundle, GRAPH), precision)
    return OnnxBackend(_graph(bundle, INT8_GRAPH if name == "onnx-int8" else GRAPH))


def _graph(bundle: Bundle, name: str) -> Path:
    path = bundle.folder / name
    if not path.is_file():
        option = "graph=int8" if name == INT8_GRAPH else "graph=onnx"
        raise UserError(f"backend: the bundle {str(bundle.folder)!r} has no {name}; export it again with {option}")
    return path


def _unreadable(graph: Path, error: Exception) -> UserError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return UserError(f"backend: {str(graph)!r} is no graph that can be read ({reason[:200]}); export the bundle again")
