"""The command line: a user's mistake ends in one line and an exit code. Imports nothing heavy.

Exit codes: 0 done, 2 a mistake in what was given, 130 interrupted, 1 anything else.
"""

import errno
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from polyhead.app.hydra_state import in_multirun
from polyhead.errors import UserError, did_you_mean, interruptible

log = logging.getLogger(__name__)

MISTAKE = 2
_UNKNOWN_KEY = re.compile(r"Could not (?:override|delete from config).*?'(?P<key>[^']+)'", re.DOTALL)
_UNKNOWN_OPTION = re.compile(
    r"Could not find '(?P<group>[^']+)/(?P<option>[^'/]+)'.*?:\n(?P<valid>.*)Config search", re.DOTALL
)

_NO_OPTION = re.compile("Could not (?:load|find) '|Config group override must be")
_UNMERGED = re.compile(r"Error merging override (?P<key>[^=\s]+)=\[.*\]", re.DOTALL)
_UNLISTED = re.compile(r"Error merging override (?P<key>[^=\s]+)=(?P<value>\{.*\})", re.DOTALL)


def folder_name(overrides: str) -> str:
    """Make the name of a run's folder from its overrides; sweeps and TensorBoard list runs by it.

    File systems take 255 bytes at most, and a path among the values must not make folders of its own. What is cut ends
    in a hash of the whole, so that no two runs of a sweep that is taken up again claim one folder.
    """
    name = re.sub(r"[^a-zA-Z0-9_=.,:+\[\]{}@-]+", "-", overrides) or "default"
    return name if len(name) <= 150 else f"{name[:140]}~{sha256(overrides.encode()).hexdigest()[:8]}"


OmegaConf.register_new_resolver("folder_name", folder_name, replace=True)


def run(main: Callable[[], Any], configs: Path, name: str) -> Any:
    """Run a command; exceptions that are the user's become one line on standard error, and end the process.

    Args:
        main: the command, such as a function that ``hydra.main`` decorated.
        configs: the folder of its configuration, in which the neighbours of a wrong key are looked up.
        name: of its configuration there.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # then Hydra raises what it would print with a traceback
    try:
        with interruptible():
            return main()
    except UserError as error:
        _end(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        _end(explain(error, configs, name))
    except ValueError as error:
        if not _raised_by_hydra(error):
            raise
        _end(explain(error, configs, name))
    except OSError as error:
        _refused(error)


def folder_as(key: str, arguments: Sequence[str]) -> list[str]:
    """Turn a first argument that is no override into ``key='FOLDER'``: names of runs hold signs that Hydra reads."""
    if not arguments or arguments[0].startswith(("-", "~", "+")):
        return list(arguments)
    if "=" in arguments[0] and not Path(arguments[0]).is_dir():
        return list(arguments)
    return [f"{key}={quoted(arguments[0])}", *arguments[1:]]


def quoted(text: str) -> str:
    """Quote a text for Hydra's grammar of overrides."""
    escaped = re.sub(r"(\\*)('|$)", lambda match: match[1] * 2 + match[2].replace("'", r"\'"), text)
    return f"'{escaped}'"


def run_job(module: str, config: DictConfig) -> float | None:
    """Call ``module.run(config)``, importing it only now.

    In a multirun a failed job raises, so that Hydra counts it and goes on to the next; alone it ends the process.
    """
    try:
        result: float | None = import_module(module).run(config)
    except (UserError, OmegaConfBaseException) as problem:
        error = problem if isinstance(problem, UserError) else UserError(" ".join(str(problem).split()))
        if in_multirun():
            log.error("this run failed: %s", error)
            raise error from problem
        # For the run's own log; a command without one has the terminal alone, where the line is printed below.
        if _has_log():
            logging.getLogger().error("%s", error)
        _end(str(error))
    except Exception as problem:
        alone = not in_multirun()
        if _has_log() or not isinstance(problem, OSError):
            logging.getLogger().exception(
                "this run failed"
            )  # a multirun shows the first traceback only; the file has all
        if isinstance(problem, OSError) and alone:
            _refused(problem)  # here, since Hydra would tell of it in its own words first
        raise
    return result


def _has_log() -> bool:
    return any(isinstance(handler, logging.FileHandler) for handler in logging.getLogger().handlers)


def explain(error: Exception, configs: Path, name: str) -> str:
    """Put what Hydra or OmegaConf say into one line, with the nearest valid names."""
    text = str(error)
    cause: BaseException = error
    while not text and (inner := cause.__cause__ or cause.__context__):  # Hydra raises some of them without a word
        cause, text = inner, str(inner)
    if match := _UNKNOWN_OPTION.search(text):
        hint = did_you_mean(match["option"], match["valid"].split())
        return f"{match['group']}={match['option']}: no such option; {hint}"
    if _NO_OPTION.search(text) and (wrong := _wrong_option(configs)):
        return wrong
    if match := _UNKNOWN_KEY.search(text):
        return f"{match['key']}: no such key; {_nearby(match['key'], configs, name)}"
    if match := _UNMERGED.fullmatch(text):
        return (
            f"{match['key']}: a list is given, and it has entries with names; set one by {match['key']}.NAME=VALUE, or "
            f"take one out by '~{match['key']}.NAME'"
        )
    if match := _UNLISTED.fullmatch(text):
        return (
            f"{match['key']}: entries with names are given, and it is a list; write '{match['key']}=[{match['value']}]'"
        )
    told = " ".join(text.partition("\nSee https://")[0].split())
    if isinstance(error, OverrideParseException) and "=" in error.override:
        key, _, value = error.override.partition("=")
        return f"{error.override}: {told}; text with such signs has quotes inside quotes: '{key}=\"{value}\"'"
    return told


def _raised_by_hydra(error: Exception) -> bool:
    """Tell Hydra's own error about an override from one in a job."""
    return any("hydra" in Path(frame.filename).parts for frame in traceback.extract_tb(error.__traceback__)[-1:])


def _wrong_option(configs: Path) -> str | None:
    """Find the override that names no option of its group; Hydra does not always say which it is."""
    for override in sys.argv[1:]:
        group, _, option = override.lstrip("+").partition("=")
        valid = sorted(path.stem for path in (configs / group).glob("*.yaml")) if group else []
        if valid and option not in valid:
            return f"{group}={option}: no such option; {did_you_mean(option, valid)}"
    return None


def _nearby(key: str, configs: Path, name: str) -> str:
    """Name the keys like ``key``: those that are spelt alike, and those that end alike in another group."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(configs.resolve()), version_base="1.3"):
        valid = list(_keys(compose(name, overrides=list(_chosen_options(configs)))))
    parent, _, leaf = key.rpartition(".")
    if parent in valid and not any(other.startswith(f"{parent}.") for other in valid):
        return f"{parent} has no entries yet; set them by '{parent}={{{leaf}: VALUE}}'"
    same_leaf = [name for name in valid if name.split(".")[-1] == leaf]
    if same_leaf:
        return f"did you mean {' or '.join(map(repr, same_leaf))}?"
    siblings = [name for name in valid if name.rpartition(".")[0] == parent]
    return did_you_mean(key, siblings or [name for name in valid if "." not in name])


def _chosen_options(configs: Path) -> Iterator[str]:
    """Yield the overrides of the command line that choose options of groups; of several options the first."""
    for override in sys.argv[1:]:
        group, _, options = override.partition("=")
        option = options.partition(",")[0]
        if group and (configs / group / f"{option}.yaml").is_file():
            yield f"{group}={option}"


def _keys(config: DictConfig, prefix: str = "") -> Iterator[str]:
    for name in map(str, config):
        yield f"{prefix}{name}"
        child = config._get_node(name)
        if isinstance(child, DictConfig):
            yield from _keys(child, f"{prefix}{name}.")


def _refused(error: OSError) -> NoReturn:
    """End for what the system says: a folder that cannot be made or written, a full disk, a closed pipe."""
    if isinstance(error, BrokenPipeError):  # the other side has seen enough; Python would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    where = error.filename2 or error.filename or "writing"
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "make room" if full else "see that it is there and that you may use it"
    _end(f"{where}: {error.strerror or error}; {advice}, or choose another folder")


def _end(message: str) -> NoReturn:
    for line in message.splitlines():
        print(f"error: {line}", file=sys.stderr)
    sys.exit(MISTAKE)
