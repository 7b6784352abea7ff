"""Targets: what a head shall predict for each sentence, as arrays. Knows nothing about tasks.

A target is a class index, a number, or a column of 0 and 1 for each class. Shapes: N sentences, C classes.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from math import nan
from typing import Any

MISSING = -100
"""The target of a sentence without a label for a task, NaN where targets are fractions; losses and metrics skip it."""


def is_labelled(targets: Any) -> Any:
    """Return which sentences have a target (N,), of an array or a tensor of targets (N,) or (N, C).

    >>> import numpy as np
    >>> is_labelled(np.array([0, MISSING])).tolist(), is_labelled(np.array([0.5, np.nan])).tolist()
    ([True, False], [True, False])
    >>> is_labelled(np.array([[0, 1], [MISSING, MISSING]])).tolist()
    [True, False]
    """
    first = targets if targets.ndim == 1 else targets[:, 0]
    if "float" in str(first.dtype):
        return first == first  # NaN is no number, not even itself
    return first != MISSING


def keep_labels(targets: Any, kept: Any) -> Any:
    """Return a tensor of targets (N,) or (N, C) without those of the sentences that ``kept`` (N,) is false for.

    >>> import torch
    >>> keep_labels(torch.tensor([0, 1]), torch.tensor([True, False])).tolist()
    [0, -100]
    """
    missing = nan if targets.is_floating_point() else MISSING
    return targets.masked_fill(~kept if targets.ndim == 1 else ~kept[:, None], missing)


def list_text(labels: Iterable[str | float]) -> str:
    """Return several labels as the text of one cell, which :func:`split_labels` takes apart.

    >>> list_text(["dry", 2])
    '["dry", "2"]'
    """
    return json.dumps([label_text(label) for label in labels], ensure_ascii=False)


def answer_cell(answer: Any, separator: str = ";") -> Any:
    """Return an answer as a cell of a CSV file holds it: of several labels a text, which :func:`split_labels` reads.

    >>> answer_cell(["dry", "warm"]), answer_cell([]), answer_cell(0.5)
    ('dry;warm', '[]', 0.5)
    """
    if not isinstance(answer, list):
        return answer
    plain = answer and not any(separator in label for label in answer)
    return separator.join(answer) if plain else list_text(answer)


def split_labels(cell: str, separator: str) -> list[str]:
    """Return the labels in a cell: a list in JSON, or texts with a separator between them; blank ones are none.

    >>> split_labels('["a;b", "c"]', ";"), split_labels("a; b;", ";"), split_labels("[]", ";")
    (['a;b', 'c'], ['a', 'b'], [])
    """
    parts: list[str] = cell.split(separator)
    if cell.startswith("[") and cell.endswith("]"):
        with suppress(ValueError):
            parts = [label_text(part) for part in json.loads(cell)]
    return [part.strip() for part in parts if part.strip()]


def label_text(label: str | float) -> str:
    """Return a label as JSON writes it: ``true`` for True, ``2`` for 2.0; texts stay as they are.

    >>> [label_text(label) for label in ("True", True, 2.0, 2)]
    ['True', 'true', '2', '2']
    """
    if isinstance(label, bool):
        return str(label).lower()
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)
