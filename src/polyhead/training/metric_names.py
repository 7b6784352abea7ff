"""Names of the metrics that a run measures, known before it does. Imports nothing heavy.

They are ``{split}/{task}/{metric}``, and ``{split}/macro_f1`` for the mean over the tasks, ``{split}/score`` where
tasks have other headlines.
"""

from collections.abc import Iterator, Sequence

from polyhead.tasks import Task, overall


def validation_metrics(tasks: Sequence[Task]) -> list[str]:
    """Return the names of what is measured on validation."""
    return list(_names("validation", tasks, fitted=True))


def training_metrics(tasks: Sequence[Task]) -> list[str]:
    """Return the names of what is measured while training: losses with every step, the rest with every epoch."""
    return ["train/loss", *_names("train", tasks, fitted=False)]


def _names(split: str, tasks: Sequence[Task], fitted: bool) -> Iterator[str]:
    yield f"{split}/{overall(task.kind for task in tasks)}"
    for task in tasks:
        metrics = (*task.kind.measures, "loss", *(task.kind.fit_measures if fitted else ()))
        yield from (f"{split}/{task.name}/{metric}" for metric in metrics)
        yield from (f"{split}/{task.name}/f1/{label}" for label in task.labels)
