"""Task fit: what the kinds of tasks take from the training sentences. Knows nothing about configurations."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from polyhead.errors import UserError, collect_errors
from polyhead.sources.base import Source
from polyhead.tasks import Task


def fit_tasks(tasks: Sequence[Task], source: Source, problems: list[str]) -> tuple[Task, ...]:
    """Return the tasks with what their kinds take from the training sentences: of numbers mean and spread.

    Args:
        tasks: of the run.
        source: checked.
        problems: lines are added for tasks whose sentences do not give it.
    """
    fitted = list(tasks)
    for index, task in enumerate(tasks):
        if not task.kind.is_fitted:
            cells = (sentence.labels.get(task.name) for sentence in source.sample("train"))
            with collect_errors(problems), _under(task):
                fitted[index] = replace(task, kind=task.kind.fitted(task.labels, cells))
    return tuple(fitted)


@contextmanager
def _under(task: Task) -> Iterator[None]:
    """Name the task in an error of its kind."""
    try:
        yield
    except UserError as error:
        raise UserError(f"tasks.{task.name}: {error}") from error
