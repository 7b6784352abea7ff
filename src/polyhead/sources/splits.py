"""Splits: tables of labelled sentences checked, held out and handed out. Knows nothing about the origin of tables."""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import UserError
from polyhead.sources.base import Source
from polyhead.sources.duplicates import contained
from polyhead.sources.holdout import choose_holdout
from polyhead.sources.mixing import Mixture
from polyhead.sources.near_duplicates import Kept, near_duplicate_lines
from polyhead.sources.records import JOINED, ROW, TEXT
from polyhead.sources.scan import Scan, Vocabulary, scan
from polyhead.sources.settings import SPLITS, SplitSettings
from polyhead.sources.tables import Table
from polyhead.sources.validation import Inspection, no_labels
from polyhead.tasks import Task

log = logging.getLogger(__name__)


class Sentence(NamedTuple):
    """A text and its label for each task, None where it has none."""

    text: str
    labels: Mapping[str, str | None]


@dataclass
class Split:
    """The sentences of a split: those of its tables that are kept.

    Args:
        scan: of all N sentences of its tables.
        origins: source of each sentence, from 0 (N,).
        kept: True for the sentences of the split (N,).
    """

    scan: Scan
    origins: NDArray[np.uint16]
    kept: NDArray[np.bool_]


class TableSource(Source):
    """Sentences in tables; the common part of files and hub data sets.

    Args:
        settings: how sentences are held out and checked.
        exponent: see :class:`Mixture`.
    """

    def __init__(self, settings: SplitSettings, exponent: float = 1.0) -> None:
        self.settings = settings
        self.exponent = exponent
        self.columns: dict[str, str] = {}
        self._splits: dict[str, Split] = {}
        self._vocabularies: dict[str, Vocabulary] = {}
        self._tasks: tuple[str, ...] = ()
        self._checked = False

    def tables(self, tasks: Sequence[str]) -> dict[str, list[list[Table]]]:
        """Read the tables of each split, grouped by the source that they belong to.

        Raises:
            UserError: they cannot be read, one problem per line.
        """
        raise NotImplementedError

    def find_labels(self, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the class names of tasks, as the training sentences have them."""
        self._load(names)
        train = self._splits["train"].scan
        found = {name: self._vocabularies[name].used(train.codes[name]) for name in names}
        problems = [
            no_labels(
                name, "no training sentence", self.columns.get(name, name), train.tables, self.settings.max_examples
            )
            for name, labels in found.items()
            if not labels
        ]
        if problems:
            raise UserError("\n".join(problems))
        return found

    def check(self, tasks: Sequence[Task]) -> None:
        """Check all sentences, and log what is odd and how many sentences there are."""
        self._load([task.name for task in tasks])
        self._checked = True
        given = {name: split.scan for name, split in self._splits.items()}
        settings = self.settings
        inspection = Inspection(
            given,
            self._vocabularies,
            settings.min_class_count,
            settings.max_examples,
            settings.missing_values,
            self.columns,
        )
        findings = inspection.findings(tasks)
        if findings.errors:
            raise UserError("\n".join(findings.errors))
        _log_lines(logging.INFO, findings.notes)
        _log_lines(logging.WARNING, findings.warnings)
        self._drop_test_duplicates()
        for name in SPLITS:
            if name not in given:
                self._hold_out(name)
        _log_lines(logging.WARNING, inspection.rare_classes(tasks, self._splits["train"].kept))
        self._take_some()
        self._check_what_is_left(tasks)
        if settings.near_duplicates:
            splits = {name: Kept(split.scan, split.kept) for name, split in self._splits.items()}
            _log_lines(logging.WARNING, near_duplicate_lines(splits, settings.max_examples))
        for scanned in given.values():
            scanned.drop_arrays()

    def sentences(self, split: str) -> Iterator[Sentence]:
        """Yield the sentences of ``split``."""
        chosen = self._splits[split]
        start = 0
        for table in chosen.scan.tables:
            for chunk in table.chunks():
                columns = {name: array.to_pylist() for name, array in chunk.items()}
                texts = columns.pop(TEXT)
                for i in np.flatnonzero(chosen.kept[start : start + len(texts)]).tolist():
                    yield Sentence(texts[i], {name: column[i] for name, column in columns.items()})
                start += len(texts)

    def mixture(self, split: str) -> Mixture | None:
        """Return how the sources of the training sentences are mixed; other splits are evaluated as they are."""
        if split != "train" or self.exponent == 1:
            return None
        train = self._splits[split]
        return Mixture(train.origins[train.kept], self.exponent)

    def size(self, split: str) -> int:
        """Return the number of sentences."""
        return int(self._splits[split].kept.sum())

    def fingerprint(self, split: str) -> str:
        """Return a digest of the tables and of the sentences kept."""
        chosen = self._splits[split]
        digest = hashlib.sha256(repr([table.stamp for table in chosen.scan.tables]).encode())
        digest.update(np.packbits(chosen.kept).data)
        return digest.hexdigest()

    def locate(self, split: str, row: int) -> str:
        """Return the file and row where a person finds a sentence."""
        chosen = self._splits[split]
        return chosen.scan.place(int(np.flatnonzero(chosen.kept)[row]))

    def _load(self, tasks: Sequence[str]) -> None:
        if self._tasks == tuple(tasks) and not self._checked:
            return
        for name, content in {TEXT: "sentences", ROW: "rows' numbers", JOINED: "rows that look like several"}.items():
            if name in tasks:
                hint = "give the task another name, and see data.columns"
                raise UserError(f"tasks: {name!r} is the name of the {content}; {hint}")
        self._vocabularies = {task: Vocabulary() for task in tasks}
        self._splits = {name: self._scan(groups) for name, groups in self.tables(tasks).items()}
        self._tasks, self._checked = tuple(tasks), False

    def _scan(self, groups: Sequence[Sequence[Table]]) -> Split:
        found = scan([table for group in groups for table in group], self._vocabularies)
        sizes = [sum(map(len, group)) for group in groups]
        origins = np.repeat(np.arange(len(groups), dtype=np.uint16), sizes)
        kept = np.ones(len(found), dtype=np.bool_)
        kept[found.empty] = False
        return Split(found, origins, kept)

    def _drop_test_duplicates(self) -> None:
        train = self._splits["train"]
        others = [split.scan.texts for split in self._splits.values() if split is not train]
        if not self.settings.drop_test_duplicates or not others:
            return
        duplicates = contained(train.scan.texts, np.concatenate(others))
        train.kept &= ~duplicates
        log.info("drop_test_duplicates: %s training sentences left out", f"{duplicates.sum():,}")

    def _hold_out(self, name: str) -> None:
        """Make a split of training sentences."""
        if name not in self.settings.holdout:
            raise UserError(f"data: no {name} split given, and no share in data.holdout.{name} to hold out")
        train = self._splits["train"]
        rows = np.flatnonzero(train.kept)
        share = self.settings.holdout[name]
        seed = self.settings.seed + SPLITS.index(name)
        held = rows[choose_holdout(train.scan.texts[rows], _strata(train.scan, rows), share, seed)]
        kept = np.zeros_like(train.kept)
        kept[held] = True
        train.kept &= ~kept
        self._splits[name] = Split(train.scan, train.origins, kept)
        log.info("%s: none given; %s of %s training sentences held out", name, f"{len(held):,}", f"{len(rows):,}")

    def _take_some(self) -> None:
        """Leave out all but some sentences of each split, chosen at random, for a quick try."""
        limit = self.settings.limit
        for number, (name, split) in enumerate(self._splits.items()):
            rows = np.flatnonzero(split.kept)
            if limit is not None and len(rows) > limit:
                random = np.random.default_rng([self.settings.seed, number])
                split.kept[:] = False
                split.kept[random.choice(rows, limit, replace=False)] = True
                how = "chosen at random by data.seed (data.limit): for a quick try, not for scores to be reported"
                log.warning("%s: %s of %s sentences, %s", name, f"{limit:,}", f"{len(rows):,}", how)

    def _check_what_is_left(self, tasks: Sequence[Task]) -> None:
        """Refuse splits that lost all their sentences, or all labels of a task, since they were inspected."""
        problems = []
        for name, split in self._splits.items():
            if not split.kept.any():
                hint = "see data.drop_test_duplicates, data.limit and data.holdout, or give more"
                problems.append(f"data: no {name} sentence is left; {hint}")
            elif name in ("train", "validation"):
                problems += _unlabelled(name, split, tasks)
        if problems:
            raise UserError("\n".join(problems))


def _log_lines(level: int, lines: Iterator[str] | Sequence[str]) -> None:
    for line in lines:
        log.log(level, "%s", line)


def _strata(scanned: Scan, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return a number for each of the sentences ``rows``, equal where they have the same labels for all tasks."""
    strata = np.zeros(len(rows), dtype=np.int64)
    for codes in scanned.codes.values():
        classes = int(codes.max(initial=0)) + 2  # and one for no label
        strata = strata * classes + codes[rows] + 1
    return strata


def _unlabelled(name: str, split: Split, tasks: Sequence[Task]) -> Iterator[str]:
    for task in tasks:
        if not (split.scan.codes[task.name][split.kept] >= 0).any():
            yield (
                f"tasks.{task.name}: no {name} sentence with a label for it is left; "
                "see data.drop_test_duplicates, data.limit and data.holdout"
            )
