"""Backends: a bundle's embeddings and logits, by different libraries. Knows nothing about texts or probabilities.

A backend maps ids (B, S), nothing padded, to (B, H + C): the embedding, then the logits of all heads in their order.
Tasks about two texts are none of its own, see :class:`polyhead.deployment.pair_heads.PairHeads`.
Shapes: B texts, S tokens, H hidden units, C classes of all tasks about one text together.
"""

from collections.abc import Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from polyhead import hardware
from polyhead.deployment.bundle.folder import Bundle
from polyhead.deployment.bundle.graph import STATES, open_session, require
from polyhead.errors import ParameterError, UserError, did_you_mean, require_extra
from polyhead.inference.length_batches import inference_copy
from polyhead.inference.packed_linear import pack_linear_layers
from polyhead.tasks import of_one_text

GRAPH, INT8_GRAPH = "onnx/model.onnx", "onnx/model_int8.onnx"
"""Where sentence-transformers, optimum and transformers.js look for graphs."""

BACKENDS = ("torch", "onnx", "onnx-int8", "openvino")
"""The names that :func:`open_backend` knows."""

_GRAPHS = {"onnx": GRAPH, "onnx-int8": INT8_GRAPH, "openvino": GRAPH}  # backend -> the graph that it runs
_EARLIER = {GRAPH: "graph.onnx", INT8_GRAPH: "graph.int8.onnx"}  # where bundles of 0.1 have them
_EXPORT_OPTIONS = {GRAPH: "graph=onnx", INT8_GRAPH: "graph=int8"}


class Backend(Protocol):
    """Computes embeddings and logits.

    Attributes:
        width: H + C.
        streams: batches that it computes side by side, each called for by a thread of its own.
        device: where it takes its ids.
    """

    width: int
    streams: int
    device: torch.device

    def __call__(self, ids: Tensor) -> Tensor: ...  # noqa: D102


class TorchBackend:
    """PyTorch, on any device.

    Args:
        bundle: holds the weights.
        precision: ``32-true``, or one that starts with ``bf16``; the heads compute in single precision either way.
        device: where to compute, as torch names it.
    """

    streams = 1

    def __init__(self, bundle: Bundle, precision: str, device: str) -> None:
        model = bundle.load_model(draws=False)
        self.device = torch.device(device)
        # A copy: weights are mapped from their file, in whose place another may be written while a server runs.
        self.encoder = inference_copy(model.encoder, precision, self.device)
        pack_linear_layers(self.encoder)
        tasks = of_one_text(bundle.tasks)
        self.heads = [model.heads[task.name].to(self.device) for task in tasks]
        self.width = self.encoder.embedding_size + sum(task.width for task in tasks)

    def __call__(self, ids: Tensor) -> Tensor:
        """Map ids (B, S), on any device, to embeddings and logits (B, H + C)."""
        embeddings = self.encoder(ids.to(self.device))  # (B, H)
        return torch.cat([embeddings, *(head(embeddings) for head in self.heads)], dim=1)


class OnnxBackend:
    """ONNX Runtime, on the processor.

    Args:
        graph: file of the graph.

    Raises:
        UserError: ONNX Runtime is not installed, or cannot read the graph.
    """

    streams = 1
    device = torch.device("cpu")

    def __init__(self, graph: Path) -> None:
        require("onnxruntime", parameter="backend")
        try:
            self.session = open_session(graph)
            outputs = [output for output in self.session.get_outputs() if output.name != STATES]
            self.widths = {output.name: int(output.shape[1]) for output in outputs}
        except Exception as error:  # the library has a class for each kind of damage, and no common one
            raise _unreadable(graph, error) from error
        self.width = sum(self.widths.values())

    def __call__(self, ids: Tensor) -> Tensor:
        """Map ids (B, S) to embeddings and logits (B, H + C)."""
        outputs = self.session.run(list(self.widths), _inputs(ids))
        return torch.from_numpy(np.concatenate(outputs, axis=1))


class OpenVinoBackend:
    """OpenVINO, on the processor, with as many streams as it finds best: few cores per batch wait less for each other.

    Args:
        graph: file of the ONNX graph.
        precision: ``32-true``, or one that starts with ``bf16``; the latter is a hint, which processors that multiply
            bfloat16 follow.

    Raises:
        UserError: OpenVINO is not installed, or cannot read the graph.
    """

    device = torch.device("cpu")

    def __init__(self, graph: Path, precision: str) -> None:
        with require_extra("openvino", "backend"):
            import openvino  # type: ignore[import-untyped]
        kind = "bf16" if precision.startswith("bf16") else "f32"
        settings = {"INFERENCE_PRECISION_HINT": kind, "PERFORMANCE_HINT": "THROUGHPUT"}
        try:
            read = openvino.Core().read_model(str(graph))
            outputs = [output for output in read.outputs if output.get_any_name() != STATES]
            # Without the states, the largest of the outputs, which nobody reads.
            answering = openvino.Model(outputs, read.get_parameters())
            compiled = openvino.Core().compile_model(answering, "CPU", settings)
            shapes = {output.get_any_name(): output.get_partial_shape() for output in compiled.outputs}
            self.widths = {name: int(shape[1].get_length()) for name, shape in shapes.items()}
        except RuntimeError as error:
            raise _unreadable(graph, error) from error
        self.width = sum(self.widths.values())
        self.streams = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.outputs = range(len(compiled.outputs))
        self.idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.streams):
            self.idle.put(compiled.create_infer_request())
        # The first inference of a process initialises OpenVINO's side of NumPy under a lock of C++ that does not know
        # Python's: two threads that come to it at once wait for each other forever. So it is done here, by one.
        self(torch.ones(1, 2, dtype=torch.long))

    def __call__(self, ids: Tensor) -> Tensor:
        """Map ids (B, S) to embeddings and logits (B, H + C)."""
        request = self.idle.get()
        try:
            request.infer(_inputs(ids), share_inputs=True)
            arrays = [request.get_output_tensor(index).data for index in self.outputs]
            # Concatenation copies: the next batch overwrites the arrays that the request holds.
            return torch.from_numpy(np.concatenate(arrays, axis=1, dtype=np.float32))
        finally:
            self.idle.put(request)


def open_backend(bundle: Bundle, backend: str, precision: str, device: str) -> Backend:
    """Load a bundle for computing.

    Args:
        bundle: holds the weights, and the graphs if it was exported with them.
        backend: ``torch``, ``onnx``, ``onnx-int8`` or ``openvino``.
        precision: as Lightning names it; ``auto`` takes bf16 where the processor multiplies it natively.
        device: ``auto``, ``cpu``, ``gpu``, ``cuda`` or ``mps``; all backends but torch compute on the processor.

    Raises:
        ParameterError: an unknown backend, precision or device, a device that is not present, or a backend whose graph
            the bundle lacks.
        UserError: a library is not installed, or a file cannot be read.
    """
    if backend not in BACKENDS:
        raise ParameterError(f"backend: unknown {backend!r}; {did_you_mean(backend, BACKENDS)}")
    where = device if backend == "torch" else "cpu"
    problems = list(hardware.problems(where, precision, ("device", "precision"), converts_weights=True))
    if problems:
        raise ParameterError("\n".join(problems))
    chosen = hardware.choose_precision(precision, where)
    if backend == "torch":
        return TorchBackend(bundle, chosen, hardware.device_type(where))
    graph = _find_graph(bundle, _GRAPHS[backend])
    opened = OpenVinoBackend(graph, chosen) if backend == "openvino" else OnnxBackend(graph)
    _check_heads(opened.widths, bundle, graph)
    return opened


def _check_heads(widths: Mapping[str, int], bundle: Bundle, graph: Path) -> None:
    """Check that a graph's heads are those that tasks.json names, in that order.

    Raises:
        UserError: they are others.
    """
    _, *heads = widths.items()
    expected = [(f"{task.name}_logits", task.width) for task in of_one_text(bundle.tasks)]
    if heads != expected:
        found = ", ".join(f"{name} {width}" for name, width in heads)
        raise UserError(
            f"backend: the heads of {str(graph)!r} ({found}) are not the tasks of tasks.json; export the bundle again"
        )


def _find_graph(bundle: Bundle, name: str) -> Path:
    places = [bundle.folder / name, bundle.folder / _EARLIER[name]]
    found = [path for path in places if path.is_file()]
    if not found:
        folder, option = str(bundle.folder), _EXPORT_OPTIONS[name]
        raise ParameterError(f"backend: the bundle {folder!r} has no {name}; export it again with {option}")
    return found[0]


def _inputs(ids: Tensor) -> dict[str, Any]:
    """Return the inputs of a graph for ids (B, S) without padding."""
    return {"input_ids": ids.numpy(), "attention_mask": np.ones(ids.shape, dtype=np.int64)}


def _unreadable(graph: Path, error: Exception) -> UserError:
    lines = str(error).splitlines()
    reason = lines[0][:200] if lines else type(error).__name__
    return UserError(f"backend: {str(graph)!r} is no graph that can be read ({reason}); export the bundle again")
