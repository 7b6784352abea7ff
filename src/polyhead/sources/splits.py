"""Splits: tables of labelled sentences checked, held out and handed out. Knows nothing about the origin of tables."""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import UserError
from polyhead.sources.base import POOL, Source
from polyhead.sources.duplicates import contained
from polyhead.sources.mixing import Mixture
from polyhead.sources.near_duplicates import Kept, near_duplicate_lines
from polyhead.sources.pair_check import each_pair_lines, pair_problems
from polyhead.sources.pairs import SECOND, label_each_pair
from polyhead.sources.records import JOINED, ROW, TEXT, WEIGHT
from polyhead.sources.rows import Sentence, SentencePair
from polyhead.sources.scan import Vocabulary, group_labels
from polyhead.sources.settings import SPLITS, SplitSettings
from polyhead.sources.split import Split, check_what_is_left, hold_out, scan_split, take_fold, take_some
from polyhead.sources.tables import Table
from polyhead.sources.validation import Inspection, no_labels
from polyhead.storage.cells import TextColumns, column_names
from polyhead.tasks import Task, list_text

log = logging.getLogger(__name__)

_RESERVED = {
    TEXT: "sentences",
    SECOND: "second texts",
    ROW: "rows' numbers",
    JOINED: "rows that look like several",
    WEIGHT: "weights",
}
"""Names of columns that no task may have -> what they hold."""

UNLABELLED = "unlabelled"
"""The key of tables without labels, whose sentences are trained on and never held out."""


class TableSource(Source):
    """Sentences in tables; the common part of files and hub data sets.

    Args:
        settings: how sentences are held out and checked.
        exponent: see :class:`Mixture`.
    """

    def __init__(self, settings: SplitSettings, exponent: float = 1.0) -> None:
        self.settings = settings
        self.exponent = exponent
        self.columns: dict[str, TextColumns] = {}
        self.weight: str | None = None
        self.pair: str | None = None
        self._splits: dict[str, Split] = {}
        self._vocabularies: dict[str, Vocabulary] = {}
        self._tasks: tuple[str, ...] = ()
        self._checked = False

    def tables(self, tasks: Sequence[str], free: Sequence[str] = ()) -> dict[str, list[list[Table]]]:
        """Read the tables of each split, and of ``UNLABELLED``, grouped by the source that they belong to.

        Raises:
            UserError: they cannot be read, one problem per line.
        """
        raise NotImplementedError

    def find_labels(
        self, names: Sequence[str], free: Sequence[str] = (), each_pair: Sequence[str] = ()
    ) -> Mapping[str, Sequence[str]]:
        """Return the distinct cells of tasks, as the training sentences have them: of single labels the class names."""
        self._load(names, free, each_pair)
        train = self._splits["train"].scan
        found = {name: self._vocabularies[name].used(train.codes[name]) for name in names}
        problems = [
            no_labels(name, "no training sentence", self._named(name), train.tables, self.settings.max_examples)
            for name, labels in found.items()
            if not labels
        ]
        if problems:
            raise UserError("\n".join(problems))
        # a label that is marked nowhere has a column all the same
        marked = {name: given for name, given in self.columns.items() if not isinstance(given, str)}
        return {name: [*cells, list_text(marked[name])] if name in marked else cells for name, cells in found.items()}

    def _named(self, task: str) -> str:
        """Return the column of a task's labels, or all of them, as a message names it."""
        return ", ".join(column_names(self.columns.get(task, task)))

    def check(self, tasks: Sequence[Task]) -> None:
        """Check all sentences, and log what is odd and how many sentences there are."""
        self._load_tasks(tasks)
        self._checked, settings = True, self.settings
        given = {name: split.scan for name, split in self._splits.items()}
        inspection = Inspection(
            given,
            self._vocabularies,
            settings.min_class_count,
            settings.max_examples,
            settings.missing_values,
            {task.name: self._named(task.name) for task in tasks},
        )
        findings = inspection.findings(tasks)
        weights = self._splits["train"].weight_problem(self.weight, settings.max_examples) if "train" in given else None
        pairs = pair_problems(tasks, self.pair, given, settings.max_examples)
        errors = [*findings.errors, *pairs, *filter(None, [weights])]
        if errors:
            raise UserError("\n".join(errors))
        _log_lines(logging.INFO, findings.notes)
        _log_lines(logging.WARNING, findings.warnings)
        _log_lines(logging.INFO, each_pair_lines(given))
        if "train" in given:  # else the sentences are evaluated alone
            self._make_splits(inspection, tasks)
        for scanned in given.values():
            scanned.drop_arrays()

    def _make_splits(self, inspection: Inspection, tasks: Sequence[Task]) -> None:
        group_labels([split.scan for split in self._splits.values()], tasks, self._vocabularies)
        self._drop_test_duplicates()
        if self.settings.folds is not None:
            self._take_fold(self.settings.folds)
        for name in SPLITS:
            if name not in self._splits and self.settings.holdout.get(name) != 0:
                self._hold_out(name)
        _log_lines(logging.WARNING, inspection.rare_classes(tasks, self._splits["train"].kept))
        for name, split in self._splits.items():
            if self.settings.limit is not None and name != POOL:
                take_some(split, name, self.settings.limit, self.settings.seed)
        check_what_is_left(self._splits, [task.name for task in tasks])
        if self.settings.near_duplicates:
            splits = {name: Kept(split.scan, split.kept) for name, split in self._splits.items() if name != POOL}
            _log_lines(logging.WARNING, near_duplicate_lines(splits, self.settings.max_examples))

    def sentences(self, split: str) -> Iterator[Sentence | SentencePair]:
        """Yield the sentences of ``split``."""
        chosen = self._splits[split]
        start = 0
        for table in chosen.scan.tables:
            for chunk in table.chunks():
                arrays = label_each_pair(chunk, chosen.scan.each_pair)
                columns = {name: array.to_pylist() for name, array in arrays.items()}
                texts = columns.pop(TEXT)
                seconds = columns.pop(SECOND, None)
                for i in np.flatnonzero(chosen.kept[start : start + len(texts)]).tolist():
                    labels = {name: column[i] for name, column in columns.items()}
                    yield Sentence(texts[i], labels) if seconds is None else SentencePair(texts[i], labels, seconds[i])
                start += len(texts)

    def mixture(self, split: str) -> Mixture | None:
        """Return how the sources of the training sentences are mixed; other splits are evaluated as they are."""
        if split != "train" or self.exponent == 1:
            return None
        train = self._splits[split]
        return Mixture(train.origins[train.kept], self.exponent)

    def weights(self, split: str) -> NDArray[np.float32] | None:
        """Return how much each training sentence counts in the loss; sentences are evaluated alike."""
        return self._splits[split].weights() if split == "train" else None

    def rows_in_pool(self, split: str) -> NDArray[np.intp] | None:
        """Return the positions of a split's sentences among those that the folds divide; None without folds."""
        chosen, pool = self._splits[split], self._splits.get(POOL)
        if pool is None or chosen.scan is not pool.scan:
            return None
        return np.searchsorted(np.flatnonzero(pool.kept), np.flatnonzero(chosen.kept))

    def is_held_out(self, split: str) -> bool:  # noqa: D102
        return split != "train" and self._splits[split].scan is self._splits["train"].scan

    def shared(self, first: str, second: str) -> NDArray[np.intp] | None:
        """Return the positions of the second split's sentences whose texts were found, and told, in the first."""
        return self._splits[second].shared_with(self._splits[first])

    def has(self, split: str) -> bool:  # noqa: D102
        return split in self._splits

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

    def _load_tasks(self, tasks: Sequence[Task]) -> None:
        """Read the tables for tasks, as far as they have not been."""
        free = [task.name for task in tasks if task.kind.any_cell]
        self._load([task.name for task in tasks], free, [task.name for task in tasks if task.kind.takes_each_pair])

    def _load(self, tasks: Sequence[str], free: Sequence[str], each_pair: Sequence[str]) -> None:
        asked = (*tasks, *free, *each_pair)
        if self._tasks == asked and not self._checked:
            return
        for name, content in _RESERVED.items():
            if name in tasks:
                hint = "give the task another name, and see data.columns"
                raise UserError(f"tasks: {name!r} is the name of the {content}; {hint}")
        self._vocabularies = {task: Vocabulary() for task in tasks}
        read = self.tables(tasks, free)
        bare = read.pop(UNLABELLED, [])
        present = {name for groups in read.values() for group in groups for table in group for name in table.tasks}
        columnless = [name for name in each_pair if name not in present]
        self._splits = {
            name: scan_split(groups, bare if name == "train" else [], self._vocabularies, columnless)
            for name, groups in read.items()
        }
        self._tasks, self._checked = asked, False

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
        seed = self.settings.seed + SPLITS.index(name)
        self._splits[name] = hold_out(self._splits["train"], name, self.settings.holdout[name], seed)

    def _take_fold(self, folds: int) -> None:
        """Make the test split of a fold of the training sentences."""
        if "test" in self._splits:
            raise UserError("data.folds: a test split is given, and folds test each sentence of train; leave one out")
        if self.settings.fold is None:
            raise UserError("data.fold: none given; name one, from 0")
        train = self._splits["train"]
        self._splits[POOL] = replace(train, kept=train.kept.copy())
        self._splits["test"] = take_fold(train, folds, self.settings.fold, self.settings.seed)


def _log_lines(level: int, lines: Iterator[str] | Sequence[str]) -> None:
    for line in lines:
        log.log(level, "%s", line)
