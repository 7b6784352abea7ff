"""Rows: what tables give of a sentence, or of a pair of them."""

from collections.abc import Mapping
from typing import NamedTuple


class Sentence(NamedTuple):
    """A text and its label for each task, None where it has none."""

    text: str
    labels: Mapping[str, str | None]


class SentencePair(NamedTuple):
    """A text, its labels, and a second text, None where the row has one alone."""

    text: str
    labels: Mapping[str, str | None]
    second: str | None
