"""Files of labelled sentences on this machine. Knows nothing about their content."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from polyhead.errors import ParameterError, UserError, collect_errors
from polyhead.sources.file_paths import find_files
from polyhead.sources.mixing import exponent
from polyhead.sources.records import TEXT, Columns, assign_columns
from polyhead.sources.settings import HOLDOUT, SPLITS, SplitSettings, unknown_splits
from polyhead.sources.splits import UNLABELLED, TableSource
from polyhead.sources.table_cache import TableCache
from polyhead.sources.table_reader import datasets_library, read
from polyhead.sources.tables import Table
from polyhead.storage.cells import TextColumns
from polyhead.storage.dialect import AUTO, Dialect
from polyhead.storage.row_readers import READERS, format_of

Paths = str | Sequence[str]
Sources = Paths | Mapping[str, Paths]


class FileSource(TableSource):
    """CSV, TSV, JSON, JSONL, Parquet, Arrow and Excel files, and folders of ``Dataset.save_to_disk``.

    Args:
        files: split -> a path, a list of them, or ``{source: paths}``; with wildcards. Only ``train`` must be given.
        shifted: name -> paths of an extra test set.
        text: column of the sentences, or several, whose texts are joined; nested ones by dots, as in body.text.
        columns: task -> column of its labels, where its name is another than the task's; or the columns that mark a
            label each, of a task of several.
        encoding: of CSV, TSV and JSON files; see :class:`polyhead.storage.Dialect`.
        quote: of CSV and TSV cells; see there.
        mixing: proportional, equal or temperature: how often the sentences of each source of ``train`` come.
        temperature: of that mixing, 1 or more.
        holdout: see :class:`SplitSettings`, also for the arguments that follow.
        seed: of the holdout.
        drop_test_duplicates: leave out training sentences that another split has, too.
        min_class_count: a warning names classes with fewer training sentences.
        max_examples: places named for each kind of problem.
        cache: folder of the tables that files are read into.
        limit_gb: gigabytes (10^9 bytes) of these tables, at most; the least recently used go first.
        missing_values: see :class:`SplitSettings`, also for the two arguments that follow.
        near_duplicates: count the sentences that nearly stand in another split.
        limit: sentences of each split, at most.
        separator: between CSV and TSV cells; see :class:`polyhead.storage.Dialect`.
        folds: see :class:`SplitSettings`, and for ``fold``.
        fold: see there.
        weight: column of ``train`` with the weight of each sentence in the loss, a number of 0 or more; None is 1 each.
        pair: column of second texts, for tasks about two; empty where a row has one text, as in files without it.
        sheet: of Excel files; see :class:`polyhead.storage.Dialect`.
        unlabelled: files of training sentences without labels, a line of a .txt each; they are never held out.

    Raises:
        ParameterError: a split or a file that is not there, or a value out of range; all at once.
        UserError: the library for tables is not installed.
    """

    def __init__(
        self,
        files: Mapping[str, Sources | None],
        shifted: Mapping[str, Sources] | None = None,
        text: TextColumns = "text",
        columns: Mapping[str, TextColumns] | None = None,
        encoding: str = "utf-8",
        quote: str | None = AUTO,
        mixing: str = "proportional",
        temperature: float = 2.0,
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
        separator: str = AUTO,
        folds: int | None = None,
        fold: int | None = None,
        weight: str | None = None,
        sheet: str | int | None = None,
        pair: str | None = None,
        unlabelled: Paths | None = None,
    ) -> None:
        extra = {str(name): paths for name, paths in (shifted or {}).items() if paths}
        problems = [*_split_problems(files), *name_problems(extra)]
        self.paths: dict[str, list[list[Path]]] = {}
        self.unlabelled: list[Path] = []
        for parameter, given in (("files", files), ("shifted", extra)):
            for name, sources in given.items():
                if sources:
                    with collect_errors(problems):
                        self.paths[name] = find_files(f"{parameter}.{name}", sources)
        with collect_errors(problems):
            self.unlabelled = find_files("unlabelled", unlabelled, tuple(READERS))[0] if unlabelled else []
        problems += self._unlabelled_problems(weight)
        with collect_errors(problems):
            self.dialect = Dialect(encoding, quote, separator, sheet)
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
        with collect_errors(problems):
            power = exponent(mixing, temperature)
        if mixing != "proportional" and len(self.paths.get("train", ())) == 1:
            hint = "name several, as in data.files.train={a: a.csv, b: b.csv}"
            problems.append(f"mixing: {mixing!r} given, and train is one source; {hint}")
        if problems:
            raise ParameterError("\n".join(problems))
        datasets_library()
        super().__init__(settings, power)
        self.text = text
        self.columns = dict(columns or {})
        self.weight = weight
        self.pair = pair
        self.extra_test_sets = list(extra)
        self.cache = tables

    @property
    def test_sets(self) -> Sequence[str]:
        """The test split, and the extra test sets."""
        return ("test", *self.extra_test_sets)

    def describe(self, split: str) -> str:
        """Return the files of a split, or those that it is held out from."""
        groups = self.paths.get(split) or self.paths["train"]
        return " ".join(str(path) for group in groups for path in group)

    def tables(self, tasks: Sequence[str], free: Sequence[str] = ()) -> dict[str, list[list[Table]]]:
        """Read all files."""
        problems: list[str] = []
        tables: dict[str, list[list[Table]]] = {}
        for split, groups in self.paths.items():
            weight = self.weight if split == "train" else None
            columns = assign_columns(self.text, self.columns, tasks, weight, free, self.pair)
            tables[split] = [self._read(paths, columns, problems) for paths in groups]
        if self.unlabelled:
            tables[UNLABELLED] = [self._read(self.unlabelled, Columns(self.text, {}), problems)]
        if problems:
            raise UserError("\n".join(problems))
        self.cache.make_room()
        return tables

    def _read(self, paths: Sequence[Path], columns: Columns, problems: list[str]) -> list[Table]:
        """Read some files, and add what is wrong with them to ``problems``."""
        found = []
        for path in paths:
            lines = path.is_file() and format_of(str(path)) == "txt"  # a file of lines has one column, "text"
            chosen = Columns(TEXT, {}) if lines else columns
            with collect_errors(problems):
                found.append(read(path, chosen, self.dialect, self.cache, self.settings.missing_values or ()))
        return found

    def _unlabelled_problems(self, weight: str | None) -> Iterator[str]:
        if self.unlabelled and weight is not None:
            yield "unlabelled: given beside weight, and its sentences have none; leave one of them out"
        labelled = {path.resolve() for groups in self.paths.values() for group in groups for path in group}
        twice = [path for path in self.unlabelled if path.resolve() in labelled]
        if twice:
            yield f"unlabelled: {str(twice[0])!r} is a file of a split as well; name it once"


def _split_problems(files: Mapping[str, Sources | None]) -> Iterator[str]:
    yield from unknown_splits("files", files)
    if not files.get("train"):
        yield "files.train: none given; name the files, as in data.files.train=sentences.csv"


def name_problems(extra_test_sets: Mapping[str, Sources]) -> Iterator[str]:
    """Yield a problem for each name that no extra test set can have."""
    for name in extra_test_sets:
        if name in (*SPLITS, "training"):
            yield f"shifted: {name!r} is the name of a split; give the test set another"
        if not re.fullmatch(r"[\w-]+", name):
            rule = "use letters, digits, hyphens and underscores"
            yield f"shifted: the name {name!r} cannot be part of a file's; {rule}"
