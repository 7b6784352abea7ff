"""Extras: further labels of made-up sentences, which follow from the text and the labels that all have.

A sentence has a rating from 1 to 5, for tasks of the kinds ``number`` and ``ordinal``, and tags for ``multi_label``.

Where labels of two texts are asked for, it has a second one beside it: ``alike`` is how many of category, sentiment and
topic the two share, for ``similarity``; ``same`` is 1 where they share all, for ``contrastive``; and ``relation`` says
it in words, for ``entailment``. The two have no more in common than that: they are for trials, no paraphrases to learn.
"""

from collections.abc import Mapping, Sequence
from random import Random
from zlib import crc32

from polyhead.sources.synthetic.cells import Cell
from polyhead.tasks import list_text

PAIR_EXTRAS = ("alike", "same", "relation")
"""Names of the tasks about two texts."""

EXTRAS = ("stars", "tags", *PAIR_EXTRAS)
"""Names of all tasks."""

_RELATIONS = ("apart", "near", "near", "same")  # by the number of labels that are shared
_STARS = {"Negative": (1, 2), "Neutral": (3, 3), "Positive": (4, 5)}
_TAGS = {"Negative": ["critical"], "Neutral": [], "Positive": ["friendly"]}


def extra_cell(name: str, text: str, labels: Mapping[str, str]) -> str:
    """Return the cell of a sentence for a task.

    >>> extra_cell("tags", "A fine day.", {"sentiment": "Positive", "topic": "weather"})
    '["weather", "friendly"]'

    Args:
        name: of the task.
        text: the sentence.
        labels: its sentiment and its topic.
    """
    if name == "stars":
        return str(_STARS[labels["sentiment"]][crc32(text.encode()) % 2])
    return list_text([labels["topic"], *_TAGS[labels["sentiment"]]])


def partner(cell: Cell, cells: Sequence[Cell], generator: Random) -> Cell:
    """Draw for what the second sentence of a pair is written: as the first in a third of the cases, else another."""
    chance, other = generator.random(), generator.choice(cells)
    if chance < 1 / 3:
        return cell
    return other if chance < 2 / 3 else (cell[0], other[1], cell[2])


def pair_cell(name: str, cell: Cell, other: Cell) -> str | None:
    """Return the cell of a pair for a task.

    >>> pair_cell("alike", ("News", "Neutral", "food"), ("News", "Positive", "food"))
    '2'

    Args:
        name: of the task.
        cell: for which the first sentence is written.
        other: for which the second is.
    """
    shared = sum(one == two for one, two in zip(cell, other, strict=True))
    if name == "alike":
        return str(shared)
    if name == "same":
        return "1" if shared == len(cell) else None
    return _RELATIONS[shared]
