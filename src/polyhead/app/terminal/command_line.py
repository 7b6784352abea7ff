"""The command line: a user's mistake ends in one line and an exit code. Imports nothing heavy.

Exit codes: 0 done, 2 a mistake in what was given, 130 interrupted, 1 anything else.
"""

import gc
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

import polyhead
from polyhead.app.config.hydra_errors import Configuration, explain
from polyhead.app.config.hydra_state import in_multirun, task_overrides
from polyhead.app.config.literals import literal
from polyhead.app.config.old_names import upgrade_composed
from polyhead.app.terminal.children import end_with_parent
from polyhead.app.terminal.command_names import as_called
from polyhead.app.terminal.help import FLAGS, help_text
from polyhead.app.terminal.late_imports import complete_torch
from polyhead.app.terminal.run_names import folder_name  # noqa: F401
from polyhead.app.terminal.single_job import start_job
from polyhead.errors import DISK_FULL, UserError, interruptible, one_line

log = logging.getLogger(__name__)

Rewriting = Callable[[Sequence[str]], list[str]]

MISTAKE = 2
_TRUST = "trust="
_VERSION = "--version"
_EMPTY_FOLDER = re.compile(r"""\+{0,2}(?P<key>hydra\.(?:run|sweep)\.dir)=\s*(?:''|""|null)?\s*""")
_NO_LOG = "Unable to configure handler"  # what logging says of a file that it cannot open


def run_hydra(main: Callable[[], Any], configs: Path, name: str, rewrite: Rewriting = list) -> Any:
    """Run a command whose flags Hydra reads, as :func:`run`; a wrong flag ends in one line, too.

    Args:
        main: the command, which ``hydra.main`` decorated.
        configs: the folder of its configuration.
        name: of its configuration there.
        rewrite: turns the arguments that are given into those that Hydra reads.
    """
    parser = get_args_parser()
    parser.error = lambda message: _end(f"{message}; see --help")  # type: ignore[method-assign]
    if not {*FLAGS, _VERSION} & {*sys.argv[1:]}:
        parser.parse_args()

    def start() -> Any:
        sys.argv[1:] = rewrite(sys.argv[1:])
        return start_job(main, configs, name, sys.argv[1:])

    return run(start, configs, name)


def run(main: Callable[[], Any], configs: Path, name: str) -> Any:
    """Run a command, or print its help; a user's mistake becomes one line on standard error, and ends the process.

    Args:
        main: the command.
        configs: the folder of its configuration, in which the names nearest to a wrong one are looked up.
        name: of its configuration there.
    """
    if any(flag in sys.argv[1:] for flag in FLAGS):
        _show(as_called(help_text(configs, name, sys.argv[1:])))
        return None
    if _VERSION in sys.argv[1:]:  # Hydra would give its own
        print(f"polyhead {polyhead.__version__}")
        return None
    end_with_parent()
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # then Hydra raises what it would print with a traceback
    configuration = Configuration(configs, name, sys.argv[1:])
    _check_folders(sys.argv[1:])
    if missing := [folder for folder in configuration.own_folders() if not folder.is_dir()]:
        _end(f"--config-dir: no folder {str(missing[0])!r}; name one that holds GROUP/NAME.yaml")
    try:
        with interruptible():
            return main()
    except UserError as error:
        _end(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        _end(explain(error, configuration))
    except (ValueError, TypeError) as error:
        if str(error).startswith(_NO_LOG):
            _end(f"hydra.run.dir: the log cannot be written there ({error.__cause__}); choose another folder")
        if not _raised_by_hydra(error):
            raise
        _end(explain(error, configuration))
    except OSError as error:
        _end_refused(error)


def _show(text: str) -> None:
    """Print a text that may be longer than its reader wants, such as ``head``."""
    try:
        print(text, flush=True)
    except BrokenPipeError as error:
        _end_refused(error)


def _check_folders(arguments: Sequence[str]) -> None:
    """Refuse an empty name of a folder, before Hydra writes its log to the working folder instead."""
    for argument in arguments:
        if match := _EMPTY_FOLDER.fullmatch(argument):
            _end(f"{match['key']}: nothing given; name a folder, as in {match['key']}=runs/NAME")


def folder_as(key: str, arguments: Sequence[str]) -> list[str]:
    """Turn a first argument that is no override into ``key='FOLDER'``: names of runs hold signs that Hydra reads."""
    if not arguments or arguments[0].startswith(("-", "~", "+")):
        return list(arguments)
    if "=" in arguments[0] and not Path(arguments[0]).is_dir():
        return list(arguments)
    return [f"{key}={quoted(arguments[0])}", *arguments[1:]]


def take_trust(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a command line without Hydra into its other arguments and the packages of ``trust=A,B``.

    >>> take_trust(["runs/A", "trust=my_package"])
    (['runs/A'], ['my_package'])
    """
    rest = [argument for argument in arguments if not argument.startswith(_TRUST)]
    given = [argument.removeprefix(_TRUST) for argument in arguments if argument.startswith(_TRUST)]
    return rest, [name for names in given for name in names.strip("[]").split(",")]


def quoted(text: str) -> str:
    """Quote a text for Hydra's grammar of overrides; it is taken as it is, ``${...}`` in it, too."""
    escaped = re.sub(r"(\\*)('|$)", lambda match: match[1] * 2 + match[2].replace("'", r"\'"), literal(text))
    return f"'{escaped}'"


def run_job(module: str, config: DictConfig) -> float | None:
    """Call ``module.run(config)``, importing it only now, with the configuration under the names of today.

    In a multirun a failed job raises, so that Hydra counts it and starts the next; alone it ends the process.
    """
    end_with_parent()  # a launcher's process comes here first
    try:
        upgraded = upgrade_composed(config, task_overrides())
        result: float | None = _import_job(module).run(upgraded)
    except (UserError, OmegaConfBaseException) as problem:
        error = problem if isinstance(problem, UserError) else UserError(one_line(problem))
        _end_mistaken(error, problem)
    except OSError as problem:
        if _has_log():
            _log_traceback()
        if not in_multirun():
            _end_refused(problem)  # here, since Hydra would print it in its own words first
        raise
    except Exception:
        _log_traceback()
        raise
    return result


def _import_job(name: str) -> ModuleType:
    """Import a module with all that it stands on, without a search for garbage among the million objects made.

    They stay until the process ends, so that later collections leave them out, too; a second of a run goes into these
    searches otherwise. What a job of a sweep left is not kept: its module is there already.
    """
    if name in sys.modules:
        return sys.modules[name]
    gc.disable()
    try:
        module = import_module(name)
        complete_torch()
        return module
    finally:
        gc.freeze()
        gc.enable()


def _end_mistaken(error: UserError, cause: Exception) -> NoReturn:
    """End a job for a user's mistake: its process, or in a multirun the job alone."""
    if in_multirun():
        log.error("this run failed: %s", error)
        raise error from cause
    if _has_log():  # a command without a log has the terminal alone, where the line is printed below
        logging.getLogger().error("%s", error)
    _end(str(error))


def _log_traceback() -> None:
    """Log the exception that is being handled: a multirun prints the first traceback only, the file has all."""
    logging.getLogger().exception("this run failed")


def _has_log() -> bool:
    return any(isinstance(handler, logging.FileHandler) for handler in logging.getLogger().handlers)


def _raised_by_hydra(error: Exception) -> bool:
    """Return whether an error is Hydra's own about an override, and not one of a job."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return any("hydra" in Path(frame.filename).parts for frame in last)


def _end_refused(error: OSError) -> NoReturn:
    """End for what the system refuses: a folder that cannot be made or written, a full disk, a closed pipe."""
    if isinstance(error, BrokenPipeError):  # the reader has seen enough; Python would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    where = error.filename2 or error.filename or "writing"
    advice = "make room" if error.errno in DISK_FULL else "see that it is there and that you may use it"
    _end(f"{where}: {error.strerror or error}; {advice}, or choose another folder")


def _end(message: str) -> NoReturn:
    for line in message.splitlines():
        print(f"error: {line}", file=sys.stderr)
    sys.exit(MISTAKE)
