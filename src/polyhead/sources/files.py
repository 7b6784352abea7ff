"""Locations: where the user's own sentences lie, in files or in a hub data set. Knows nothing about what is in them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from glob import glob, has_magic
from pathlib import Path

from polyhead.errors import UserError, collect_errors, did_you_mean
from polyhead.sources.mixing import exponent
from polyhead.sources.records import Layout, kind
from polyhead.sources.splits import SPLITS, Handling, TableSource
from polyhead.sources.tables import Table, check_types, choose, datasets_library, read

Paths = str | Sequence[str]


class FileSource(TableSource):
    """CSV, TSV, JSONL and Parquet files.

    Args:
        files: split -> a path, a list of them, or ``{source: paths}``; with wildcards. Only ``train`` must be given.
        shifted: name -> paths of further test sets.
        text: column of the sentences.
        columns: task -> column of its labels, where it is called otherwise.
        encoding: of CSV, TSV and JSONL files.
        quote: see :class:`Layout`.
        mixing: proportional, equal or temperature; how often the sentences of each source of ``train`` come.
        temperature: of that mixing, 1 or more.
        holdout: see :class:`Handling`, also for the arguments that follow.
        seed: of the holdout.
        drop_test_duplicates: leave out training sentences that stand in another split.
        min_class_count: a warning names classes with fewer training sentences.
        max_examples: places named for each kind of problem.
        cache: folder of the tables that files are read into.

    Raises:
        UserError: a split or a file that is not there, or a value out of range; all at once.
    """

    def __init__(
        self,
        files: Mapping[str, Paths | Mapping[str, Paths] | None],
        shifted: Mapping[str, Paths] | None,
        text: str,
        columns: Mapping[str, str] | None,
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
    ) -> None:
        problems: list[str] = []
        self.text, self.columns, self.encoding, self.quote = text, dict(columns or {}), encoding, quote
        self.cache = Path(cache).expanduser()
        self.shifted = {str(name): paths for name, paths in (shifted or {}).items() if paths}
        problems += _unknown_splits("data.files", files)
        problems += [
            f"data.shifted: {name!r} is the name of a split; give the test set another"
            for name in self.shifted
            if name in (*SPLITS, "training")
        ]
        problems += [
            f"data.shifted: the name {name!r} cannot be part of a file's; use letters, digits, hyphens and underscores"
            for name in self.shifted
            if not re.fullmatch(r"[\w-]+", name)
        ]
        if quote is not None and (len(quote) != 1 or quote in ",\t\r\n"):
            problems.append(f"data.quote: {quote!r} given; it must be one character other than a separator, or null")
        if not files.get("train"):
            problems.append("data.files.train: none given; name the files, as in data.files.train=sentences.csv")
        self.paths: dict[str, list[list[Path]]] = {}
        for prefix, named in (("data.files", files), ("data.shifted", self.shifted)):
            for name, given in ((name, given) for name, given in named.items() if given):
                groups = list(given.values()) if isinstance(given, Mapping) else [given]
                with collect_errors(problems):
                    self.paths[name] = [_expand(f"{prefix}.{name}", paths) for paths in groups]
                    _refuse_repeated(f"{prefix}.{name}", [path for paths in self.paths[name] for path in paths])
        with collect_errors(problems):
            datasets_library()
        with collect_errors(problems):
            super().__init__(
                Handling(holdout, seed, drop_test_duplicates, min_class_count, max_examples),
                exponent(mixing, temperature),
            )
        if len(self.paths.get("train", ())) == 1 and mixing != "proportional":
            problems.append(
                f"data.mixing={mixing}: train is one source; name several: data.files.train={{a: a.csv, b: b.csv}}"
            )
        if problems:
            raise UserError("\n".join(problems))

    @property
    def test_sets(self) -> Sequence[str]:
        """The test split, and the shifted ones."""
        return ("test", *self.shifted)

    def tables(self, tasks: Sequence[str]) -> dict[str, list[list[Table]]]:
        """Read all files."""
        layout = make_layout(self.text, self.columns, tasks, self.encoding, self.quote)
        problems: list[str] = []
        tables: dict[str, list[list[Table]]] = {}
        for split, groups in self.paths.items():
            tables[split] = []
            for paths in groups:
                tables[split].append([])
                for path in paths:
                    with collect_errors(problems):
                        tables[split][-1].append(read(path, layout, self.cache))
        if problems:
            raise UserError("\n".join(problems))
        return tables


class HubSource(TableSource):
    """A data set of the Hugging Face hub, or a folder laid out like one.

    Args:
        name: on the hub, or of a local folder.
        configuration: the data set's own choice of a subset; None where it has one only.
        splits: split -> what the data set calls it; None where it has none.
        text: column of the sentences.
        columns: task -> column of its labels, where it is called otherwise.
        holdout: see :class:`Handling`, also for the arguments that follow.
        seed: of the holdout.
        drop_test_duplicates: leave out training sentences that stand in another split.
        min_class_count: a warning names classes with fewer training sentences.
        max_examples: places named for each kind of problem.
        cache: folder of the tables that the data set is read into.

    Raises:
        UserError: a split or a name that is not given, or a value out of range; all at once.
    """

    def __init__(
        self,
        name: str | None,
        configuration: str | None,
        splits: Mapping[str, str | None],
        text: str,
        columns: Mapping[str, str] | None,
        holdout: Mapping[str, float],
        seed: int,
        drop_test_duplicates: bool,
        min_class_count: int,
        max_examples: int,
        cache: str,
    ) -> None:
        problems = _unknown_splits("data.splits", splits)
        problems += [
            f"data.splits.{split}: {theirs!r} given; it must be a name, or null"
            for split, theirs in splits.items()
            if not isinstance(theirs, str | None)
        ]
        if not splits.get("train"):
            problems.append("data.splits.train: none given; name one, as in data.splits.train=train")
        if not name:
            problems.append("data.name: none given; name a data set of the hub, as in data.name=OWNER/NAME")
        with collect_errors(problems):
            datasets_library()
        with collect_errors(problems):
            super().__init__(Handling(holdout, seed, drop_test_duplicates, min_class_count, max_examples))
        if problems or not name:
            raise UserError("\n".join(problems))
        self.name, self.configuration = name, configuration
        self.hub_splits = {split: theirs for split, theirs in splits.items() if theirs}
        self.text, self.columns = text, dict(columns or {})
        self.cache = Path(cache).expanduser()

    def tables(self, tasks: Sequence[str]) -> dict[str, list[list[Table]]]:
        """Fetch all splits; what was fetched once is not fetched again."""
        layout = make_layout(self.text, self.columns, tasks, "utf-8", None)
        try:
            found = datasets_library().load_dataset(self.name, self.configuration, cache_dir=str(self.cache))
        except Exception as error:  # whatever the hub, its files or the network come up with
            reason = " ".join(str(error).split())[:300]
            raise UserError(
                f"data.name: {self.name!r} cannot be loaded ({reason}); one of several configurations is named by "
                "data.configuration; without the hub, data=files reads local files"
            ) from error
        tables = {}
        for split, theirs in self.hub_splits.items():
            if theirs not in found:
                raise UserError(
                    f"data.splits.{split}: {self.name} has no split {theirs!r}; {did_you_mean(theirs, found)}"
                )
            name, rows = f"{self.name} {theirs}", found[theirs]
            columns = choose(name, rows.column_names, layout)
            check_types(rows, columns, name)
            tables[split] = [[Table(name, rows, columns, rows._fingerprint)]]
        return tables


def make_layout(
    text: str, columns: Mapping[str, str], tasks: Sequence[str], encoding: str, quote: str | None
) -> Layout:
    """Say which column each task's labels stand in.

    Raises:
        UserError: columns for tasks that there are not, or one column for two.
    """
    unknown = [task for task in columns if task not in tasks]
    if unknown:
        raise UserError(f"data.columns: unknown task {unknown[0]!r}; {did_you_mean(str(unknown[0]), tasks)}")
    chosen = {task: str(columns.get(task, task)) for task in tasks}  # digits on the command line are a number
    taken = [text, *chosen.values()]
    doubled = sorted({column for column in taken if taken.count(column) > 1})
    if doubled:
        raise UserError(f"data.columns: the column {doubled[0]!r} is asked for twice; each task needs its own")
    return Layout(text, chosen, encoding, quote)


def _unknown_splits(key: str, given: Iterable[str]) -> list[str]:
    return [f"{key}: unknown split {name!r}; {did_you_mean(str(name), SPLITS)}" for name in given if name not in SPLITS]


def _refuse_repeated(key: str, files: Sequence[Path]) -> None:
    """Raise where a file is named twice, as overlapping wildcards do: its sentences would count twice."""
    repeated = [path for path, count in Counter(path.resolve() for path in files).items() if count > 1]
    if repeated:
        more = f" and {len(repeated) - 1:,} more files" if len(repeated) > 1 else ""
        raise UserError(f"{key}: {repeated[0]}{more} named more than once; name each file once, and see the wildcards")


def _expand(key: str, paths: object) -> list[Path]:
    """Return the files that a path or a list of them stands for, wildcards in alphabetical order.

    Raises:
        UserError: one of them stands for no file, or for one of an unknown kind, or is no path.
    """
    problems: list[str] = []
    files: list[Path] = []
    patterns = [paths] if isinstance(paths, str) else paths
    if not isinstance(patterns, Sequence) or not patterns or not all(isinstance(p, str) for p in patterns):
        raise UserError(f"{key}: {paths!r} given; it must be a path, a list of paths, or such by the name of a source")
    for pattern in patterns:
        literal = Path(pattern).is_file() or not has_magic(pattern)  # brackets may be part of a name
        found = [Path(pattern)] if literal else sorted(map(Path, glob(pattern, recursive=True)))
        found = [path for path in found if path.is_file()]
        if not found:
            problems.append(f"{key}: no file {pattern!r}; paths are those of the folder you are in")
        for path in found:
            with collect_errors(problems):
                kind(path)
        files += found
    if problems:
        raise UserError("\n".join(problems))
    return files
