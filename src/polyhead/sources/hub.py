"""Data sets of the Hugging Face hub, or of a local folder laid out like one. Knows nothing about their content."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from polyhead.errors import ParameterError, UserError, collect_errors, did_you_mean, one_line
from polyhead.sources.column_choice import choose
from polyhead.sources.records import assign_columns
from polyhead.sources.settings import HOLDOUT, SplitSettings, unknown_splits
from polyhead.sources.splits import TableSource
from polyhead.sources.table_cache import TableCache
from polyhead.sources.table_reader import SAVED_SPLITS, datasets_library
from polyhead.sources.tables import Table, check_types
from polyhead.storage.cells import TextColumns
from polyhead.storage.digests import LISTING, folder_is_intact, note_folder

log = logging.getLogger(__name__)

_SPLITS: Mapping[str, str | None] = MappingProxyType({"train": "train", "validation": None, "test": "test"})
_LONGEST_REASON = 300  # characters of a message of the hub


class HubSource(TableSource):
    """A data set of the Hugging Face hub, a folder laid out like one, or one that ``save_to_disk`` wrote.

    Args:
        name: on the hub, or of a local folder.
        configuration: the data set's own choice of a subset; None where it has only one.
        splits: split -> its name in the data set; None where it has none.
        text: column of the sentences, or several, whose texts are joined; nested ones by dots, as in body.text.
        columns: task -> column of its labels, where its name is another than the task's; or the columns that mark a
            label each, of a task of several.
        holdout: see :class:`SplitSettings`, also for the arguments that follow.
        seed: of the holdout.
        drop_test_duplicates: leave out training sentences that another split has, too.
        min_class_count: a warning names classes with fewer training sentences.
        max_examples: places named for each kind of problem.
        cache: folder of the tables that the data set is read into.
        limit_gb: gigabytes (10^9 bytes) of these tables, at most; the least recently used go first.
        missing_values: see :class:`SplitSettings`, also for the two arguments that follow.
        near_duplicates: count the sentences that nearly stand in another split.
        limit: sentences of each split, at most.
        folds: see :class:`SplitSettings`, and for ``fold``.
        fold: see there.
        weight: column of ``train`` with the weight of each sentence in the loss, a number of 0 or more; None is 1 each.
        pair: column of second texts, for tasks about two; empty where a row has one text, as in files without it.

    Raises:
        ParameterError: a split or a name that is not given, or a value out of range; all at once.
        UserError: the library for tables is not installed.
    """

    def __init__(
        self,
        name: str | None,
        configuration: str | None = None,
        splits: Mapping[str, str | None] = _SPLITS,
        text: TextColumns = "text",
        columns: Mapping[str, TextColumns] | None = None,
        holdout: Mapping[str, float] = HOLDOUT,
        seed: int = 0,
        drop_test_duplicates: bool = False,
        min_class_count: int = 10,
        max_examples: int = 3,
        *,
        cache: str,
        limit_gb: float = 20.0,
        missing_values: Sequence[str] | None = None,
        near_duplicates: bool = False,
        limit: int | None = None,
        folds: int | None = None,
        fold: int | None = None,
        weight: str | None = None,
        pair: str | None = None,
    ) -> None:
        problems = list(_split_problems(splits))
        if not name:
            problems.append("name: none given; name a data set of the hub, as in data.name=OWNER/NAME")
        with collect_errors(problems):
            settings = SplitSettings(
                holdout,
                seed,
                drop_test_duplicates,
                min_class_count,
                max_examples,
                missing_values,
                near_duplicates,
                limit,
                folds,
                fold,
            )
        with collect_errors(problems):
            tables = TableCache(cache, limit_gb)
        if problems:
            raise ParameterError("\n".join(problems))
        datasets_library()
        super().__init__(settings)
        self.name = str(name)
        self.configuration = configuration
        self.hub_splits = {split: theirs for split, theirs in splits.items() if theirs}
        self.text = text
        self.columns = dict(columns or {})
        self.weight = weight
        self.pair = pair
        self.cache = tables

    def describe(self, split: str) -> str:
        """Return the name of the data set."""
        return self.name

    def tables(self, tasks: Sequence[str], free: Sequence[str] = ()) -> dict[str, list[list[Table]]]:
        """Fetch all splits; a data set is fetched once only."""
        data_set = self._load_data_set()
        tables = {}
        for split, theirs in self.hub_splits.items():
            if theirs not in data_set:
                hint = did_you_mean(theirs, data_set)
                raise UserError(f"data.splits.{split}: {self.name} has no split {theirs!r}; {hint}")
            weight = self.weight if split == "train" else None
            columns = assign_columns(self.text, self.columns, tasks, weight, free, self.pair)
            name, rows = f"{self.name} {theirs}", data_set[theirs]
            chosen = choose(name, rows.column_names, columns)
            check_types(rows, chosen, name, free)
            missing = self.settings.missing_values or ()
            present = rows.column_names
            table = Table(name, rows, chosen, rows._fingerprint, False, present, missing, free)
            tables[split] = [[table]]
        self.cache.make_room()
        return tables

    def _load_data_set(self) -> Any:
        data_set = self._fetch()
        if (Path(self.name) / SAVED_SPLITS).is_file():
            return data_set  # it lies where the user put it, and is no part of the cache
        folders = {Path(file["filename"]).parent for rows in data_set.values() for file in rows.cache_files}
        self.cache.keep(folders)
        damaged = [folder for folder in folders if not _is_as_first_read(folder)]
        if not damaged:
            return data_set
        log.warning("tables: %s is damaged; making it again", damaged[0])
        for folder in damaged:
            (folder / LISTING).unlink()
        data_set = self._fetch(download_mode="reuse_cache_if_exists")
        for folder in damaged:
            note_folder(folder)
        return data_set

    def _fetch(self, **how: str) -> Any:
        try:
            if (Path(self.name) / SAVED_SPLITS).is_file():
                return datasets_library().load_from_disk(self.name)
            return datasets_library().load_dataset(self.name, self.configuration, cache_dir=str(self.cache.path), **how)
        except Exception as error:  # the hub, its files and the network raise all kinds
            reason = one_line(error, _LONGEST_REASON)
            raise UserError(
                f"data.name: {self.name!r} cannot be loaded ({reason}); data.configuration names one of several "
                "configurations; without the hub, data=files reads local files"
            ) from error


def _is_as_first_read(folder: Path) -> bool:
    """Return whether the files of a data set are as they were when it was first read."""
    if (folder / LISTING).exists():
        return folder_is_intact(folder)
    with suppress(OSError):  # a read-only file system
        note_folder(folder)
    return True


def _split_problems(splits: Mapping[str, object]) -> Iterator[str]:
    yield from unknown_splits("splits", splits)
    for split, theirs in splits.items():
        if not isinstance(theirs, str | None):
            yield f"splits.{split}: {theirs!r} given; it must be a name, or null"
    if not splits.get("train"):
        yield "splits.train: none given; name one, as in data.splits.train=train"
