"""Resumption: the configuration of a run that continues, from that of the run that stopped and what is given on top.

Knows nothing about what is in a checkpoint but whether it was written within an epoch.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from polyhead.app.config.config_folder import CONFIGS
from polyhead.app.config.hydra_state import compose_beside
from polyhead.app.config.literals import literal
from polyhead.app.config.places import take_places, without_places
from polyhead.app.config.resume_point import AUTO, find_resume_point, last_checkpoint, noted_overrides, read_noted
from polyhead.app.config.run_config import read_config
from polyhead.app.config.trust import check_trust
from polyhead.app.terminal.command_line import quoted
from polyhead.app.training.monitor_choice import follow_monitor
from polyhead.app.training.noted_tasks import as_noted, tasks_by_name
from polyhead.app.training.start_point import begin_at_start
from polyhead.errors import UserError
from polyhead.runs.folder import RunFolder
from polyhead.runs.record import flat

log = logging.getLogger(__name__)

_KEPT = ("data", "encoder", "freeze", "heads", "model", "optimizer", "soup", "start", "tasks", "weighting")
_FREE = ("model.dropout", "model.encoder_dropout", "optimizer.warmup")  # no state in a checkpoint stands against them
_ORDER = ("seed", "loader.", "trainer.accumulate_grad_batches", "trainer.devices", "trainer.limit_train_batches")
_NO_ORDER = ("loader.evaluation_batch_size", "loader.workers")
_SAID_ELSEWHERE = ("resume", "run_dir")
_ABSENT = object()


@dataclass(frozen=True)
class Resumption:
    """What a run starts from.

    Args:
        config: of the run, resolved where it continues another.
        checkpoint: from which training continues; None starts at the beginning.
        stopped: the folder of the run that is continued; None without one.
        in_place: whether that is this run's own folder.
        done: whether the run in that folder has nothing left to do.
    """

    config: DictConfig
    checkpoint: Path | None = None
    stopped: RunFolder | None = None
    in_place: bool = False
    done: bool = False


def resume(config: DictConfig, search: Sequence[Path] = ()) -> Resumption:
    """Find what a run continues, and under which configuration.

    Args:
        config: as composed. With ``resume=auto`` it must be that of the run in its folder, if there is one. With
            another run in ``resume`` the overrides of that run stand among its own.
        search: folders with options of the user's own, which these overrides may name.

    Raises:
        UserError: the run that is to be continued is another one, or cannot be read.
    """
    given = config.resume
    if given == AUTO:
        return _same_command_again(config)
    if not isinstance(given, str) or not Path(given).exists():
        return Resumption(config)  # the composition reports it, with all other problems
    point = find_resume_point(given)
    before, ours, theirs = _resolved(_as_noted(point.run, config, search)), _resolved(config), _read(point.run, config)
    merged = merge(before, ours, theirs)
    take_places(merged, ours)
    stopped, folder = RunFolder(point.run), RunFolder(Path(config.run_dir))
    in_place = point.run.resolve() == folder.folder.resolve()
    merged["resume"] = theirs.get("resume") if in_place else given
    changes = dict(_changes(theirs, merged))
    _check_kept(changes)
    _check_checkpoint(point.checkpoint, _as_config(merged), changes)
    done = in_place and folder.done
    if in_place:
        folder.remove_abandoned()
    if done and changes:
        raise UserError(
            f"resume: the run in {given!r} is done; continue it under other choices in a folder of its own, by "
            "hydra.run.dir=NEW"
        )
    for key, change in changes.items():
        log.info("resumed with %s: %s", key, change)
    return Resumption(_as_config(merged), point.checkpoint, stopped, in_place, done)


def _same_command_again(config: DictConfig) -> Resumption:
    """Continue the run in the folder of this one, if there is one and its configuration is the same."""
    folder = RunFolder(Path(config.run_dir))
    config = config.copy()
    config.resume = None
    if not folder.claimed:
        return Resumption(config)
    theirs = read_noted(folder.folder)  # it decides nothing but whether it is the same: nothing of it is built
    follow_monitor(config, theirs)
    ours = _resolved(config)
    changes = list(_changes(theirs, ours))
    if changes:
        key, change = changes[0]
        more = f", and {len(changes) - 1} more" if len(changes) > 1 else ""
        raise UserError(
            f"resume=auto: {str(folder.folder)!r} holds a run of another configuration ({key}: {change}{more}); choose "
            f"a new folder, or continue that run under this one by resume={folder.folder}"
        )
    folder.remove_abandoned()
    fresh = _as_config(ours)
    fresh.tasks = literal(theirs["tasks"])
    return Resumption(fresh, last_checkpoint(folder.folder), folder, in_place=True, done=folder.done)


def merge(before: Mapping[str, Any], after: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``theirs`` with what changed from ``before`` to ``after``.

    Args:
        before: as the choices of a run compose today.
        after: as they compose with more choices on top.
        theirs: as the run wrote it; it may differ from ``before``, as defaults, files and the environment do in time.

    >>> merge({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}}, {"a": 0, "b": {"c": 2}})
    {'a': 0, 'b': {'c': 3}}
    """
    merged: dict[str, Any] = {}
    for name in dict.fromkeys([*theirs, *after]):
        old, new, own = (side.get(name, _ABSENT) for side in (before, after, theirs))
        if _same_kind(old, new) and isinstance(own, Mapping):
            merged[name] = merge(old, new, own)
        elif (chosen := own if old == new else new) is not _ABSENT:
            merged[name] = chosen
    return merged


def _same_kind(old: Any, new: Any) -> bool:
    """Return whether two values are entries of one class, or of none; those of two classes do not mix."""
    return isinstance(old, Mapping) and isinstance(new, Mapping) and old.get("_target_") == new.get("_target_")


def _as_noted(run: Path, config: DictConfig, search: Sequence[Path]) -> DictConfig:
    overrides = [*noted_overrides(run, CONFIGS), f"run_dir={quoted(str(config.run_dir))}"]
    composed = compose_beside(overrides, search)
    begin_at_start(composed)
    return composed


def _read(run: Path, config: DictConfig) -> dict[str, Any]:
    """Read the configuration of a run, with the folder of this one in the place of its own."""
    return _resolved(read_config(run, Path(config.run_dir), check_trust(config.get("trust", []))))


def _resolved(config: DictConfig) -> dict[str, Any]:
    return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))


def _as_config(content: dict[str, Any]) -> DictConfig:
    config: DictConfig = OmegaConf.create(literal(content))
    OmegaConf.set_struct(config, True)
    return config


def _changes(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each key whose value differs, and how; places and the names of tasks whose classes are found do not."""
    given, noted = tasks_by_name(ours.get("tasks")), tasks_by_name(theirs.get("tasks"))
    if isinstance(ours.get("tasks"), Mapping) or list(given) == list(noted):
        ours = {**ours, "tasks": {name: as_noted(name, value, noted.get(name)) for name, value in given.items()}}
    old, new = (flat(without_places(side)) for side in (theirs, ours))
    for key in sorted({*old, *new}, key=lambda key: (key.count("."), key)):  # seed before loader.seed
        before, after = old.get(key, _ABSENT), new.get(key, _ABSENT)
        if before != after and key not in _SAID_ELSEWHERE and not _under(key, "trust"):
            yield key, f"{_shown(before)} -> {_shown(after)}"


def _shown(value: Any) -> str:
    return "none" if value is _ABSENT else repr(value)


def _check_kept(changes: Mapping[str, str]) -> None:
    """Check that what a checkpoint holds state of is as it was.

    Raises:
        UserError: a section of the configuration is another, a line each.
    """
    problems = []
    for section in _KEPT:
        keys = [key for key in changes if _under(key, section) and key not in _FREE]
        if keys:
            more = f", and {len(keys) - 1} more" if len(keys) > 1 else ""
            problems.append(
                f"{keys[0]}: {changes[keys[0]]}{more}, with resume; a run that continues keeps its {section}: leave "
                "that out, or train anew"
            )
    if problems:
        raise UserError("\n".join(problems))


def _check_order(changes: Mapping[str, str], path: Path) -> None:
    """Check that an epoch that was broken off continues with the batches that it had.

    Raises:
        UserError: the order of batches is another.
    """
    keys = [key for key in changes if key.startswith(_ORDER) and key not in _NO_ORDER]
    if keys:
        raise UserError(
            f"{keys[0]}: {changes[keys[0]]}, with resume; {str(path)!r} was written within an epoch, which ends with "
            "the batches it began with: leave that out, or train anew"
        )


def _check_checkpoint(path: Path, config: DictConfig, changes: Mapping[str, str]) -> None:
    """Check that training can continue from a checkpoint under a configuration, before anything is built or written.

    Raises:
        UserError: it cannot.
    """
    from polyhead.training.checkpoints import load_checkpoint  # Lightning takes seconds to import
    from polyhead.training.epochs import check_resumable, within_epoch

    checkpoint = load_checkpoint(path)
    limit = config.trainer.get("max_epochs")
    check_resumable(checkpoint, path, limit if isinstance(limit, int) else None)
    if within_epoch(checkpoint):
        _check_order(changes, path)


def _under(key: str, section: str) -> bool:
    return key == section or key.startswith(f"{section}.")
