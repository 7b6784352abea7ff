"""Window outputs: a backend's outputs for the windows of long texts -> outputs for the texts.

Shapes: N texts, R windows of them, H units of an embedding, C classes of all tasks together.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import linear

from polyhead.deployment.bundle.folder import HEADS
from polyhead.errors import UserError
from polyhead.models.windows import pool_windows
from polyhead.tasks import Task, of_one_text


class WindowOutputs:
    """Pools the embeddings of windows, and gives the heads those of texts, whatever library computed the windows.

    Args:
        weight: of all heads of tasks about one text (C, H).
        bias: of these heads (C,).
        is_normalized: whether embeddings have length 1.
    """

    def __init__(self, weight: Tensor, bias: Tensor, is_normalized: bool) -> None:
        self.weight = weight
        self.bias = bias
        self.is_normalized = is_normalized

    @classmethod
    def read(cls, folder: Path, tasks: Sequence[Task], width: int, is_normalized: bool) -> Self:
        """Read the heads of a bundle.

        Args:
            folder: of the bundle.
            tasks: its tasks, in the order of the logits.
            width: H.
            is_normalized: whether embeddings have length 1.

        Raises:
            UserError: the heads cannot be read, or do not fit.
        """
        try:
            heads = load_file(folder / HEADS)
        except (SafetensorError, OSError) as error:
            raise UserError(f"{str(folder)!r}: its {HEADS} cannot be read; export the bundle again") from error
        headed = [task for task in tasks if task.kind.has_head]
        expected: dict[str, tuple[int, ...]] = {
            f"{task.name}.weight": (task.width, task.kind.feature_size(width)) for task in headed
        }
        expected |= {f"{task.name}.bias": (task.width,) for task in headed}
        if {name: tuple(tensor.shape) for name, tensor in heads.items()} != expected:
            raise UserError(f"{str(folder)!r}: its {HEADS} does not hold its heads; export the bundle again")
        alone = of_one_text(tasks)
        if not alone:
            return cls(torch.zeros(0, width), torch.zeros(0), is_normalized)
        return cls(_joined(heads, alone, "weight"), _joined(heads, alone, "bias"), is_normalized)

    def __call__(self, outputs: Tensor, lengths: Tensor, windows: Tensor) -> Tensor:
        """Return the outputs of texts (N, H + C); those of texts of one window stay as they are.

        Args:
            outputs: embeddings and logits of the windows (R, H + C).
            lengths: tokens of each window (R,).
            windows: of each text (N,).
        """
        width = self.weight.shape[1]
        embeddings = pool_windows(outputs[:, :width], lengths, windows, self.is_normalized)  # (N, H)
        logits = outputs[windows.cumsum(0) - windows, width:]  # (N, C), of the first window
        several = windows > 1
        logits[several] = linear(embeddings[several], self.weight, self.bias)
        return torch.cat([embeddings, logits], dim=1)


def _joined(heads: Mapping[str, Tensor], tasks: Sequence[Task], name: str) -> Tensor:
    return torch.cat([heads[f"{task.name}.{name}"].float() for task in tasks])
