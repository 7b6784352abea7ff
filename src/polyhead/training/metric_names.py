"""Names of the metrics that a run measures, known before it does. Imports nothing heavy.

They are ``{split}/{task}/{metric}``, and ``{split}/macro_f1`` for the mean over the tasks.
"""

from collections.abc import Iterable, Iterator

from polyhead.tasks import Task

_PER_TASK = ("accuracy", "macro_f1", "macro_precision", "macro_recall", "loss")
_CALIBRATION = ("ece", "ece_scaled", "temperature")


def validation_metrics(tasks: Iterable[Task]) -> list[str]:
    """Return the names of what is measured on validation."""
    return list(_names("validation", tasks, (*_PER_TASK, *_CALIBRATION)))


def training_metrics(tasks: Iterable[Task]) -> list[str]:
    """Return the names of what is measured while training: losses with every step, the rest with every epoch."""
    return ["train/loss", *_names("train", tasks, _PER_TASK)]


def _names(split: str, tasks: Iterable[Task], metrics: Iterable[str]) -> Iterator[str]:
    yield f"{split}/macro_f1"
    for task in tasks:
        yield from (f"{split}/{task.name}/{metric}" for metric in metrics)
        yield from (f"{split}/{task.name}/f1/{label}" for label in task.labels)
