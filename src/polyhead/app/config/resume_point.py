"""Resume points: the run and the checkpoint that ``resume=`` names, and the choices of that run as overrides.

Imports nothing heavy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from polyhead.app.config.old_names import new_overrides
from polyhead.app.config.override_quotes import quoting_hint
from polyhead.app.config.places import move_run
from polyhead.app.config.sections import VALUES
from polyhead.errors import UserError
from polyhead.runs.old_names import upgrade

AUTO = "auto"
"""Stands for the run's own folder, where there is something in it to continue."""

_NOT_TAKEN_OVER = ("resume", "run_dir", "trust")  # they say where a run lies and what it may read, not what it is
_DEPTH = 3  # folders between a checkpoint and the folder of its run


@dataclass(frozen=True)
class ResumePoint:
    """Where training continues.

    Args:
        run: the folder of the run that stopped.
        checkpoint: with the state that it had.
    """

    run: Path
    checkpoint: Path


def find_resume_point(given: str) -> ResumePoint:
    """Return the run and the checkpoint that a folder of a run, or a checkpoint in one, stands for.

    Raises:
        UserError: there is no such thing, or the run has no checkpoint yet.
    """
    path = Path(given)
    if path.is_dir():
        if not (path / "config.yaml").is_file():
            if any(path.glob("fold=*/config.yaml")):
                raise UserError(
                    f"resume: {given!r} holds the runs of data.folds; the command that made them continues them, with "
                    "resume=auto on top"
                )
            raise UserError(f"resume: {given!r} holds no config.yaml; give the folder of a run")
        checkpoint = last_checkpoint(path)
        if checkpoint is None:
            raise UserError(f"resume: {given!r} has no checkpoints/last.ckpt to continue from; train anew")
        return ResumePoint(path, checkpoint)
    if not path.is_file():
        raise UserError(f"resume: no file {given!r}; give the folder of a run, or its checkpoints/last.ckpt")
    around = [folder for folder in path.absolute().parents[:_DEPTH] if (folder / "config.yaml").is_file()]
    if not around:
        raise UserError(
            f"resume: {given!r} lies in no folder of a run, whose config.yaml says what it belongs to; give the folder"
        )
    return ResumePoint(around[0], path)


def last_checkpoint(run: Path) -> Path | None:
    """Return the checkpoint from which a run continues, wherever its callback writes it; None if there is none yet.

    Raises:
        UserError: the run's configuration cannot be read.
    """
    usual = run / "checkpoints" / "last.ckpt"
    if usual.is_file():
        return usual
    config = read_noted(run)
    callbacks = config.get("callbacks")
    last = callbacks.get("last") if isinstance(callbacks, dict) else None
    if not isinstance(last, dict):
        return None
    folder = move_run(str(last.get("dirpath")), str(config.get("run_dir")), str(run))
    own = Path(folder) / f"{last.get('filename')}.ckpt"
    return own if own.is_file() else None


def read_noted(run: Path) -> dict[str, Any]:
    """Read the configuration of a run to compare it, under the names of today; nothing in it is checked, or built.

    Raises:
        UserError: it cannot be read.
    """
    from polyhead.storage.documents import read_yaml  # numpy, which --help does without

    path = run / "config.yaml"
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"resume: {str(path)!r} cannot be read ({error}); is {str(run)!r} the folder of a run?"
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"resume: {str(path)!r} is no configuration of a run")
    return upgrade(content)


def noted_overrides(run: Path, configs: Path) -> list[str]:
    """Return the overrides that made a run, under the names of today, but for where it lies and whom it trusts.

    They are data: somebody else may have written them. So none may reach Hydra's own part, or a file outside configs/.

    Raises:
        UserError: the run has noted none, or what it noted is no override of a run.
    """
    from polyhead.runs.contents import Provenance
    from polyhead.runs.folder import RunFolder

    noted = Provenance.read(RunFolder(run)).overrides
    try:
        parsed = [_parsed(override) for override in new_overrides([*map(str, noted)], announce=False)]
    except HydraException as error:
        raise _damaged(run, "what is no override") from error
    taken = [override for override in parsed if override.key_or_group not in _NOT_TAKEN_OVER]
    for override in taken:
        if not _stays_in_configs(override, configs):
            raise _damaged(run, repr(override.input_line))
    return [str(override.input_line) for override in taken]


def _damaged(run: Path, what: str) -> UserError:
    path = run / "provenance.json"
    return UserError(f"resume: {str(path)!r} notes {what} among the overrides of the run; it is damaged, or forged")


def _stays_in_configs(override: Override, configs: Path) -> bool:
    """Return whether an override sets a value of train.py's, or chooses an option by its plain name."""
    key, text = override.key_or_group, str(override.input_line).partition("=")[2]
    if override.package is not None or "/" in key or key.partition(".")[0] == "hydra":
        return False
    may_be_group = "." not in key and (key not in VALUES or (configs / key).exists())
    return not (may_be_group and ("/" in text or "\\" in text))


def resumed_overrides(arguments: Sequence[str], configs: Path) -> list[str]:
    """Put the overrides of the run that ``resume=`` names in front of those given, which win over them.

    Thus an option on top, such as ``freeze.rank=4``, finds the group as that run chose it, and the new run notes all
    that makes it again.

    Args:
        arguments: of a command line, under the names of today, which may have flags among them.
        configs: the folder of the configuration.

    Raises:
        UserError: several runs are given, or what that run noted cannot be read.
    """
    places = [index for index, argument in enumerate(arguments) if argument.lstrip("+").startswith("resume=")]
    if not places:
        return list(arguments)
    try:
        resume = _parsed(arguments[places[-1]])
    except HydraException as error:
        raise UserError(f"{arguments[places[-1]]}: {quoting_hint(arguments[places[-1]])}") from error
    if resume.is_sweep_override():
        raise UserError(f"{resume.input_line}: several runs given; resume each by a command of its own")
    given = resume.value()
    if not isinstance(given, str) or given == AUTO or not Path(given).exists():
        return list(arguments)  # there is no run, or it is said later, with all other problems
    inherited = [
        override
        for override in noted_overrides(find_resume_point(given).run, configs)
        if not _replaced(override, arguments, configs)
    ]
    return [*arguments[: places[-1]], *inherited, *arguments[places[-1] :]]


def _replaced(override: str, given: Sequence[str], configs: Path) -> bool:
    """Return whether overrides given now take the place of an earlier one: the same key, or another option around.

    One that takes a key out replaces its like alone: what it takes out must be there.
    """
    key = _key(override)
    if override.startswith("~") and any(argument.startswith("~") and _key(argument) == key for argument in given):
        return True
    set_now = {_key(argument) for argument in given if not argument.startswith("~")}
    if override.startswith("+"):  # what it adds must be there for one that only changes it
        set_now -= {key} - {_key(argument) for argument in given if argument.startswith("+")}
    return any(key == own or (key.startswith(f"{own}.") and (configs / own).is_dir()) for own in set_now)


def _key(argument: str) -> str:
    return argument.lstrip("+~").partition("=")[0].partition("@")[0]


def _parsed(override: str) -> Override:
    return OverridesParser.create().parse_override(override)
