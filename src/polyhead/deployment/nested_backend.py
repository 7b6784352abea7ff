"""Nested backend: a bundle's outputs for the first units of its embeddings, whatever library computes the whole ones.

Shapes: B texts, S tokens, H units of an embedding, d of its first units, C logits of all tasks together.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import linear

from polyhead.deployment.backends import Backend
from polyhead.deployment.bundle.folder import Bundle
from polyhead.deployment.window_outputs import WindowOutputs
from polyhead.errors import UserError
from polyhead.models.matryoshka import truncate
from polyhead.tasks import of_one_text


class NestedBackend:
    """Maps ids (B, S) to the first units of embeddings, and to what the heads say of these (B, d + C).

    Args:
        backend: of the whole embeddings.
        bundle: holds the heads.
        size: d.

    Raises:
        UserError: the bundle was not trained for this width, its heads cannot be read, or it takes windows.
    """

    def __init__(self, backend: Backend, bundle: Bundle, size: int) -> None:
        logits = sum(task.width for task in of_one_text(bundle.tasks))
        whole = backend.width - logits
        check_size(str(bundle.folder), size, [whole, *map(int, bundle.manifest.dimensions)])
        if bundle.manifest.windows > 1:
            raise UserError(
                f"dimensions: {size} given, and {str(bundle.folder)!r} averages embeddings of windows of long texts "
                "whole; leave it out"
            )
        self.backend, self.size, self.whole = backend, size, whole
        self.width, self.streams, self.device = size + logits, backend.streams, backend.device
        self.heads = WindowOutputs.read(bundle.folder, bundle.tasks, whole, bundle.is_normalized)

    def __call__(self, ids: Tensor) -> Tensor:
        """Map ids (B, S) to embeddings and logits (B, d + C)."""
        embeddings = self.backend(ids)[:, : self.whole].float().cpu()
        some = truncate(embeddings, self.size, self.heads.is_normalized)
        return torch.cat([some, linear(some, self.heads.weight[:, : self.size], self.heads.bias)], dim=1)


def nested_bundle(bundle: Bundle, size: int) -> Bundle:
    """Return a bundle with what validation fitted at a width that it was trained for; the whole one has its own."""
    fits = bundle.manifest.dimensions.get(str(size))
    if fits is None:
        return bundle
    entries = [
        replace(
            entry,
            temperature=fits.get(entry.name, {}).get("temperature"),
            thresholds=fits.get(entry.name, {}).get("thresholds"),
        )
        for entry in bundle.manifest.tasks
    ]
    return replace(bundle, manifest=replace(bundle.manifest, tasks=entries))


def check_size(model: str, size: int, trained: Sequence[int]) -> None:
    """Check that a model was trained for a width.

    Args:
        model: its name, for the message.
        size: the width.
        trained: all widths that it was trained for, the whole first.

    Raises:
        UserError: it was not.
    """
    if size not in trained:
        raise UserError(
            f"dimensions: {size!r} given, and {model!r} was trained for {', '.join(map(str, trained))} alone; train "
            f"with model.dimensions=[{trained[0]},{size}], or leave it out"
        )
