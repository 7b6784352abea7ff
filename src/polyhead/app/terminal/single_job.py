"""Single job: a command that is no sweep, started with its configuration composed once.

Hydra's own start composes it twice: the first time only to see whether it asks for a sweep.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import configure_log, run_job
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

_NOT_SINGLE = ("-", "sweep=", "+sweep=", "hydra.mode=", "hydra.verbose=")  # the last prints what Hydra's start knows


def start_job(main: Callable[[], Any], configs: Path, name: str, arguments: Sequence[str]) -> Any:
    """Start what ``hydra.main`` decorated: as a single job where the command line allows it, else by Hydra's own start.

    Args:
        main: the decorated function.
        configs: the folder of its configuration.
        name: of its configuration there, and of the job.
        arguments: of the command line.

    Raises:
        HydraException: the arguments are not well-formed, or name what is not there.
    """
    if not _may_be_single(arguments):
        return main()
    with initialize_config_dir(str(configs), job_name=name, version_base="1.3"):
        config = compose(name, overrides=list(arguments), return_hydra_config=True)
        if config.hydra.mode != RunMode.MULTIRUN:
            return _run(main.__wrapped__, config, name)  # type: ignore[attr-defined]
    return main()


def _may_be_single(arguments: Sequence[str]) -> bool:
    """Return whether there are only overrides of one value each, none of them among those that Hydra's start reads."""
    if any(argument.startswith(_NOT_SINGLE) for argument in arguments):
        return False
    try:
        overrides = OverridesParser.create().parse_overrides(list(arguments))
    except HydraException:
        return False
    return not any(override.is_sweep_override() for override in overrides)


def _run(task: Callable[[DictConfig], Any], config: DictConfig, name: str) -> Any:
    """Do what ``Hydra.run`` does with a configuration that it has composed."""
    config.hydra.mode = RunMode.RUN
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    callbacks = Callbacks(config)
    callbacks.on_run_start(config=config, config_name=name)
    context = HydraContext(GlobalHydra.instance().config_loader(), callbacks)
    done = run_job(task, config, "hydra.run.dir", None, context)
    callbacks.on_run_end(config=config, config_name=name, job_return=done)
    return done.return_value
