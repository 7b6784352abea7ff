"""Names of the runs of a sweep: what was swept, in that order. Knows nothing about what a run does."""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from polyhead.runs.names import clash, short_value

_LONGEST_NAME = 150  # bytes of a folder's name; file systems take 255, and the number of the job stands in front


def folder_name(overrides: str) -> str:
    """Make the name of a run's folder from its overrides; sweeps and TensorBoard list runs by it.

    A path among the values must not make folders of its own. What is cut off is replaced by a hash of the whole, so
    that no two runs of a sweep that is taken up again claim one folder.
    """
    name = re.sub(r"[^a-zA-Z0-9_=.,:+\[\]{}@~-]+", "-", overrides) or "default"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = sha256(overrides.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 10]}~{digest}"


def param_overrides(params: Mapping[str, Any] | None) -> list[str]:
    """Write the choices of a sweep's file as overrides."""
    return [f"{key}={values}" for key, values in (params or {}).items()]


def split_jobs(config: DictConfig) -> list[list[str]]:
    """Return the overrides of each run that the choices of a multirun make."""
    given = [*param_overrides(config.hydra.sweeper.get("params")), *config.hydra.overrides.task]
    overrides = OverridesParser.create().parse_overrides(given)
    return [list(job) for batch in BasicSweeper.split_arguments(overrides, None) for job in batch]


def swept_values(jobs: Iterable[Sequence[str]]) -> dict[str, list[str]]:
    """Return the values of each key in which jobs differ, in the order of their overrides."""
    values: dict[str, dict[str, None]] = {}
    for job in jobs:
        for override in job:
            key, _, value = override.lstrip("+").partition("=")
            values.setdefault(key, {})[value] = None
    return {key: list(several) for key, several in values.items() if len(several) > 1}


def run_name(overrides: Iterable[str], keys: Sequence[str], hashed: Sequence[str]) -> str:
    """Make the name of a run's folder from those of its overrides that were swept.

    Args:
        overrides: of the run.
        keys: that were swept.
        hashed: those among them whose values need a hash to stay apart.
    """
    given = dict(override.lstrip("+").partition("=")[::2] for override in overrides)
    return folder_name(",".join(f"{key}={short_value(given[key], key in hashed)}" for key in keys))


def name_runs(config: DictConfig) -> None:
    """Have the runs of a multirun named by what differs between them, unless its command line names them.

    The configuration of each run is composed anew, in whatever process, from these overrides and its own.
    """
    given = config.hydra.overrides.hydra
    if any(override.lstrip("+").startswith("hydra.sweep.subdir=") for override in given):
        return
    values = swept_values(split_jobs(config))
    keys, hashed = ",".join(values), ",".join(key for key, several in values.items() if clash(several))
    name = f"${{hydra.job.num}}_${{run_name:${{hydra.overrides.task}},[{keys}],[{hashed}]}}"
    config.hydra.overrides.hydra = [*given, f"hydra.sweep.subdir='{name}'"]


OmegaConf.register_new_resolver("folder_name", folder_name, replace=True)
OmegaConf.register_new_resolver("run_name", run_name, replace=True)
