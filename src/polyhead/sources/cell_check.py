"""Cell check: the cells that are none for the kind of a task, with file and row. Knows nothing about what kinds are."""

from collections.abc import Iterator, Sequence

import numpy as np

from polyhead.errors import UserError
from polyhead.sources.scan import Scan, Vocabulary
from polyhead.tasks import Task


def unread_cells(task: Task, vocabulary: Vocabulary, scans: Sequence[Scan], max_examples: int) -> Iterator[str]:
    """Yield a line for each cell that the kind of the task does not read, with the reason.

    Args:
        task: the task.
        vocabulary: of its cells.
        scans: of all splits.
        max_examples: cells that are named, and places of each; the rest are counted.
    """
    wrong: dict[int, str] = {}
    for cell, code in vocabulary.codes.items():
        try:
            task.kind.read(task.labels, cell)
        except UserError as error:
            wrong[code] = str(error)
    for code in list(wrong)[:max_examples]:
        for scan in scans:
            rows = np.flatnonzero(scan.codes[task.name] == code)
            more = f" and {len(rows) - max_examples:,} more" if len(rows) > max_examples else ""
            if len(rows):
                yield f"{scan.places(rows[:max_examples].tolist())}{more}: {task.name}: {wrong[code]}"
    if len(wrong) > max_examples:
        yield f"{task.name}: {len(wrong) - max_examples:,} more such cells; see data.columns and tasks"
