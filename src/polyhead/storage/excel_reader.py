"""The reader of Excel files. Knows nothing about the meaning of the columns."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from functools import cached_property
from typing import Any

from polyhead.errors import UserError, did_you_mean, one_line, require_extra
from polyhead.storage.dialect import Dialect
from polyhead.storage.rows import BadRow, Row, RowReader
from polyhead.tasks import label_text


class ExcelRows(RowReader):
    """A sheet of a workbook, with a header; every cell is text, as in CSV, and null if empty.

    It is the one that the dialect names, or the first that has rows.

    Raises:
        UserError: the library is not installed, the file is no workbook, or has no such sheet.
    """

    def __init__(self, name: str, dialect: Dialect) -> None:
        super().__init__(name, dialect)
        with require_extra("excel", "input: an .xlsx file"):
            import python_calamine
        try:
            with self.input.reading():
                book = python_calamine.CalamineWorkbook.from_filelike(self.input.stream)
                # Row by row a sheet would lose the empty rows above, and with them the numbers of the others.
                sheets = {
                    title: book.get_sheet_by_name(title).to_python(skip_empty_area=False) for title in book.sheet_names
                }
        except python_calamine.CalamineError as error:
            self.close()
            raise UserError(f"{name}: no Excel file ({one_line(error)}); save it as .xlsx, or as .csv") from error
        self._rows: list[list[Any]] = self._chosen(sheets)

    def _chosen(self, sheets: Mapping[str, list[list[Any]]]) -> list[list[Any]]:
        """Return the rows of the sheet that is read."""
        sheet, titles = self.dialect.sheet, list(sheets)
        if isinstance(sheet, int) and sheet <= len(titles):
            return sheets[titles[sheet - 1]]
        if isinstance(sheet, str) and sheet in sheets:
            return sheets[sheet]
        if sheet is not None:
            self.close()
            hint = did_you_mean(sheet, titles) if isinstance(sheet, str) else f"it has {len(titles)}"
            raise UserError(f"{self.name}: it has no sheet {sheet!r}; {hint}")
        filled = [title for title, rows in sheets.items() if any(map(any, rows))]
        if len(filled) > 1:
            others = ", ".join(map(repr, filled[1:]))
            self.notes.append(
                f"{self.name}: the sheet {filled[0]!r} is read, and not {others}; sheet=NAME reads another"
            )
        return sheets[filled[0]] if filled else []

    @cached_property
    def _header(self) -> int:
        """The position of the first row that is not empty."""
        return next((index for index, row in enumerate(self._rows) if any(map(_text, row))), -1)

    @cached_property
    def columns(self) -> Sequence[str] | None:
        """The names in the first row; a column without one is left out.

        Raises:
            UserError: there is none, or two columns have one name.
        """
        if self._header < 0:
            raise UserError(f"{self.name}: empty; its first row must name the columns")
        return self.distinct([name for name in map(_text, self._rows[self._header]) if name])

    def parsed(self) -> Iterator[tuple[int, Row | BadRow]]:
        """Yield a row with one text, or null, per column; empty rows are skipped, and counted."""
        names = [_text(cell) for cell in self._rows[self._header]] if self.columns else []
        for number, cells in enumerate(self._rows[self._header + 1 :], start=self._header + 2):
            texts = [_text(cell) for cell in cells]
            if any(text is not None for text in texts):
                yield number, {name: text for name, text in zip(names, texts, strict=True) if name}


def _text(cell: Any) -> str | None:
    if isinstance(cell, date | time):
        return cell.isoformat()
    return None if cell is None or cell == "" else label_text(cell)
