"""Files of labelled sentences on this machine. Knows nothing about their content."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from glob import glob, has_magic
from pathlib import Path

from polyhead.errors import ParameterError, UserError, collect_errors
from polyhead.sources.mixing import exponent
from polyhead.sources.records import assign_columns
from polyhead.sources.settings import SPLITS, SplitSettings, unknown_splits
from polyhead.sources.splits import TableSource
from polyhead.sources.table_cache import TableCache
from polyhead.sources.table_reader import DATA_SET, SAVED_SPLITS, datasets_library, read
from polyhead.sources.tables import Table
from polyhead.storage.cells import TextColumns
from polyhead.storage.dialect import AUTO, Dialect
from polyhead.storage.row_readers import READERS, format_of

FORMATS = tuple(name for name in READERS if name != "txt")
"""The formats of files that can hold labels."""

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

    Raises:
        ParameterError: a split or a file that is not there, or a value out of range; all at once.
        UserError: the library for tables is not installed.
    """

    def __init__(
        self,
        files: Mapping[str, Sources | None],
        shifted: Mapping[str, Sources] | None,
        text: TextColumns,
        columns: Mapping[str, TextColumns] | None,
        encoding: str,
        quote: str | None,
        mixing: str,
        temperature: float,
        holdout: Mapping[str, float],
        seed: int,
        drop_test_duplicates: bool,
        min_class_count: int,
        max_examples: int,
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
    ) -> None:
        extra = {str(name): paths for name, paths in (shifted or {}).items() if paths}
        problems = [*_split_problems(files), *_name_problems(extra)]
        self.paths: dict[str, list[list[Path]]] = {}
        for parameter, given in (("files", files), ("shifted", extra)):
            for name, sources in given.items():
                if sources:
                    with collect_errors(problems):
                        self.paths[name] = find_files(f"{parameter}.{name}", sources)
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
            tables[split] = [[] for _ in groups]
            for group, paths in zip(tables[split], groups, strict=True):
                for path in paths:
                    with collect_errors(problems):
                        group.append(read(path, columns, self.dialect, self.cache, self.settings.missing_values or ()))
        if problems:
            raise UserError("\n".join(problems))
        self.cache.make_room()
        return tables


def find_files(parameter: str, sources: object) -> list[list[Path]]:
    """Return the files of each source: one source if paths are given, several if paths by name are.

    Raises:
        ParameterError: no file, or one of an unknown format, or one that is named twice.
    """
    groups = sources.values() if isinstance(sources, Mapping) else [sources]
    found = [_expand_all(parameter, paths) for paths in groups]
    counts = Counter(path.resolve() for group in found for path in group)
    repeated = [path for path, count in counts.items() if count > 1]  # as overlapping wildcards do
    if repeated:
        more = f" and {len(repeated) - 1:,} more files" if len(repeated) > 1 else ""
        hint = "name each file once, and see the wildcards"
        raise ParameterError(f"{parameter}: {repeated[0]}{more} named more than once; {hint}")
    return found


def _expand_all(parameter: str, paths: object) -> list[Path]:
    patterns = [paths] if isinstance(paths, str) else paths
    if not isinstance(patterns, Sequence) or not patterns or not all(isinstance(path, str) for path in patterns):
        rule = "it must be a path, a list of paths, or such by the name of a source"
        raise ParameterError(f"{parameter}: {paths!r} given; {rule}")
    problems: list[str] = []
    files: list[Path] = []
    for pattern in patterns:
        with collect_errors(problems):
            files += _expand(parameter, pattern)
    if problems:
        raise ParameterError("\n".join(problems))
    return files


def _expand(parameter: str, pattern: str) -> list[Path]:
    """Return the files that a path or a pattern stands for, in alphabetical order."""
    literal = Path(pattern).is_file() or not has_magic(pattern)  # brackets may be part of a name
    found = [Path(pattern)] if literal else sorted(map(Path, glob(pattern, recursive=True)))
    if literal and (Path(pattern) / SAVED_SPLITS).is_file():
        raise ParameterError(f"{parameter}: {_splits_hint(Path(pattern))}")
    files = [path for path in found if path.is_file() or (path / DATA_SET).is_file()]
    if not files:
        raise ParameterError(f"{parameter}: no file {pattern!r}; relative paths start in the current folder")
    problems: list[str] = []
    for path in files:
        with collect_errors(problems):
            if path.is_file():
                format_of(str(path), FORMATS)
    if problems:
        raise ParameterError("\n".join(f"{parameter}: {problem}" for problem in problems))
    return files


def _splits_hint(folder: Path) -> str:
    """Say how to name the splits of a folder that ``DatasetDict.save_to_disk`` wrote."""
    splits = sorted(path.parent.name for path in folder.glob(f"*/{DATA_SET}"))
    example = splits[0] if splits else "train"
    return (
        f"{str(folder)!r} holds several splits ({', '.join(splits)}); name one, as in {folder / example}, or take all "
        f"by data=hub data.name={folder}"
    )


def _split_problems(files: Mapping[str, Sources | None]) -> Iterator[str]:
    yield from unknown_splits("files", files)
    if not files.get("train"):
        yield "files.train: none given; name the files, as in data.files.train=sentences.csv"


def _name_problems(extra_test_sets: Mapping[str, Sources]) -> Iterator[str]:
    for name in extra_test_sets:
        if name in (*SPLITS, "training"):
            yield f"shifted: {name!r} is the name of a split; give the test set another"
        if not re.fullmatch(r"[\w-]+", name):
            rule = "use letters, digits, hyphens and underscores"
            yield f"shifted: the name {name!r} cannot be part of a file's; {rule}"
