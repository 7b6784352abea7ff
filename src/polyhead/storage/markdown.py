"""Markdown: rows of text as a table to read and to paste. Knows nothing about what is in them."""

from collections.abc import Collection, Iterable, Sequence

_NARROWEST = 3  # GitHub's Markdown wants three dashes below a title


def markdown_table(titles: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[int] = ()) -> str:
    r"""Write a table in Markdown, its columns padded so that they align in a terminal, too.

    Pipes and backslashes are escaped; line breaks and runs of blanks become one blank.

    >>> print(markdown_table(["task", "loss"], [["category", "0.5"], ["a|b", "12.25"]], right=[1]))
    | task     |  loss |
    | -------- | ----: |
    | category |   0.5 |
    | a\|b     | 12.25 |

    Args:
        titles: of the columns.
        rows: a cell for each column.
        right: indices of the columns that are aligned to the right, as numbers are.
    """
    lines = [[_escaped(cell) for cell in line] for line in (titles, *rows)]
    widths = [max(_NARROWEST, *map(len, cells)) for cells in zip(*lines, strict=True)]
    rule = ["-" * (width - 1) + (":" if index in right else "-") for index, width in enumerate(widths)]
    return "\n".join(_line(cells, widths, right) for cells in (lines[0], rule, *lines[1:]))


def _line(cells: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    padded = [
        cell.rjust(width) if index in right else cell.ljust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def _escaped(cell: str) -> str:
    return " ".join(cell.replace("\\", "\\\\").replace("|", "\\|").split())
