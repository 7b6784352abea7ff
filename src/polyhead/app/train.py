"""Training from the command line: set the process up, compose what the configuration describes, and run that.

Lightning takes seconds to import, so that waits until the problems of the configuration have been reported.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from polyhead import hardware
from polyhead.app.composition import MAIN_CHOICES, compose_components
from polyhead.app.hparams import monitored_value
from polyhead.app.hydra_state import chosen_options, cores_per_job
from polyhead.app.literals import literal
from polyhead.app.old_names import announce_environment
from polyhead.app.resumption import resume
from polyhead.errors import UserError
from polyhead.runs.contents import RunMetrics
from polyhead.runs.folder import RunFolder

if TYPE_CHECKING:
    from lightning import Callback

log = logging.getLogger(__name__)


def run(config: DictConfig, callbacks: Sequence["Callback"] = (), quiet: bool = False) -> float:
    """Train and evaluate as configured, and write the results to the run's folder.

    Args:
        config: of the run.
        callbacks: of the Trainer, besides the configured ones.
        quiet: show neither progress nor tables.

    Returns:
        The validation value of the monitored metric.

    Raises:
        UserError: the configuration has problems, or the data or the checkpoint does not fit it.
    """
    started = time.perf_counter()
    announce_environment()
    hardware.use_cores(cores_per_job())
    logging.captureWarnings(True)  # the log file keeps them, the terminal shows progress
    if not hardware.first_process():
        logging.getLogger("polyhead").setLevel(logging.ERROR)
    if several := [group for group in MAIN_CHOICES if group not in chosen_options()]:
        raise UserError(f"{several[0]}: a list of options given; name one, or sweep over them with -m {several[0]}=A,B")
    resumption = resume(config)
    if resumption.done:
        log.info("done already: %s", config.run_dir)
        return monitored_value(RunMetrics.read(RunFolder(Path(config.run_dir))))
    config = resumption.config
    components = compose_components(config)
    found = {task.name: task.labels for task in components.tasks}
    config.tasks = literal(found)  # for readers of the run
    hardware.keep_freed_memory()  # only now: looking through millions of sentences takes memory that training needs

    from polyhead.app.run import TrainingRun
    from polyhead.app.run_data import check_same_data

    if resumption.checkpoint is not None and resumption.stopped is not None and hardware.first_process():
        check_same_data(components, resumption.stopped)
    return TrainingRun(config, components, resumption).run(started, callbacks, quiet)
