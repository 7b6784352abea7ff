"""Splits: tables of labelled sentences checked, cut and handed out. Knows nothing about where tables come from."""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import UserError
from polyhead.sources.base import Source
from polyhead.sources.holdout import choose_holdout
from polyhead.sources.mixing import Mixture
from polyhead.sources.records import ROW
from polyhead.sources.scan import Scan, Vocabulary, scan
from polyhead.sources.tables import Table
from polyhead.sources.validation import Inspection, contained
from polyhead.tasks import Task

log = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")


class Sentence(NamedTuple):
    """A text and its label for each task, None where it has none."""

    text: str
    labels: Mapping[str, str | None]


@dataclass(frozen=True)
class Handling:
    """What is done with the sentences of any source before training.

    Args:
        holdout: share of the training sentences that becomes the validation or the test split where none is given.
        seed: of that holdout.
        drop_test_duplicates: leave training sentences out whose text stands in another split, too.
        min_class_count: a warning names classes with fewer training sentences.
        max_examples: places named for each kind of problem; the rest are counted.

    Raises:
        UserError: values out of range, all at once.
    """

    holdout: Mapping[str, float]
    seed: int
    drop_test_duplicates: bool
    min_class_count: int
    max_examples: int

    def __post_init__(self) -> None:
        problems = [
            f"data.holdout.{name}: {share!r} given; name validation or test, and a share in (0, 0.5]"
            for name, share in self.holdout.items()
            if name not in SPLITS[1:] or not isinstance(share, float) or not 0 < share <= 0.5
        ]
        least = {"seed": 0, "min_class_count": 0, "max_examples": 1}
        problems += [
            f"data.{name}: {getattr(self, name)} given; it must be {low} or more"
            for name, low in least.items()
            if getattr(self, name) < low
        ]
        if problems:
            raise UserError("\n".join(problems))


@dataclass
class _Split:
    """A split: the sentences of its tables that ``kept`` (N,) marks."""

    scan: Scan
    origins: NDArray[np.uint16]
    kept: NDArray[np.bool_]


@dataclass
class TableSource(Source):
    """Sentences in tables; what is common to files and hub data sets.

    Args:
        handling: what is done with the sentences.
        exponent: see :class:`Mixture`.
    """

    handling: Handling
    exponent: float = 1.0
    _splits: dict[str, _Split] = field(default_factory=dict, init=False)
    _tasks: tuple[str, ...] = field(default=(), init=False)
    _checked: bool = field(default=False, init=False)
    _vocabularies: dict[str, Vocabulary] = field(default_factory=dict, init=False)

    def tables(self, tasks: Sequence[str]) -> dict[str, list[list[Table]]]:
        """Read the tables of each split, grouped by the source that they make up.

        Raises:
            UserError: they cannot be read, one problem a line.
        """
        raise NotImplementedError

    @property
    def test_sets(self) -> Sequence[str]:
        """The test split, and the shifted ones."""
        return ("test",)

    def find_labels(self, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the class names of the tasks named, as the training sentences have them."""
        self._load(names)
        train = self._splits["train"].scan
        found = {name: self._vocabularies[name].used(train.codes[name]) for name in names}
        problems = [
            f"tasks.{name}: no training sentence has a label for it; see data.columns"
            for name in names
            if not found[name]
        ]
        if problems:
            raise UserError("\n".join(problems))
        return found

    def check(self, tasks: Sequence[Task]) -> None:
        """Look all sentences through, and log what is odd and how many there are."""
        self._load([task.name for task in tasks])
        self._checked = True
        given = {name: split.scan for name, split in self._splits.items()}
        inspection = Inspection(given, self._vocabularies, self.handling.min_class_count, self.handling.max_examples)
        findings = inspection.findings(tasks)
        if findings.errors:
            raise UserError("\n".join(findings.errors))
        for line in findings.notes:
            log.info("%s", line)
        for line in findings.warnings:
            log.warning("%s", line)
        self._drop_leaks()
        self._cut([name for name in SPLITS if name not in given])
        for line in inspection.rare_classes(tasks, self._splits["train"].kept):
            log.warning("%s", line)
        self._refuse_what_is_left_bare(tasks)
        for scanned in given.values():
            scanned.forget()

    def sentences(self, split: str) -> Iterator[Sentence]:
        """Yield the sentences of ``split``."""
        chosen = self._splits[split]
        start = 0
        for table in chosen.scan.tables:
            for chunk in table.chunks():
                columns = {name: array.to_pylist() for name, array in chunk.items()}
                texts = columns.pop("text")
                for i in np.flatnonzero(chosen.kept[start : start + len(texts)]).tolist():
                    yield Sentence(texts[i], {name: column[i] for name, column in columns.items()})
                start += len(texts)

    def mixture(self, split: str) -> Mixture | None:
        """Return how the sources of the training sentences are mixed; the others are evaluated as they are."""
        if split != "train" or self.exponent == 1:
            return None
        train = self._splits[split]
        return Mixture(train.origins[train.kept], self.exponent)

    def size(self, split: str) -> int:
        """Return the number of sentences."""
        return int(self._splits[split].kept.sum())

    def fingerprint(self, split: str) -> str:
        """Return a digest of the tables and of what was kept of them."""
        chosen = self._splits[split]
        total = hashlib.sha256(repr([table.stamp for table in chosen.scan.tables]).encode())
        total.update(np.packbits(chosen.kept).data)
        return total.hexdigest()

    def locate(self, split: str, row: int) -> str:
        """Say in which file and row a sentence stands."""
        chosen = self._splits[split]
        return chosen.scan.place(int(np.flatnonzero(chosen.kept)[row]))

    def _load(self, tasks: Sequence[str]) -> None:
        if self._tasks == tuple(tasks) and not self._checked:
            return
        for name, what in {"text": "sentences", ROW: "rows' numbers"}.items():
            if name in tasks:
                raise UserError(
                    f"tasks: {name!r} is the name of the {what}; call the task otherwise, and see data.columns"
                )
        self._vocabularies = {task: Vocabulary() for task in tasks}
        self._splits = {}
        for name, groups in self.tables(tasks).items():
            tables = [table for group in groups for table in group]
            found = scan(tables, self._vocabularies)
            sizes = [sum(len(table) for table in group) for group in groups]
            origins = np.repeat(np.arange(len(groups), dtype=np.uint16), sizes)
            self._splits[name] = _Split(found, origins, np.ones(len(found), dtype=np.bool_))
        self._tasks, self._checked = tuple(tasks), False

    def _drop_leaks(self) -> None:
        train = self._splits["train"]
        others = [split.scan.texts for split in self._splits.values() if split is not train]
        if not self.handling.drop_test_duplicates or not others:
            return
        leaks = contained(train.scan.texts, np.concatenate(others))
        train.kept &= ~leaks
        log.info("drop_test_duplicates: %s training sentences left out", f"{leaks.sum():,}")

    def _refuse_what_is_left_bare(self, tasks: Sequence[Task]) -> None:
        """Raise where leaving out and cutting off took all sentences of a split, or all labels of a task."""
        problems = []
        for name, split in self._splits.items():
            if not split.kept.any():
                problems.append(
                    f"data: no {name} sentence is left; see data.drop_test_duplicates and data.holdout, or give more"
                )
                continue
            problems += [
                f"tasks.{task.name}: no {name} sentence with a label for it is left; "
                "see data.drop_test_duplicates and data.holdout"
                for task in (tasks if name in SPLITS[:2] else ())
                if not (split.scan.codes[task.name][split.kept] >= 0).any()
            ]
        if problems:
            raise UserError("\n".join(problems))

    def _cut(self, missing: Sequence[str]) -> None:
        train = self._splits["train"]
        for name in missing:
            if name not in self.handling.holdout:
                raise UserError(f"data: no {name} split given, and no share in data.holdout.{name} to cut one off")
            rows = np.flatnonzero(train.kept)
            strata = np.zeros(len(rows), dtype=np.int64)
            for codes in train.scan.codes.values():
                strata = strata * (int(codes.max(initial=0)) + 2) + codes[rows] + 1
            share, seed = self.handling.holdout[name], self.handling.seed + SPLITS.index(name)
            held = rows[choose_holdout(train.scan.texts[rows], strata, share, seed)]
            kept = np.zeros_like(train.kept)
            kept[held] = True
            train.kept &= ~kept
            self._splits[name] = _Split(train.scan, train.origins, kept)
            log.info("%s: none given; %s of %s training sentences cut off", name, f"{len(held):,}", f"{len(rows):,}")
