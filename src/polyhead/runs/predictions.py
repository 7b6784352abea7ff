"""Predictions: the arrays of ``predictions.npz``, which each run writes. Knows nothing about training.

Shapes: N sentences of a test set, C classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from polyhead.errors import UserError
from polyhead.runs.folder import RunFolder

Classes = NDArray[Any]
"""Class indices (N,), numbers (N,), or a 0 or 1 for each class (N, C); see ``polyhead.tasks.is_labelled``."""


@dataclass(frozen=True)
class Predictions:
    """What a run predicted for its test sets, sentence by sentence: ``predictions.npz``.

    The file has two arrays for each test set and task, such as ``test/category/label`` and
    ``test/category/predicted``: of int16 where the task has classes, else of float32.

    Args:
        labels: test set -> task -> class of each sentence (N,); :data:`polyhead.tasks.MISSING` where it has no label.
        predicted: test set -> task -> predicted class (N,); ``MISSING`` where a sentence was left out of the test.
    """

    file_name: ClassVar[str] = "predictions.npz"

    labels: Mapping[str, Mapping[str, Classes]]
    predicted: Mapping[str, Mapping[str, Classes]]

    def write(self, run: RunFolder) -> None:
        """Write the file whole or not at all."""
        arrays: dict[str, Classes] = {}
        for kind, test_sets in (("label", self.labels), ("predicted", self.predicted)):
            for name, tasks in test_sets.items():
                arrays |= {f"{name}/{task}/{kind}": classes for task, classes in tasks.items()}
        run.write_arrays(self.file_name, arrays)

    @classmethod
    def read(cls, run: RunFolder) -> Self:
        """Read the file.

        Raises:
            UserError: the file is missing, damaged, or holds other arrays.
        """
        arrays = run.read_arrays(cls.file_name)
        labels: dict[str, dict[str, Classes]] = {}
        predicted: dict[str, dict[str, Classes]] = {}
        for name in arrays:
            cell, _, kind = name.rpartition("/")
            label, guess = arrays.get(f"{cell}/label"), arrays.get(f"{cell}/predicted")
            known = cell.count("/") == 1 and kind in ("label", "predicted")
            if not known or label is None or guess is None or not _are_answers(label, guess):
                raise UserError(f"{str(run.folder / cls.file_name)!r} holds {name!r}; is it a file of polyhead?")
            test_set, task = cell.split("/")
            labels.setdefault(test_set, {})[task] = label
            predicted.setdefault(test_set, {})[task] = guess
        return cls(labels, predicted)


def _are_answers(*arrays: NDArray[Any]) -> bool:
    """Return whether arrays are classes, numbers, or a column for each class, for the same sentences."""
    kinds = {(array.ndim, array.dtype.kind, array.shape) for array in arrays}
    return len(kinds) == 1 and next(iter(kinds))[:2] in ((1, "i"), (1, "f"), (2, "i"))
