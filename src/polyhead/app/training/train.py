"""Training from the command line: set the process up, compose what the configuration describes, and run that.

Lightning takes seconds to import, so that waits until the problems of the configuration have been reported.
"""

import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from polyhead import hardware
from polyhead.app.config.hydra_state import current_invocation, ensure_run_dir
from polyhead.app.config.invocation import Invocation
from polyhead.app.config.literals import literal
from polyhead.app.config.old_names import announce_environment
from polyhead.app.config.override_check import override_problems
from polyhead.app.training.components import RunComponents
from polyhead.app.training.composition import MAIN_CHOICES, compose_components
from polyhead.app.training.hparams import monitored_value
from polyhead.app.training.model_check import tell_idle_heads, tell_without_effect
from polyhead.app.training.resumption import resume
from polyhead.app.training.start_point import begin_at_start
from polyhead.app.training.teacher import check_distillation
from polyhead.errors import UserError, one_line
from polyhead.processes import first_process, lost_another_process, torchrun_spread
from polyhead.runs.contents import RunMetrics
from polyhead.runs.folder import RunFolder

if TYPE_CHECKING:
    from lightning import Callback

log = logging.getLogger(__name__)


def run(
    config: DictConfig,
    callbacks: Sequence["Callback"] = (),
    quiet: bool = False,
    invocation: Invocation | None = None,
) -> float:
    """Train and evaluate as configured, and write the results to the run's folder.

    Args:
        config: of the run, composed by Hydra in whatever way.
        callbacks: of the Trainer, besides the configured ones.
        quiet: show neither progress nor tables.
        invocation: how it was asked for; None for what Hydra knows of this process.

    Returns:
        The validation value of the monitored metric.

    Raises:
        UserError: the configuration has problems, or the data or the checkpoint does not fit it.
    """
    asked = current_invocation() if invocation is None else invocation
    ensure_run_dir(config)
    if _asks_for_all_folds(config) and not callbacks:
        from polyhead.app.training import folds

        return folds.run(config, partial(run, invocation=asked), quiet)
    started = time.perf_counter()
    announce_environment()
    hardware.use_cores(asked.cores)
    logging.captureWarnings(True)  # the log file keeps them, the terminal shows progress
    if not first_process():
        logging.getLogger("polyhead").setLevel(logging.ERROR)
    check_choices(asked)
    begin_at_start(config, asked.overrides)
    check_distillation(config, asked.overrides)
    resumption = resume(config, asked.search)
    config = resumption.config
    components = prepare(config, asked)
    if components.heads and not components.takes_steps:
        tell_without_effect(override.lstrip("+~").partition("=")[0] for override in asked.overrides)
    check_steps(components, config.model.get("dimensions"))
    if components.takes_steps:
        tell_idle_heads(components.loss, components.heads)
    hardware.keep_freed_memory()  # only now: looking through millions of sentences takes memory that training needs

    from lightning.fabric.utilities.exceptions import MisconfigurationException

    from polyhead.app.training.run import TrainingRun
    from polyhead.app.training.run_data import check_same_data

    if resumption.done:
        folder = RunFolder(Path(config.run_dir))
        check_same_data(components, folder, splits=None)
        log.info("done already: %s", folder.folder)
        return monitored_value(RunMetrics.read(folder))
    if resumption.checkpoint is not None and resumption.stopped is not None and first_process():
        check_same_data(components, resumption.stopped)
    try:
        return TrainingRun(config, components, resumption, asked).run(started, callbacks, quiet)
    except MisconfigurationException as error:  # of what Lightning looks at in the middle of a run
        raise UserError(f"trainer: {one_line(error)}") from error
    except RuntimeError as error:
        if not lost_another_process(error):
            raise
        raise UserError(
            "another process of this run has ended, or its host cannot be reached; see its own output. The same "
            "command with resume=auto continues"
        ) from error


def _asks_for_all_folds(config: DictConfig) -> bool:
    data = config.data
    folds = data.get("folds") if isinstance(data, DictConfig) else None
    return isinstance(folds, int) and folds >= 2 and data.get("fold") is None


def check_steps(components: RunComponents, dimensions: Sequence[int] | None) -> None:
    """Check that there are steps for what steps alone can learn, or that it was learned before.

    Args:
        components: of the run.
        dimensions: the widths of ``model.dimensions``.

    Raises:
        UserError: there are none, or heads are solved again after them, or a kept head does not know a width.
    """
    if dimensions and components.start:
        components.start.check_widths(components.kept_names, dimensions[1:])
    if dimensions and components.heads and (components.heads.again or not components.takes_steps):
        raise UserError(
            "model.dimensions: heads are solved for the whole embedding alone; set heads=trained, or freeze less and "
            "heads.again=false"
        )
    if components.teacher and not components.takes_steps:
        raise UserError("teacher: without effect, since nothing is trained by steps; set heads=trained, or freeze less")


def check_choices(invocation: Invocation | None = None) -> None:
    """Check the overrides, which a configuration no longer shows; where none are known, there is nothing to check.

    Args:
        invocation: how the run was asked for; None for what Hydra knows of this process.

    Raises:
        UserError: a list of options for one group, overrides that nothing reads, or processes of torchrun without a
            folder that all of them know.
    """
    asked = current_invocation() if invocation is None else invocation
    if not asked.choices:
        return
    _check_shared_folder(asked.overrides)
    if several := [group for group in MAIN_CHOICES if group not in asked.choices]:
        raise UserError(f"{several[0]}: a list of options given; name one, or sweep over them with -m {several[0]}=A,B")
    if unread := list(override_problems(asked.overrides, asked.choices)):
        raise UserError("\n".join(unread))


def _check_shared_folder(overrides: Sequence[str]) -> None:
    spread = torchrun_spread()
    if spread is None or spread.nodes * spread.devices == 1:
        return
    if not any(override.startswith(("run_dir=", "hydra.run.dir=")) for override in overrides):
        raise UserError("run_dir: name a folder that all processes of torchrun see, as run_dir=runs/NAME")


def prepare(config: DictConfig, invocation: Invocation | None = None) -> RunComponents:
    """Check all of a configuration, and note in it which labels the data have.

    Args:
        config: of the run.
        invocation: as for :func:`check_choices`.

    Raises:
        UserError: the configuration has problems, or the data do not fit it, one problem per line.
    """
    asked = current_invocation() if invocation is None else invocation
    begin_at_start(config, asked.overrides)
    check_distillation(config, asked.overrides)
    components = compose_components(config)
    if components.soup is not None:
        components.soup.check()
    config.tasks = literal({task.name: task.plain for task in components.tasks})  # as found, for readers of the run
    return components
