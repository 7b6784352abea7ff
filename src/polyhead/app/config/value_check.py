"""The check of what is a value by itself in the configuration of a run, and no part of an object."""

from collections.abc import Iterator
from typing import Literal

from omegaconf import DictConfig, ListConfig

from polyhead import hardware
from polyhead.app.config.builder import plain
from polyhead.app.config.options import check_options
from polyhead.app.config.resume_point import find_resume_point
from polyhead.app.config.sections import WITH_ENTRIES
from polyhead.app.config.trainer_check import trainer_problems
from polyhead.app.config.trust import check_trust
from polyhead.errors import UserError, check_parameters, collect_errors, is_finite


def check_sections(config: DictConfig) -> None:
    """Check that whatever must have entries has them.

    Raises:
        UserError: single values stand in the place of sections, one a line.
    """
    problems = [
        f"{name}: {config[name]!r} given; it has entries with names, set one by {name}.NAME=VALUE"
        for name in WITH_ENTRIES
        if not isinstance(config[name], DictConfig)
    ]
    if not isinstance(config.tasks, DictConfig | ListConfig):
        problems.append(f"tasks: {config.tasks!r} given; it must be a list of names, or class names by name")
    if problems:
        raise UserError("\n".join(problems))


def value_problems(config: DictConfig) -> Iterator[str]:
    """Yield a line for each value that is not allowed."""
    unknown = list(hardware.problems(config.trainer.accelerator, config.trainer.precision))
    yield from unknown
    if not unknown:  # the devices of what is not there cannot be counted
        yield from (f"trainer.{problem}" for problem in trainer_problems(plain(config.trainer)))
    if config.compile is True and config.trainer.get("strategy") == "fsdp":
        yield "compile: True given; the layers that fsdp spreads are not compiled, leave one of the two out"
    problems: list[str] = []
    with collect_errors(problems):
        check_options(
            config,
            seed=int,
            run_dir=str,
            resume=str | None,
            compile=bool | Literal["auto"],
            test=bool,
            watch_conflict=bool,
        )
        if "start" in config:  # configurations of 0.1.0 have none
            check_options(config, start=str | None)
        if "teacher" in config:
            check_options(config, teacher=str | None)
        seed, folder, share = config.seed, config.run_dir, config.get("interpolation", 1.0)
        check_parameters(
            ("interpolation", share, is_finite(share) and 0 < share <= 1, "a share above 0, up to 1"),
            ("seed", seed, 0 <= seed < 1 << 32, "from 0 to 4294967295"),
            ("run_dir", folder, bool(folder.strip()), "the name of a folder"),
        )
    if isinstance(config.resume, str):
        with collect_errors(problems):
            find_resume_point(config.resume)
    with collect_errors(problems):
        check_trust(config.get("trust", []))
    yield from problems
