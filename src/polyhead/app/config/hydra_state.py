"""What Hydra knows about this process: the one reader and writer of its global configuration."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf

from polyhead.app.config.config_folder import CONFIGS
from polyhead.app.config.invocation import Invocation
from polyhead.app.config.literals import literal
from polyhead.app.config.old_names import new_overrides, upgrade_composed
from polyhead.app.config.resume_point import resumed_overrides
from polyhead.runs.old_names import upgrade

_HYDRAS_FOLDER = "${hydra:runtime.output_dir}"
_OWN_PROVIDERS = ("command-line", "hydra.searchpath in command-line")
_SERIAL_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


def compose_as_train(configs: Path, overrides: Sequence[str], search: Sequence[Path] = ()) -> DictConfig:
    """Compose the configuration of train.py as its command line does, and make it the one that Hydra knows.

    Args:
        configs: the folder of the configuration.
        overrides: as on the command line, or as a run of an earlier version noted them.
        search: folders with options of the user's own.

    Returns:
        The configuration without Hydra's own part, under the names of today.

    Raises:
        HydraException: the overrides are not well-formed, or name what is not there.
    """
    renamed = resumed_overrides(new_overrides(overrides), configs)
    with initialize_config_dir(str(configs.resolve()), version_base="1.3"):
        composed = compose("train", overrides=[*_search_path(search), *renamed], return_hydra_config=True)
    HydraConfig.instance().set_config(composed)
    config = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    return upgrade_composed(config, renamed)


def compose_beside(overrides: Sequence[str], search: Sequence[Path] = ()) -> DictConfig:
    """Compose a configuration of train.py; what Hydra knows of this process stays as it is.

    Args:
        overrides: under the names of today.
        search: folders with options of the user's own.

    Raises:
        HydraException: the overrides are not well-formed, or name what is not there.
    """
    with _set_aside(), initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("train", overrides=[*_search_path(search), *overrides])
    return OmegaConf.create(upgrade(cast(dict[str, Any], OmegaConf.to_container(config))))


def compose_run(overrides: Sequence[str], search: Sequence[Path] = ()) -> tuple[DictConfig, Invocation]:
    """Compose the configuration of a run as :func:`compose_as_train`, in the folder that Hydra would give it.

    What Hydra knows of this process stays as it is: it may be a command of the user's own.

    Args:
        overrides: as on the command line of train.py.
        search: folders with options of the user's own.

    Raises:
        HydraException: the overrides are not well-formed, or name what is not there.
    """
    with _set_aside():
        config = compose_as_train(CONFIGS, overrides, search)
        if cast(Any, config._get_node("run_dir"))._value() == _HYDRAS_FOLDER:
            config.run_dir = literal(str(Path(HydraConfig.get().run.dir).absolute()))
        return config, current_invocation()


def compose_command(name: str) -> DictConfig:
    """Compose the configuration of a command with its defaults; what Hydra knows of this process stays as it is."""
    with _set_aside(), initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(name)


@contextmanager
def _set_aside() -> Iterator[None]:
    """Have Hydra know nothing of this process inside, and afterwards what it knew before."""
    hydra, config = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = hydra
        HydraConfig.instance().cfg = config


def _search_path(folders: Sequence[Path]) -> list[str]:
    listed = ",".join(f'"file://{folder.absolute()}"' for folder in folders)
    return [f"hydra.searchpath=[{listed}]"] if folders else []


def current_invocation() -> Invocation:
    """Return how Hydra was asked for this run; where it was not, nothing is known of that."""
    if not HydraConfig.initialized():
        return Invocation()
    sources = HydraConfig.get().runtime.config_sources
    return Invocation(
        choices=chosen_options(),
        overrides=task_overrides(),
        in_multirun=in_multirun(),
        shares_terminal=shares_the_terminal(),
        cores=cores_per_job(),
        search=[Path(source.path) for source in sources if source.provider in _OWN_PROVIDERS],
    )


def chosen_options() -> dict[str, Any]:
    """Return the option that was chosen in each config group, ``tensorboard+csv`` where several were.

    Hydra's own groups are left out.
    """
    choices = HydraConfig.get().runtime.choices
    own = {group: option for group, option in choices.items() if not group.startswith("hydra/")}
    return {group: "+".join(option) if isinstance(option, ListConfig) else option for group, option in own.items()}


def task_overrides() -> list[str]:
    """Return the overrides of the command line that concern the run, not Hydra."""
    return list(HydraConfig.get().overrides.task)


def in_multirun() -> bool:
    """Return whether this process runs one job of a sweep."""
    return bool(HydraConfig.get().mode == RunMode.MULTIRUN)


def shares_the_terminal() -> bool:
    """Return whether other jobs write to the same terminal; the sweep's status line is enough for all of them then."""
    return in_multirun() and HydraConfig.get().launcher._target_ != _SERIAL_LAUNCHER


def cores_per_job() -> int | None:
    """Return the number of cores that the launcher gives to each job; None where it does not divide them."""
    launcher = HydraConfig.get().launcher
    count = launcher.get("cpus_per_task") or OmegaConf.select(launcher, "ray.remote.num_cpus")
    return None if count is None else max(1, int(count))  # Ray also gives parts of a core


def ensure_run_dir(config: DictConfig) -> None:
    """Give a run a folder of its own where Hydra knows of none, since it has only composed the configuration."""
    asks_hydra = cast(Any, config._get_node("run_dir"))._value() == _HYDRAS_FOLDER
    if asks_hydra and not HydraConfig.initialized():
        config.run_dir = str(Path("runs", f"{datetime.now():%Y-%m-%d_%H-%M-%S}").absolute())
