"""Extras: further labels of made-up sentences, which follow from the text and the labels that all have.

A sentence has a rating from 1 to 5, for tasks of the kinds ``number`` and ``ordinal``, and tags for ``multi_label``.
"""

from collections.abc import Mapping
from zlib import crc32

from polyhead.tasks import list_text

EXTRAS = ("stars", "tags")
"""Names of the tasks."""

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
