"""Pair heads: the logits of tasks about two texts from the embeddings of both, whatever library computed these.

A network embeds each text alone; so these heads stand outside of it, and outside of a graph.
Shapes: N pairs, H units of an embedding, W logits of a task.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import linear

from polyhead.deployment.bundle.folder import HEADS
from polyhead.errors import UserError
from polyhead.models.matryoshka import nested_weight
from polyhead.tasks import Task, of_pairs

Floats = NDArray[np.float32]


class PairHeads:
    """The heads of tasks about two texts.

    Args:
        tasks: those of them.
        parameters: of those that have any: weights (W, F) and biases (W,), by ``TASK.weight`` and ``TASK.bias``.
    """

    def __init__(self, tasks: Sequence[Task], parameters: Mapping[str, Tensor]) -> None:
        self.tasks = tuple(tasks)
        self.parameters = parameters

    @classmethod
    def read(cls, folder: Path, tasks: Sequence[Task], width: int, size: int) -> Self:
        """Read those of a bundle.

        Args:
            folder: of the bundle.
            tasks: all of its tasks.
            width: of the embeddings that the heads were trained on.
            size: H, of which the embeddings that are given are the first units.

        Raises:
            UserError: the heads cannot be read, or do not fit.
        """
        pairs = of_pairs(tasks)
        with_head = [task for task in pairs if task.kind.has_head]
        if not with_head:
            return cls(pairs, {})
        try:
            heads = load_file(folder / HEADS)
        except (SafetensorError, OSError) as error:
            raise UserError(f"{str(folder)!r}: its {HEADS} cannot be read; export the bundle again") from error
        expected = {f"{task.name}.weight": (task.width, task.kind.feature_size(width)) for task in with_head}
        expected |= {f"{task.name}.bias": (task.width,) for task in with_head}  # type: ignore[misc]
        if any(name not in heads or tuple(heads[name].shape) != shape for name, shape in expected.items()):
            raise UserError(f"{str(folder)!r}: its {HEADS} does not hold its heads; export the bundle again")
        parameters = {name: heads[name].float() for name in expected}
        nested = {
            name: nested_weight(values, width, size) if values.ndim == 2 else values
            for name, values in parameters.items()
        }
        return cls(pairs, nested)

    def logits(self, first: Floats, second: Floats) -> dict[str, Floats]:
        """Return the logits (N, W) of each task.

        Args:
            first: embeddings of the first texts (N, H).
            second: those of the second texts (N, H).
        """
        found: dict[str, Floats] = {}
        sides = torch.from_numpy(first), torch.from_numpy(second)
        for task in self.tasks:
            features = task.kind.features(*sides)
            if task.kind.has_head:
                weight, bias = (self.parameters[f"{task.name}.{name}"] for name in ("weight", "bias"))
                features = linear(features, weight, bias)
            found[task.name] = features.numpy()
        return found
