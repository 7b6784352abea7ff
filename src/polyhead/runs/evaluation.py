"""Evaluation: the ``metrics.json`` of a model scored on sentences that came later. Knows nothing about models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from polyhead.runs.contents import SplitResults
from polyhead.runs.folder import RunFolder
from polyhead.runs.formats import read_fields, write_fields


@dataclass(frozen=True, kw_only=True)
class EvaluationMetrics:
    """How a model did on sentences that came later.

    Args:
        model: folder of the run or bundle.
        input: the files.
        sentences: how many they have.
        test: results by task, as those of a run's test set.
        labelled: by task, how many of them have a label for it.
        selection: by task, what was measured of sets of labels (``coverage``, ``labels_per_set``) or of answers
            (``accuracy``, ``answered``), with the 95 % interval from ``low`` to ``high``; empty if nothing was wanted.
        skipped: tasks of the model without a labelled sentence in the files.
        precision: as Lightning names it, ``32-true``.
        device: ``cpu``, ``cuda`` or ``mps``.
    """

    file_name: ClassVar[str] = "metrics.json"

    model: str
    input: Sequence[str]
    sentences: int
    test: SplitResults
    skipped: Sequence[str]
    precision: str
    device: str
    selection: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    labelled: Mapping[str, int] = field(default_factory=dict)

    def write(self, folder: RunFolder) -> None:
        """Write the file whole or not at all."""
        write_fields(self, folder, self.file_name)

    @classmethod
    def read(cls, folder: RunFolder) -> Self:
        """Read the file.

        Raises:
            UserError: the file is missing, damaged, incomplete or of a newer format.
        """
        return cls(**read_fields(cls, folder, cls.file_name))
