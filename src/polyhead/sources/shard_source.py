"""Shard source: training sentences in many files, each opened when it is needed; other splits are read as a whole."""

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import ParameterError, UserError, check_parameters, collect_errors
from polyhead.sources.file_paths import find_files
from polyhead.sources.files import Paths, name_problems
from polyhead.sources.records import Columns, assign_columns
from polyhead.sources.rows import Sentence, SentencePair
from polyhead.sources.settings import SplitSettings, unknown_splits
from polyhead.sources.shards import Shard, Shards, labelled_tasks, named_columns, open_shard, other_columns
from polyhead.sources.splits import TableSource
from polyhead.sources.table_cache import TableCache
from polyhead.sources.table_reader import datasets_library, read
from polyhead.sources.tables import Table
from polyhead.storage.cells import TextColumns
from polyhead.storage.dialect import AUTO, Dialect
from polyhead.tasks import Task

log = logging.getLogger(__name__)

FORMATS = ("parquet", "arrow", "csv", "tsv", "jsonl")
"""The formats of shards: those that are read some rows at a time."""

_UNSEEN = (
    "read when they are needed, so not looked at beforehand: labels, counts of classes, empty and repeated texts, and "
    "texts shared with other splits"
)
_SAMPLE = 100_000  # sentences that tell the mean and spread of numbers


class ShardSource(TableSource):
    """Training sentences in any number of files, which no process looks through beforehand, and none reads whole.

    Nothing is held out of them. Validation and test sets are files that are read and checked as those of
    :class:`FileSource`.

    Args:
        files: split -> a path, a list of them, or a folder; with wildcards. Only ``train`` must be given.
        shifted: name -> paths of an extra test set.
        text: as of :class:`FileSource`, also the arguments that follow.
        columns: see there.
        encoding: see there.
        quote: see there.
        separator: see there.
        missing_values: see there.
        min_class_count: see there.
        max_examples: see there.
        cache: folder of the tables that files are read into; a shard lies there while it is read.
        limit_gb: see there.
        window: rows of a process that are shuffled together, about; see
            :class:`polyhead.data.ShardedBatchSampler`.

    Raises:
        ParameterError: a split or a file that is not there, or a value out of range; all at once.
        UserError: the library for tables is not installed.
    """

    def __init__(
        self,
        files: Mapping[str, Paths | None],
        shifted: Mapping[str, Paths] | None = None,
        text: TextColumns = "text",
        columns: Mapping[str, TextColumns] | None = None,
        encoding: str = "utf-8",
        quote: str | None = AUTO,
        min_class_count: int = 10,
        max_examples: int = 3,
        *,
        cache: str,
        limit_gb: float = 20.0,
        missing_values: Sequence[str] | None = None,
        separator: str = AUTO,
        window: int = 2**20,
    ) -> None:
        extra = {str(name): paths for name, paths in (shifted or {}).items() if paths}
        problems = [*unknown_splits("files", files), *name_problems(extra)]
        if not files.get("train"):
            problems.append("files.train: none given; name the shards, as in data.files.train=shards/*.parquet")
        self.paths: dict[str, list[Path]] = {}
        for parameter, given in (("files", files), ("shifted", extra)):
            for name, paths in given.items():
                if paths:
                    formats = {"formats": FORMATS} if name == "train" else {}
                    with collect_errors(problems):
                        self.paths[name] = find_files(f"{parameter}.{name}", paths, **formats)[0]
        with collect_errors(problems):
            self.dialect = Dialect(encoding, quote, separator)
        with collect_errors(problems):
            settings = SplitSettings({}, 0, False, min_class_count, max_examples, missing_values)
        with collect_errors(problems):
            tables = TableCache(cache, limit_gb)
        with collect_errors(problems):
            check_parameters(("window", window, window >= 1, "1 or more rows"))
        if problems:
            raise ParameterError("\n".join(problems))
        datasets_library()
        super().__init__(settings)
        self.text = text
        self.columns = dict(columns or {})
        self.cache = tables
        self.window = window
        self.extra_test_sets = list(extra)
        self._shards: list[Shard] = []
        self._shards_of: tuple[str, ...] | None = None

    @property
    def test_sets(self) -> Sequence[str]:
        """The test split where there is one, and the extra test sets."""
        return (*(["test"] if "test" in self.paths else []), *self.extra_test_sets)

    def describe(self, split: str) -> str:
        """Return the files of a split, of many the first."""
        paths = self.paths[split]
        return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1:,} more"

    def find_labels(
        self, names: Sequence[str], free: Sequence[str] = (), each_pair: Sequence[str] = ()
    ) -> Mapping[str, Sequence[str]]:
        """Refuse to look for labels, which would take a pass over all shards."""
        if names:
            example = f"'tasks=[{{{names[0]}: [A, B]}}]'"
            raise UserError(
                f"tasks: no classes given for {', '.join(names)}, and shards are not looked through; name them, as in "
                f"{example}"
            )
        return {}

    def check(self, tasks: Sequence[Task]) -> None:
        """Check what can be known of shards without reading their rows, and all other sentences.

        Raises:
            UserError: shards that cannot be opened, are empty or have other columns; and as the base.
        """
        pairs = [task.name for task in tasks if task.kind.is_pair]
        if pairs:
            raise UserError(f"tasks.{pairs[0]}: it is about two texts, and shards are read for one; take data=files")
        self._open(tasks)
        if len(self.paths) > 1:
            super().check(tasks)
        log.info("train: %s rows in %s shards; %s", f"{self.size('train'):,}", f"{len(self._shards):,}", _UNSEEN)
        if "validation" not in self.paths:
            log.warning("validation: none given, and nothing is held out of shards: no weights are chosen by scores")

    def tables(self, tasks: Sequence[str], free: Sequence[str] = ()) -> dict[str, list[list[Table]]]:
        """Read all files but the shards."""
        problems: list[str] = []
        columns, tables = self._columns(tasks, free), dict[str, list[list[Table]]]()
        for split, paths in self.paths.items():
            if split != "train":
                tables[split] = [[]]
                for path in paths:
                    with collect_errors(problems):
                        tables[split][0].append(
                            read(path, columns, self.dialect, self.cache, self.settings.missing_values or ())
                        )
        if problems:
            raise UserError("\n".join(problems))
        self.cache.make_room()
        return tables

    def shards(self, split: str) -> Shards | None:
        """Return the shards of the training sentences, in the order of their names."""
        return Shards(self._shards, self.window, self.settings.min_class_count) if split == "train" else None

    def sentences(self, split: str) -> Iterator[Sentence | SentencePair]:
        """Yield the sentences of a split; those of all shards, one after the other."""
        if split != "train":
            yield from super().sentences(split)
            return
        for shard in self._shards:
            yield from shard.sentences()

    def sample(self, split: str) -> Iterable[Sentence | SentencePair]:
        """Yield the first sentences of the training shards."""
        log.info("%s: numbers are standardized by the first %s sentences", split, f"{_SAMPLE:,}")
        return islice(self.sentences(split), _SAMPLE)

    def has(self, split: str) -> bool:  # noqa: D102
        return split in self.paths

    def size(self, split: str) -> int:
        """Return the number of sentences; of shards that of rows, those without a text included."""
        return sum(shard.rows for shard in self._shards) if split == "train" else super().size(split)

    def fingerprint(self, split: str) -> str:
        """Return a digest of the sentences; of shards one of their names, sizes and ends."""
        if split != "train":
            return super().fingerprint(split)
        outlines = [shard.outline() for shard in self._shards]
        return hashlib.sha256(json.dumps(outlines).encode()).hexdigest()

    def is_held_out(self, split: str) -> bool:  # noqa: D102
        return False

    def shared(self, first: str, second: str) -> NDArray[np.intp] | None:
        """Return None where one is of shards, which nobody looked at."""
        return None if "train" in (first, second) else super().shared(first, second)

    def weights(self, split: str) -> None:
        """Return None: all sentences count alike."""

    def rows_in_pool(self, split: str) -> None:
        """Return None: there are no folds."""

    def locate(self, split: str, row: int) -> str:
        """Return the file of a sentence, and its row there; of shards the file alone."""
        if split != "train":
            return super().locate(split, row)
        for shard in self._shards:
            if row < shard.rows:
                return shard.name
            row -= shard.rows
        raise IndexError(row)

    def _columns(self, tasks: Sequence[str], free: Sequence[str]) -> Columns:
        return assign_columns(self.text, self.columns, tasks, None, free)

    def _open(self, tasks: Sequence[Task]) -> None:
        """Open all shards for tasks, as far as they have not been."""
        names = tuple(task.name for task in tasks)
        if self._shards_of == names:
            return
        columns = self._columns(names, [task.name for task in tasks if task.kind.any_cell])
        missing = self.settings.missing_values or ()
        problems: list[str] = []
        opened = []
        for path in self.paths["train"]:
            with collect_errors(problems):
                opened.append(open_shard(path, columns, self.dialect, missing, self.cache.path))
        if problems:
            raise UserError("\n".join(problems))
        shards, chosen = [shard for shard, _ in opened], [columns for _, columns in opened]
        problems += other_columns(shards, chosen)
        labelled = labelled_tasks(chosen)
        for name in names:
            if name not in labelled:
                hint = f"'data.columns={{{name}: \"COLUMN\"}}' names another"
                problems.append(f"tasks.{name}: no shard has a column {named_columns(columns, name)} for it; {hint}")
        if problems:
            raise UserError("\n".join(problems))
        self._shards, self._shards_of = shards, names
