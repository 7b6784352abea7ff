"""One look at labels, from its configuration to its file: those to ask for next, or those that are probably wrong."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from polyhead import hardware
from polyhead.app.config.hydra_state import task_overrides
from polyhead.app.config.options import check_options
from polyhead.app.config.trust import check_trust
from polyhead.app.jobs import label_audit, next_labels
from polyhead.app.jobs.table_options import LATER_OPTIONS
from polyhead.app.loaded.scored_model import ScoredModel, load_scored_model
from polyhead.errors import UserError, check_parameters, did_you_mean
from polyhead.tasks import Task
from polyhead.training.linear_probe import check_extra

_OWN = {
    "input": ("count", "labelled", "input_format"),
    "audit": ("columns", "missing_values"),
}
"""Mode -> the keys that it alone reads, and that change what is written."""


def run(config: DictConfig) -> None:
    """Write the sentences to label next, or the labels to look at again.

    Raises:
        UserError: the configuration has problems, or the files do not fit the model.
    """
    hardware.keep_freed_memory()
    check_options(
        config,
        sections=("text", "columns", "missing_values", "trust"),
        model=str,
        input=str | None,
        audit=str | Sequence | None,
        output=str,
        overwrite=bool,
        task=str | None,
        count=int,
        labelled=str | Sequence | None,
        input_format=str,
        precision=str,
        device=str,
        cache=str,
        limit_gb=float,
        **LATER_OPTIONS,
    )
    mode = _mode(config)
    _check_keys(mode, task_overrides())
    check_parameters(("count", config.count, config.count >= 1, "1 or more"))
    if problems := list(hardware.problems(config.device, config.precision, ("device", "precision"))):
        raise UserError("\n".join(problems))
    if mode == "audit":
        check_extra("audit")
    scored = load_scored_model(Path(config.model), check_trust(config.trust), config.device, config.precision)
    scored = _of_task(scored, config.task)
    _check_kinds(scored.tasks)
    (next_labels if mode == "input" else label_audit).run(scored, config)


def _mode(config: DictConfig) -> str:
    """Return which of ``input`` and ``audit`` is given.

    Raises:
        UserError: neither or both.
    """
    given = [name for name in _OWN if config[name] is not None]
    if len(given) == 1:
        return given[0]
    found = "both" if given else "neither"
    rule = "input=FILE chooses sentences to label next, audit=FILE judges labels; give one of them"
    raise UserError(f"input, audit: {found} given; {rule}")


def _check_keys(mode: str, overrides: Sequence[str]) -> None:
    """Refuse keys that only the other mode reads: they would be ignored.

    Raises:
        UserError: there is one.
    """
    other = next(name for name in _OWN if name != mode)
    given = [override.lstrip("+~").partition("=")[0] for override in overrides]
    wrong = [key for key in given if key.partition(".")[0] in _OWN[other]]
    if wrong:
        raise UserError(f"{wrong[0]}: it is read with {other}=... alone, and {mode}=... is given; leave it out")


def _check_kinds(tasks: Sequence[Task]) -> None:
    """Refuse tasks that are not of single labels.

    Raises:
        UserError: there is one.
    """
    others = [
        f"{task.name} is {task.kind.name}" for task in tasks if task.kind.fits != "temperature" or task.kind.is_pair
    ]
    if others:
        raise UserError(
            f"task: labels are judged of single_label tasks, and {', '.join(others)}; name one by task=TASK"
        )


def _of_task(scored: ScoredModel, name: str | None) -> ScoredModel:
    """Return a model with one of its tasks; with all of them where no name is given.

    Raises:
        UserError: there is no task of the name.
    """
    if name is None:
        return scored
    names = [task.name for task in scored.tasks]
    if name not in names:
        raise UserError(f"task: unknown {name!r}; {did_you_mean(name, names)}")
    return replace(scored, tasks=(scored.tasks[names.index(name)],))
