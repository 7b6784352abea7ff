"""Inspection: what is wrong or odd about labelled sentences, with file and row. Knows nothing about tokens or models.

Shapes: N sentences of a split.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import did_you_mean
from polyhead.sources.scan import Rows, Scan, Vocabulary
from polyhead.tasks import Task

_CHUNK = 1_000_000  # texts looked up together
_LONGEST = 60  # characters of a label that is told


def contained(texts: Rows, others: Rows) -> NDArray[np.bool_]:
    """Tell which texts stand among others, in memory that does not grow with the number of ``texts``."""
    known = np.sort(others)
    found = np.zeros(len(texts), dtype=np.bool_)
    for start in range(0, len(texts), _CHUNK) if len(known) else ():
        chunk = texts[start : start + _CHUNK]
        positions = np.searchsorted(known, chunk).clip(max=len(known) - 1)
        found[start : start + _CHUNK] = known[positions] == chunk
    return found


def _short(label: str) -> str:
    """Return a label in quotes; sentences may stand where labels should."""
    return repr(label if len(label) <= _LONGEST else label[:_LONGEST] + "…")


@dataclass(frozen=True)
class Findings:
    """What an inspection came to: lines for a person.

    Args:
        errors: training would fail or mean nothing.
        warnings: training goes on; each is counted.
        notes: what there is.
    """

    errors: list[str]
    warnings: list[str]
    notes: list[str]


@dataclass(frozen=True)
class Inspection:
    """Looks at all splits together.

    Args:
        scans: by split; ``train`` is one of them.
        vocabularies: labels as they were met, by task.
        min_class_count: a warning names classes with fewer training sentences.
        max_examples: places named for each kind of problem; the rest are counted.
    """

    scans: Mapping[str, Scan]
    vocabularies: Mapping[str, Vocabulary]
    min_class_count: int
    max_examples: int

    def findings(self, tasks: Sequence[Task]) -> Findings:
        """Look for everything that could disturb the training or the evaluation of ``tasks``."""
        errors = [*self._empty(), *(line for task in tasks for line in self._unknown(task))]
        errors += [line for task in tasks for line in self._unlabelled(task)]
        warnings = [*self._odd_characters(), *self._shared_texts()]
        warnings += [line for task in tasks for line in self._conflicts(task)]
        return Findings(errors, warnings, list(self._overview(tasks)))

    def _places(self, scan: Scan, rows: Sequence[int] | Rows) -> str:
        return scan.places([int(row) for row in rows[: self.max_examples]]) + self._rest(len(rows))

    def _some(self, names: Sequence[str]) -> str:
        return ", ".join(names[: self.max_examples]) + self._rest(len(names))

    def _rest(self, count: int) -> str:
        return f" and {count - self.max_examples:,} more" if count > self.max_examples else ""

    def _empty(self) -> Iterator[str]:
        for split, scan in self.scans.items():
            if not len(scan):
                yield f"data: the {split} split is empty; it needs at least one sentence"
            if scan.empty:
                yield f"{self._places(scan, scan.empty)}: the text is empty; fill it in, or remove the row"

    def _unknown(self, task: Task) -> Iterator[str]:
        vocabulary = self.vocabularies[task.name]
        found = list(task.labels) == vocabulary.used(self.scans["train"].codes[task.name])
        labels = set(task.labels)
        unknown = [(label, code) for label, code in vocabulary.codes.items() if label not in labels]
        for label, code in unknown[: self.max_examples]:
            for scan in self.scans.values():
                rows = np.flatnonzero(scan.codes[task.name] == code)
                reason = f"unknown label {_short(label)}; {did_you_mean(label, task.labels)}"
                if found:
                    reason = f"{_short(label)} is no label of any training sentence"
                if len(rows):
                    yield f"{self._places(scan, rows)}: {task.name}: {reason}"
        if len(unknown) > self.max_examples:
            yield f"{task.name}: {len(unknown) - self.max_examples:,} more unknown labels; see data.columns and tasks"

    def _unlabelled(self, task: Task) -> Iterator[str]:
        for split in ("train", "validation"):
            scan = self.scans.get(split)
            if scan is not None and not (scan.codes[task.name] >= 0).any():
                files = ", ".join(table.name for table in scan.tables[: self.max_examples])
                yield f"tasks.{task.name}: no {split} sentence has a label for it in {files}; see data.columns"

    def _odd_characters(self) -> Iterator[str]:
        for scan in self.scans.values():
            if scan.damaged:
                places = self._places(scan, scan.damaged)
                yield f"{places}: replacement characters; something was lost when the text was last converted"
            blank = {name: count for name, count in scan.blank.items() if count}
            if blank:
                names = self._some(list(blank))
                yield f"{names}: {sum(blank.values()):,} blank lines between the rows passed over"

    def _shared_texts(self) -> Iterator[str]:
        for first, second in combinations(self.scans, 2):
            one, two = self.scans[first], self.scans[second]
            rows = np.flatnonzero(contained(two.texts, one.texts))
            if len(rows):
                pairs = [
                    (row, int(np.argmax(one.texts == two.texts[row]))) for row in rows[: self.max_examples].tolist()
                ]
                named = "; ".join(f"{two.place(theirs)} is {one.place(ours)}" for theirs, ours in pairs)
                yield f"{len(rows):,} of {len(two):,} {second} sentences stand in {first} as well: {named}"

    @cached_property
    def _repeated(self) -> tuple[Rows, Rows]:
        """The rows of all splits whose text comes more than once, equal texts together, and where each text starts."""
        texts = np.concatenate([scan.texts for scan in self.scans.values()])
        order = np.argsort(texts, kind="stable")
        texts = texts[order]
        equal = np.zeros(len(texts) + 1, dtype=np.bool_)  # to the one before
        equal[1:-1] = texts[1:] == texts[:-1]
        chosen = equal[1:] | equal[:-1]
        return order[chosen], np.flatnonzero(~equal[:-1][chosen])

    def _conflicts(self, task: Task) -> Iterator[str]:
        rows, starts = self._repeated
        codes = np.concatenate([scan.codes[task.name] for scan in self.scans.values()])[rows]
        if not len(starts):
            return
        highest = np.maximum.reduceat(codes, starts)
        lowest = np.minimum.reduceat(np.where(codes < 0, np.iinfo(codes.dtype).max, codes), starts)
        differs = np.flatnonzero(lowest < highest)  # rows without a label contradict nothing
        if len(differs):
            ends = np.append(starts[1:], len(rows))
            groups = [
                range(starts[i], ends[i]) for i in differs[np.argsort(rows[starts[differs]])[: self.max_examples]]
            ]
            named = "; ".join(self._labels(task, group, rows, codes) for group in groups)
            yield f"{task.name}: {len(differs):,} texts carry labels that contradict each other: {named}"

    def _labels(self, task: Task, group: Sequence[int], rows: Rows, codes: Rows) -> str:
        names = list(self.vocabularies[task.name].codes)
        first = {int(codes[i]): i for i in reversed(group) if codes[i] >= 0}  # a row a label; two make a contradiction
        told = sorted(first.values())[: max(2, self.max_examples)]
        return ", ".join(f"{self._global_place(int(rows[i]))} {_short(names[codes[i]])}" for i in told)

    def _global_place(self, row: int) -> str:
        for scan in self.scans.values():
            if row < len(scan):
                return scan.place(row)
            row -= len(scan)
        raise IndexError(row)

    def rare_classes(self, tasks: Sequence[Task], kept: NDArray[np.bool_]) -> Iterator[str]:
        """Tell the classes of which training sees little, the rarest first.

        Args:
            tasks: whose classes.
            kept: True for a training sentence that is trained on (N,).

        Yields:
            A line for a person, one a task that has such classes.
        """
        for task in tasks:
            counts = self.vocabularies[task.name].count(self.scans["train"].codes[task.name][kept])
            known = self.vocabularies[task.name].codes
            numbers = {label: int(counts[known[label]]) if label in known else 0 for label in task.labels}
            rare_labels = sorted(
                (label for label in task.labels if numbers[label] < self.min_class_count), key=numbers.__getitem__
            )
            if rare_labels:
                named = self._some([f"{_short(label)} {numbers[label]}" for label in rare_labels])
                count = f"{len(rare_labels):,} classes with under {self.min_class_count} training sentences"
                yield f"{task.name}: {count}: {named}"

    def _overview(self, tasks: Sequence[Task]) -> Iterator[str]:
        for split, scan in self.scans.items():
            counts = ", ".join(f"{task.name} {int((scan.codes[task.name] >= 0).sum()):,}" for task in tasks)
            without = sum(not table.tasks for table in scan.tables)
            yield f"{split}: {len(scan):,} sentences; labels: {counts}" + (
                f"; {without} files without any" if without else ""
            )
