"""Scores: the ``scores.json`` of a bundle, from which thresholds follow. Knows nothing about what is made of them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from polyhead.errors import UserError, one_line
from polyhead.storage.documents import read_json
from polyhead.tasks import Task
from polyhead.training.validation_scores import ValidationScores

SCORES = "scores.json"

_LONGEST_REASON = 100  # characters


def write_scores(folder: Path, scores: Mapping[str, ValidationScores]) -> None:
    """Write the scores of tasks; without any there is no file."""
    if scores:
        content = {task: found.plain() for task, found in scores.items()}
        (folder / SCORES).write_text(json.dumps(content), encoding="utf-8")


def read_scores(folder: Path, tasks: Sequence[Task]) -> dict[str, ValidationScores]:
    """Read the scores by task; bundles of older versions have none.

    Raises:
        UserError: the file is not as :func:`write_scores` writes it.
    """
    path = folder / SCORES
    if not path.is_file():
        return {}
    try:
        return scores_from_plain(read_json(path), tasks)
    except (OSError, ValueError) as error:  # a UserError is a ValueError, too
        reason = one_line(error, _LONGEST_REASON)
        raise UserError(f"{str(path)!r} cannot be read ({reason}); export the bundle again") from error


def scores_from_plain(content: object, tasks: Sequence[Task]) -> dict[str, ValidationScores]:
    """Take the plain values of scores by task.

    Raises:
        UserError: values that no validation of these tasks gives.
    """
    names = {task.name for task in tasks}
    if not isinstance(content, Mapping) or not content.keys() <= names:
        raise UserError(f"its entries are other than the tasks {', '.join(sorted(names))}")
    found: dict[str, ValidationScores] = {}
    for task, values in content.items():
        try:
            found[task] = ValidationScores.from_plain(values)
        except UserError as error:
            raise UserError(f"{task}: {error}") from error
    return found
