"""Validation of labelled sentences: what is wrong or odd, with file and row. Knows nothing about tokens or models.

Shapes: N sentences of a split, M sentences in G groups of equal texts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import did_you_mean
from polyhead.sources.cell_check import unread_cells
from polyhead.sources.duplicates import Duplicates, Integers, contained, find_duplicates
from polyhead.sources.label_hints import LabelHints, shorten, spelling
from polyhead.sources.scan import Scan, Vocabulary
from polyhead.sources.tables import Table, missing_column, near_column
from polyhead.tasks import SingleLabel, Task

_ASIDE = " (case, spaces and Unicode form aside)"


@dataclass(frozen=True)
class Findings:
    """The result of an inspection, as lines for a person.

    Args:
        errors: training would fail or mean nothing.
        warnings: training can start; each kind is counted.
        notes: numbers of sentences and labels.
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
        missing_values: labels that stand for no label; None where nobody said which.
        columns: task -> column of its labels.
    """

    scans: Mapping[str, Scan]
    vocabularies: Mapping[str, Vocabulary]
    min_class_count: int
    max_examples: int
    missing_values: Sequence[str] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    def findings(self, tasks: Sequence[Task]) -> Findings:
        """Look for everything that could disturb the training or the evaluation of ``tasks``."""
        errors = list(self._empty())
        warnings = [*self._odd_rows(), *self._shared_texts()]
        for task in tasks:
            errors += self._unknown_labels(task)
            warnings += self._near_columns(task)
            if task.kind.one_class:
                warnings += [*self._label_hints(task), *self._contradictions(task)]
        for task in tasks:
            errors += self._unlabelled(task)
        return Findings(errors, warnings, list(self._overview(tasks)))

    def rare_classes(self, tasks: Sequence[Task], kept: NDArray[np.bool_]) -> Iterator[str]:
        """Name the classes with few training sentences, the rarest first.

        Args:
            tasks: whose classes.
            kept: True for a training sentence that is trained on (N,).

        Yields:
            A line for a person per task that has such classes.
        """
        for task in [one for one in tasks if one.kind.one_class]:
            vocabulary = self.vocabularies[task.name]
            counts = vocabulary.count(self.scans["train"].codes[task.name][kept])
            sizes = dict.fromkeys(task.labels, 0)
            sizes |= {label: int(counts[code]) for label, code in vocabulary.codes.items() if label in sizes}
            rare = sorted((label for label in sizes if sizes[label] < self.min_class_count), key=sizes.__getitem__)
            if rare:
                names = self._some([f"{_shorten(label)} {sizes[label]}" for label in rare])
                line = f"{len(rare):,} classes with under {self.min_class_count} training sentences"
                yield f"{task.name}: {line}: {names}"

    def _empty(self) -> Iterator[str]:
        for split, scan in self.scans.items():
            if len(scan) == len(scan.empty):
                yield f"data: the {split} split is empty; it needs at least one sentence"

    def _unknown_labels(self, task: Task) -> Iterator[str]:
        if not task.kind.one_class:
            yield from unread_cells(task, self.vocabularies[task.name], [*self.scans.values()], self.max_examples)
            return
        vocabulary = self.vocabularies[task.name]
        labels = set(task.labels)
        unknown = [label for label in vocabulary.codes if label not in labels]
        train = self.scans.get("train")  # none where a trained model is evaluated
        labels_were_found = train is not None and list(task.labels) == vocabulary.used(train.codes[task.name])
        for label in unknown[: self.max_examples]:
            reason = f"unknown label {_shorten(label)}; {did_you_mean(label, task.labels)}"
            if labels_were_found:
                reason = f"{_shorten(label)} is no label of any training sentence"
                alike = [name for name in task.labels if spelling(name) == spelling(label)]
                reason += f"; did you mean {_shorten(alike[0])}?" if alike else ""
            for scan in self.scans.values():
                rows = np.flatnonzero(scan.codes[task.name] == vocabulary.codes[label])
                if len(rows):
                    yield f"{self._places(scan, rows)}: {task.name}: {reason}"
        if len(unknown) > self.max_examples:
            yield f"{task.name}: {len(unknown) - self.max_examples:,} more unknown labels; see data.columns and tasks"

    def _unlabelled(self, task: Task) -> Iterator[str]:
        for split in ("train", "validation"):
            scan = self.scans.get(split)
            if scan is not None and not (scan.codes[task.name] >= 0).any():
                column = self.columns.get(task.name, task.name)
                yield no_labels(task.name, f"no {split} sentence", column, scan.tables, self.max_examples)

    def _near_columns(self, task: Task) -> Iterator[str]:
        """Name the files whose labels are not read, since their column is spelled in another way."""
        column = self.columns.get(task.name, task.name)
        for scan in self.scans.values():
            near = {table.name: near_column(table, column) for table in scan.tables}
            files = [f"{name} has {other!r}" for name, other in near.items() if other]
            if files and (scan.codes[task.name] >= 0).any():
                yield f"{task.name}: {self._some(files)}, and no column {column!r}: no labels for it; rename the column"

    def _label_hints(self, task: Task) -> Iterator[str]:
        vocabulary = self.vocabularies[task.name]
        counts = vocabulary.count(np.concatenate([scan.codes[task.name] for scan in self.scans.values()]))
        used = {label: int(count) for label, count in zip(vocabulary.codes, counts, strict=True) if count}

        def place(label: str) -> str:
            code = vocabulary.codes[label]
            scan = next(scan for scan in self.scans.values() if (scan.codes[task.name] == code).any())
            return scan.place(int(np.argmax(scan.codes[task.name] == code)))

        has_kind = task.kind.name != SingleLabel.name
        return LabelHints(task.name, used, place, self.max_examples).lines(self.missing_values, has_kind)

    def _odd_rows(self) -> Iterator[str]:
        for scan in self.scans.values():
            if scan.empty:
                several = f"{len(scan.empty):,} rows without a text left out"
                yield f"{self._places(scan, scan.empty)}: {several if len(scan.empty) > 1 else 'no text; left out'}"
            if scan.joined:
                count = f"{len(scan.joined):,} cells hold line ends and separators, as if they were several rows"
                hint = "a stray quote may have joined them; where quotes are plain characters, set data.quote=null"
                yield f"{self._places(scan, scan.joined)}: {count}; {hint}"
            if scan.damaged:
                places = self._places(scan, scan.damaged)
                yield f"{places}: replacement characters; an earlier conversion of the text lost something"
            blank = {name: count for name, count in scan.blank.items() if count}
            if blank:
                names = self._some(list(blank))
                yield f"{names}: {sum(blank.values()):,} blank lines between the rows skipped"

    def _shared_texts(self) -> Iterator[str]:
        for first, second in combinations(self.scans, 2):
            one, two = self.scans[first], self.scans[second]
            rows = np.flatnonzero(contained(two.texts, one.texts))
            two.shared.append((one, rows))
            pairs = []
            for row in rows[: self.max_examples].tolist():
                same = int(np.argmax(one.texts == two.texts[row]))
                pairs.append(f"{two.place(row)} is {one.place(same)}")
            if pairs:
                count = f"{len(rows):,} of {len(two) - len(two.empty):,} {second} sentences"
                yield f"{count} stand in {first} as well{_ASIDE}: {'; '.join(pairs)}"

    @cached_property
    def _duplicates(self) -> Duplicates:
        """Equal texts of all splits, whose sentences are numbered one after the other."""
        return find_duplicates(np.concatenate([scan.texts for scan in self.scans.values()]))

    def _contradictions(self, task: Task) -> Iterator[str]:
        rows, starts = self._duplicates
        if not len(starts):
            return
        codes = np.concatenate([scan.codes[task.name] for scan in self.scans.values()])[rows]  # (M,)
        highest = np.maximum.reduceat(codes, starts)  # (G,)
        without_missing = np.where(codes < 0, np.iinfo(codes.dtype).max, codes)  # no label contradicts nothing
        lowest = np.minimum.reduceat(without_missing, starts)
        groups = np.flatnonzero(lowest < highest)
        if len(groups):
            in_order = groups[np.argsort(rows[starts[groups]])]
            examples = [self._contradiction(task, group, codes) for group in in_order[: self.max_examples].tolist()]
            count = f"{len(groups):,} texts carry labels that contradict each other"
            yield f"{task.name}: {count}: {'; '.join(examples)}"

    def _contradiction(self, task: Task, group: int, codes: Integers) -> str:
        """Name a sentence for each label that a group of equal texts has; at least two, however few are to be named."""
        labels = list(self.vocabularies[task.name].codes)
        first: dict[int, int] = {}  # code -> the first sentence that has it
        for position in self._duplicates.group(group):
            if codes[position] >= 0:
                first.setdefault(int(codes[position]), position)
        positions = sorted(first.values())[: max(2, self.max_examples)]
        rows = self._duplicates.rows
        return ", ".join(f"{self._place(int(rows[i]))} {_shorten(labels[codes[i]])}" for i in positions)

    def _place(self, row: int) -> str:
        """Return the place of a sentence, numbered through all splits."""
        for scan in self.scans.values():
            if row < len(scan):
                return scan.place(row)
            row -= len(scan)
        raise IndexError(row)

    def _overview(self, tasks: Iterable[Task]) -> Iterator[str]:
        for split, scan in self.scans.items():
            counts = [f"{task.name} {int((scan.codes[task.name] >= 0).sum()):,}" for task in tasks]
            line = f"{split}: {len(scan) - len(scan.empty):,} sentences; labels: {', '.join(counts)}"
            unlabelled = sum(not table.tasks for table in scan.tables)
            yield line + (f"; {unlabelled} files without any" if unlabelled else "")

    def _places(self, scan: Scan, rows: Sequence[int] | Integers) -> str:
        return scan.places([int(row) for row in rows[: self.max_examples]]) + self._rest(len(rows))

    def _some(self, names: Sequence[str]) -> str:
        return ", ".join(names[: self.max_examples]) + self._rest(len(names))

    def _rest(self, count: int) -> str:
        return f" and {count - self.max_examples:,} more" if count > self.max_examples else ""


def no_labels(task: str, what: str, column: str, tables: Sequence[Table], max_examples: int) -> str:
    """Say that a task has no label in the tables of a split: whether its column is missing there, or empty."""
    without = list(filter(None, (missing_column(table, column) for table in tables)))
    if without:
        near = next(filter(None, (near_column(table, column) for table in tables)), "COLUMN")
        hint = f"'data.columns={{{task}: \"{near}\"}}' names another"
        return f"tasks.{task}: {what} has a label for it: {without[0]}; {hint}"
    files = ", ".join(table.name for table in tables[:max_examples])
    return f"tasks.{task}: {what} has a label for it in {files}; see data.columns"


def _shorten(label: str) -> str:
    """Return a label in quotes; whole sentences may stand where labels should."""
    return repr(shorten(label))
