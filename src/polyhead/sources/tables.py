"""Tables: the sentences of one file in Arrow, memory-mapped. Knows nothing about classes or splits."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from polyhead.errors import UserError, did_you_mean
from polyhead.sources.folding import fold
from polyhead.sources.label_cells import label_cells
from polyhead.sources.marks import marked_labels
from polyhead.sources.pairs import SECOND, blank_as_null
from polyhead.sources.records import JOINED, ROW, TEXT, WEIGHT
from polyhead.storage.arrow_readers import spell
from polyhead.storage.cells import join_texts

if TYPE_CHECKING:
    from datasets import Dataset
    from pyarrow import Array, RecordBatch

_CHUNK = 8192  # rows looked at together
_WEIGHTS = ("int", "uint", "float", "decimal", "string", "large_string", "null")  # types of columns of weights


class Table:
    """The sentences of one file, on disk; nothing of it stays in memory or mapped between two passes.

    Args:
        name: of the file, as it was given.
        rows: as they were read.
        columns: its columns to be looked at -> ``TEXT``, ``SECOND``, ``WEIGHT``, or the task whose labels they hold.
            The texts of several columns are joined; several columns of a task mark a label each.
        stamp: changes whenever the content of the file does.
        numbered: the columns ``ROW`` and ``JOINED`` have the number of the row in the file, and whether a cell looks
            like several rows; otherwise rows count from 1.
        present: all columns of the file, as far as they are known.
        missing_values: labels that stand for no label.
        free: tasks whose cells may be fractions, or lists.
    """

    def __init__(
        self,
        name: str,
        rows: "Dataset",
        columns: Mapping[str, str],
        stamp: str,
        numbered: bool = False,
        present: Sequence[str] = (),
        missing_values: Sequence[str] = (),
        free: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.columns = {column: ours for column, ours in columns.items() if ours != WEIGHT}
        self.weight = next((column for column, ours in columns.items() if ours == WEIGHT), None)
        self.free = sorted(set(free) & set(columns.values()))
        parts = [stamp, sorted(columns.items()), list(columns), sorted(missing_values)]
        identity = repr([*parts, self.free] if self.free else parts)
        self.stamp = hashlib.sha256(identity.encode()).hexdigest()[:32]
        self.tasks = [ours for ours in dict.fromkeys(self.columns.values()) if ours not in (TEXT, SECOND)]
        self.numbered = numbered
        self.present = present
        self.missing_values = list(missing_values)
        self._size = len(rows)
        self._features = rows.features
        self._files = [file["filename"] for file in rows.cache_files]
        self._in_memory = None if self._files else rows.data

    def __len__(self) -> int:
        return self._size

    def row(self, index: int) -> int:
        """Return the number of a sentence's row in the file.

        Args:
            index: of the sentence in the table, from 0.
        """
        if not self.numbered:
            return index + 1
        for batch in self._batches():
            if index < batch.num_rows:
                return int(batch.column(ROW)[index].as_py())
            index -= batch.num_rows
        raise IndexError(index)

    def joined(self) -> list[int]:
        """Return the sentences, counted from 0, in whose row a cell looks like several rows."""
        found: list[int] = []
        done = 0
        for batch in self._batches() if self.numbered else ():
            flags = batch.column(JOINED)
            if flags.true_count:
                found += [done + index for index, flag in enumerate(flags.to_pylist()) if flag]
            done += batch.num_rows
        return found

    def weights(self) -> Iterator[Any]:
        """Yield the cells with the weights of its sentences, as they stand there; none without such a column."""
        for batch in self._batches() if self.weight is not None else ():
            yield from _column(batch, str(self.weight)).to_pylist()

    def chunks(self) -> Iterator[dict[str, "Array"]]:
        """Yield its texts and labels as arrays of texts, a few thousand rows at a time.

        A missing label is null, and so is a second text where a row has none.

        Raises:
            UserError: a cell that is no text, such as 0.5 or bytes that are not UTF-8.
        """
        done = 0
        for batch in self._batches():
            for start in range(0, batch.num_rows, _CHUNK):
                part = batch.slice(start, _CHUNK)
                arrays: dict[str, list[Array]] = {}
                for column, ours in self.columns.items():
                    arrays.setdefault(ours, []).append(self._checked_texts(column, _column(part, column), done))
                yield {
                    ours: some[0] if len(some) == 1 else _join(some) if ours == TEXT else self._marks(ours, some, done)
                    for ours, some in arrays.items()
                }
                done += part.num_rows

    def _marks(self, task: str, arrays: Sequence["Array"], before: int) -> "Array":
        """Return the labels that several columns mark, of a part of the table that has ``before`` rows before it."""
        import pyarrow as pa

        columns = [column for column, ours in self.columns.items() if ours == task]
        found = []
        for index, row in enumerate(zip(*(array.to_pylist() for array in arrays), strict=True)):
            try:
                found.append(marked_labels(dict(zip(columns, row, strict=True))))
            except UserError as error:
                raise UserError(f"{self.name} row {self.row(before + index)}: {error}") from error
        return pa.array(found, pa.large_string())

    def _batches(self) -> Iterator["RecordBatch"]:
        """Yield all rows, read from disk: the pages of a mapping would stay in memory after the pass."""
        import pyarrow as pa

        if self._in_memory is not None:
            yield from self._in_memory.to_batches()
        for file in self._files:
            with pa.OSFile(file) as stored, pa.ipc.open_stream(stored) as stream:
                yield from stream

    def _checked_texts(self, column: str, array: "Array", before: int) -> "Array":
        """Return the texts of a part of a column that has ``before`` cells before it."""
        import pyarrow as pa

        try:
            if self.columns[column] == TEXT:
                texts = array.cast(pa.large_string())
            elif self.columns[column] == SECOND:
                texts = blank_as_null(array.cast(pa.large_string()))
            else:
                free = self.columns[column] in self.free
                texts = label_cells(array, _feature(self._features, column), free, self.missing_values)
            texts.validate(full=True)  # Parquet takes any bytes for text
        except ValueError as error:  # ArrowInvalid is one
            for index in range(len(array)) if len(array) > 1 else ():  # Arrow does not say where
                self._checked_texts(column, array.slice(index, 1), before + index)
            if not isinstance(error, pa.ArrowInvalid):
                raise UserError(f"{self.name} row {self.row(before)}: {column}: {error}") from error
            rule = "it must be" if self.columns[column] in (TEXT, SECOND) else "a label must be a whole number or"
            hint = "; for numbers set its kind to number" if pa.types.is_floating(array.type) else ""
            raise UserError(
                f"{self.name} row {self.row(before)}: {column} is {spell(array[0])}; {rule} text in UTF-8{hint}"
            ) from error
        return texts


def _column(batch: "RecordBatch", column: str) -> "Array":
    """Return a column of a batch, a nested one by dots."""
    from pyarrow import compute

    if column in batch.schema.names:
        return batch.column(column)
    first, *rest = column.split(".")
    return compute.struct_field(batch.column(first), rest)


def _feature(features: Mapping[str, Any], column: str) -> Any:
    """Return the feature of a column, a nested one by dots; None if there is none."""
    if column in features:
        return features[column]
    first, _, rest = column.partition(".")
    inner = features.get(first)
    return _feature(inner, rest) if isinstance(inner, Mapping) else None


def _join(texts: Sequence["Array"]) -> "Array":
    """Join the texts of several columns; what is blank is left out."""
    import pyarrow as pa

    # Arrow's own join drops a row whose texts are all null.
    rows = zip(*(text.to_pylist() for text in texts), strict=True)
    return pa.array([join_texts(row) for row in rows], pa.large_string())


def check_types(rows: "Dataset", columns: Mapping[str, str], name: str, free: Sequence[str] = ()) -> None:
    """Refuse a ready-made table with columns of a wrong type.

    Args:
        rows: any table.
        columns: see :class:`Table`.
        name: of the table, for messages.
        free: tasks whose cells may be fractions, or lists.

    Raises:
        UserError: the text is no text, labels are neither text nor whole numbers, or weights neither text nor numbers.
    """
    for column, ours in columns.items():
        feature = _feature(rows.features, column)
        held = "nothing" if feature is None else str(getattr(feature, "dtype", feature))
        if ours in (TEXT, SECOND) and held not in ("string", "large_string", "string_view"):
            raise UserError(f"{name}: the column {column!r} holds {held}; the text must be text")
        if ours == WEIGHT and not held.startswith(_WEIGHTS):
            raise UserError(f"{name}: the column {column!r} holds {held}; weights must be numbers (data.weight)")
        refused = ("{", "time", "nothing") if ours in free else ("List", "{", "time", "nothing")
        if ours not in (TEXT, SECOND) and held.startswith(refused):
            hint = "; for lists of labels set its kind to multi_label" if held.startswith("List") else ""
            raise UserError(f"{name}: the column {column!r} holds {held}; labels must be text or whole numbers{hint}")


def missing_column(table: Table, column: str) -> str | None:
    """Say that a file has no column, and which it has; None where it has it, or they are not known."""
    if column in table.present or "." in column or not table.present:
        return None
    return f"{table.name} has no column {column!r}; {did_you_mean(column, table.present)}"


def near_column(table: Table, column: str) -> str | None:
    """Return the column of a file that differs from one that it does not have in case or spaces alone."""
    if column in table.present:
        return None
    return next((name for name in table.present if fold(name) == fold(column)), None)
