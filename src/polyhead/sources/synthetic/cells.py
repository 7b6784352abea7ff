"""Cells: what made-up sentences are written for, drawn as often as asked. Knows nothing about words."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from random import Random

Cell = tuple[str, str, str]
"""The category, the sentiment and the topic that a sentence is written for."""


def draw_cells(weights: Mapping[Cell, float], block: int, generator: Random) -> Iterator[Cell]:
    """Yield cells without end, by blocks of ``block``; in a block each comes as often as its weight says, rounded."""
    cells = list(weights)
    bounds = list(accumulate(weights.values()))
    while True:
        drawn: list[Cell] = []
        offset, position = generator.random(), 0
        for step in range(block):
            point = (step + offset) / block * bounds[-1]
            while position < len(cells) - 1 and bounds[position] <= point:
                position += 1
            drawn.append(cells[position])
        generator.shuffle(drawn)
        yield from drawn


def geometric(labels: tuple[str, ...], ratio: float) -> dict[str, float]:
    """Return the frequency of each label, falling from the first to the last by ``ratio``."""
    weights = [ratio ** (-position / (len(labels) - 1)) for position in range(len(labels))]
    return {label: weight / sum(weights) for label, weight in zip(labels, weights, strict=True)}
