"""Pair check: whether tasks of two texts have them. Knows nothing about what tasks do with them."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from polyhead.sources.scan import Scan
from polyhead.tasks import Task


def pair_problems(
    tasks: Sequence[Task], pair: str | None, scans: Mapping[str, Scan], max_examples: int
) -> Iterator[str]:
    """Yield a line for each task of two texts that lacks their column, or has labels in rows with one text.

    A column that no row has a text in is a line, too: it is taken for a wrong name.

    Args:
        tasks: of all kinds.
        pair: column of the second texts; None where none is named.
        scans: by split; where there is no ``train``, sentences are evaluated, and tasks without labels are left out.
        max_examples: places that are named; the rest are counted.
    """
    if pair is not None and not any(scan.paired.any() for scan in scans.values()):
        key = "data.pair" if "train" in scans else "pair"
        yield f"{key}: no row has a text in {pair!r}; name the column of second texts, or leave it out"
        return
    for task in [task for task in tasks if task.kind.is_pair]:
        if pair is None and "train" in scans:
            hint = "name the column of the second, as in data.pair=sentence2"
            yield f"tasks.{task.name}: {task.kind.name} is about two texts; {hint}"
            continue
        hint = "; name their column: pair=COLUMN" if pair is None else f" in {pair!r}; give both, or neither"
        for scan in scans.values():
            rows = np.flatnonzero((scan.codes[task.name] >= 0) & ~scan.paired)
            if len(rows):
                more = f" and {len(rows) - max_examples:,} more" if len(rows) > max_examples else ""
                places = scan.places(rows[:max_examples].tolist()) + more
                yield f"{places}: {task.name}: a label, and no second text{hint}"


def each_pair_lines(scans: Mapping[str, Scan]) -> Iterator[str]:
    """Yield a line for each task that takes all pairs, since the data have no column for it."""
    for task in next(iter(scans.values())).each_pair:
        counts = ", ".join(f"{name} {int((scan.codes[task] >= 0).sum()):,}" for name, scan in scans.items())
        hint = f"data.columns={{{task}: COLUMN}} names one of 1 and 0"
        yield f"{task}: no column of that name, so each pair counts ({counts}); {hint}"
