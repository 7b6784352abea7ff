"""Kinds: all that there are, by name; a new one is a file, and a line here."""

from collections.abc import Iterable, Mapping
from typing import Any

from polyhead.tasks.contrastive import Contrastive
from polyhead.tasks.entailment import Entailment
from polyhead.tasks.kind import Kind
from polyhead.tasks.multi_label import MultiLabel
from polyhead.tasks.number import Number
from polyhead.tasks.ordinal import Ordinal
from polyhead.tasks.similarity import Similarity
from polyhead.tasks.single_label import SingleLabel
from polyhead.tasks.task import Task

KINDS: dict[str, type[Kind]] = {kind.name: kind for kind in (SingleLabel, Number, MultiLabel, Ordinal)}
"""Name -> class."""

KINDS |= {kind.name: kind for kind in (Similarity, Contrastive, Entailment)}  # of two texts


def of_pairs(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Return those of the tasks that are about two texts."""
    return tuple(task for task in tasks if task.kind.is_pair)


def of_one_text(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Return those of the tasks that are about one text."""
    return tuple(task for task in tasks if not task.kind.is_pair)


def kind_of(results: Mapping[str, Any]) -> type[Kind]:
    """Return the kind of the task that was measured; results of single labels do not name it."""
    return KINDS.get(str(results.get("kind")), SingleLabel)


def kind_entry(task: Task) -> dict[str, str]:
    """Return the entry by which results name the kind of their task; nothing for single labels."""
    return {} if task.kind.name == SingleLabel.name else {"kind": task.kind.name}


def overall(kinds: Iterable[Kind | type[Kind]]) -> str:
    """Return the name of the mean of headline scores: ``macro_f1`` where it is that of all tasks, else ``score``."""
    return "macro_f1" if all(kind.headline == "macro_f1" for kind in kinds) else "score"


def headline(results: Mapping[str, Any]) -> float:
    """Return the headline score of a task's results."""
    return float(results[kind_of(results).headline])
