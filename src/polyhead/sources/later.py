"""Later files: labelled sentences that came after training, for a model that is trained already.

Knows nothing about models; the tasks and their class names are given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from polyhead.errors import ParameterError, UserError, collect_errors, did_you_mean
from polyhead.sources.file_paths import find_files
from polyhead.sources.files import Paths
from polyhead.sources.records import assign_columns
from polyhead.sources.settings import SplitSettings
from polyhead.sources.splits import TableSource
from polyhead.sources.table_cache import TableCache
from polyhead.sources.table_reader import read
from polyhead.sources.tables import Table
from polyhead.storage.cells import TextColumns
from polyhead.storage.dialect import Dialect
from polyhead.tasks import Task

_EXAMPLES = 3  # rows named for each kind of problem
_SETTINGS = SplitSettings({}, 0, drop_test_duplicates=False, min_class_count=0, max_examples=_EXAMPLES)


class LaterFiles(TableSource):
    """Files whose sentences are all evaluated: their only split is ``test``.

    Args:
        files: a path or a list of them, with wildcards.
        text: column of the sentences, or several, whose texts are joined.
        columns: task -> column of its labels, where its name is another than the task's.
        dialect: how the text of CSV, TSV and JSONL files is written.
        tasks: names of the tasks that there are; not all of them need labels.
        cache: of the tables that files are read into.
        missing_values: labels that stand for no label; None: only the empty one, and others that may are told.
        parameter: that named the files, for messages.
        pair: column of the second texts; None where all rows have one text.

    Raises:
        ParameterError: a file that is not there, or columns of unknown tasks; all at once.
    """

    def __init__(
        self,
        files: Paths,
        text: TextColumns,
        columns: Mapping[str, TextColumns],
        dialect: Dialect,
        tasks: Sequence[str],
        cache: TableCache,
        missing_values: Sequence[str] | None = None,
        parameter: str = "input",
        pair: str | None = None,
    ) -> None:
        problems = [
            f"columns: unknown task {name!r}; {did_you_mean(str(name), tasks)}" for name in columns if name not in tasks
        ]
        self.paths: list[Path] = []
        with collect_errors(problems):
            self.paths = [path for group in find_files(parameter, files) for path in group]
        if problems:
            raise ParameterError("\n".join(problems))
        super().__init__(replace(_SETTINGS, missing_values=missing_values))
        self.parameter = parameter
        self.text = text
        self.pair = pair
        self.columns = dict(columns)
        self.dialect = dialect
        self.cache = cache

    def check(self, tasks: Sequence[Task]) -> None:
        """Check all sentences, and log what is odd.

        Raises:
            UserError: sentences that cannot be evaluated, or none with a label.
        """
        names = [task.name for task in tasks]
        self._load_tasks(tasks)
        scan = self._splits["test"].scan
        if len(scan) == len(scan.empty):
            column = self.text if isinstance(self.text, str) else ", ".join(self.text)
            what = f"no row has a text in {column!r}" if len(scan) else "there are no rows"
            raise UserError(f"input: {what} in {self.describe('test')}; give sentences with labels")
        codes = scan.codes
        if not any((codes[name] >= 0).any() for name in names):
            raise UserError(
                f"{self.parameter}: no label for {', '.join(names)} in {self.describe('test')}; see columns"
            )
        super().check(tasks)

    def describe(self, split: str) -> str:
        """Return the files."""
        return " ".join(map(str, self.paths))

    def rows_in_files(self, rows: Sequence[int]) -> list[tuple[str, int]]:
        """Return the file of each of some sentences, and its row there."""
        kept = np.flatnonzero(self._splits["test"].kept)
        return [self._splits["test"].scan.find(int(kept[row])) for row in rows]

    def tables(self, tasks: Sequence[str], free: Sequence[str] = ()) -> dict[str, list[list[Table]]]:
        """Read all files."""
        columns = assign_columns(self.text, self.columns, tasks, free=free, pair=self.pair)
        problems: list[str] = []
        tables: list[Table] = []
        for path in self.paths:
            with collect_errors(problems):
                tables.append(read(path, columns, self.dialect, self.cache, self.settings.missing_values or ()))
        if problems:
            raise UserError("\n".join(problems))
        self.cache.make_room()
        return {"test": [tables]}
