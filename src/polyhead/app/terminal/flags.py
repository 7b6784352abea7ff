"""Flags: the parser of commands that have no configuration file; ``key=value`` as everywhere. Imports nothing heavy."""

import re
import sys
from argparse import Action, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import polyhead
from polyhead.app.terminal.command_names import as_called, program

_LIST = re.compile(r"[\[{](.*)[\]}]")
_NO = ("false", "no", "off", "0")
_NO_KEYS = ("help", "version", "config_dir")  # flags as those of the commands that Hydra reads


class KeyParser(ArgumentParser):
    """Parses ``key=value`` arguments, and flags as ``--key value``, which earlier versions had alone.

    Of keys that take several values, ``key=[a,b]``; of those that take none, ``key=true``. A mistake ends the process
    with one line and exit code 2.

    Args:
        description: of the command, shown as it is.
        usage: how to call it, without the name of the script and without keys.
    """

    def __init__(self, description: str | None, usage: str = "") -> None:
        parts = ["%(prog)s", *filter(None, [usage]), "[key=value ...]"]
        super().__init__(
            prog=program(),
            usage=" ".join(parts),
            description=as_called(description or ""),
            formatter_class=_KeyFormatter,
            allow_abbrev=False,
        )
        self.add_argument("--version", action="version", version=f"polyhead {polyhead.__version__}")

    def add_config_dir(self) -> None:
        """Take ``--config-dir DIR``, as the commands that Hydra reads; ``config_dir`` lists the folders given."""
        self.add_argument(
            "-cd",
            "--config-dir",
            type=Path,
            action="append",
            default=[],
            metavar="DIR",
            help="folder with options of your own, DIR/GROUP/NAME.yaml",
        )

    def parse(self, arguments: Sequence[str] | None = None) -> Any:
        """Parse the arguments of a command line; None takes those of this process."""
        given = sys.argv[1:] if arguments is None else arguments
        return self.parse_intermixed_args([word for argument in given for word in self._words(argument)])

    def error(self, message: str) -> NoReturn:
        """End the process with one line."""
        told = re.sub(r"^argument --([a-z-]+)", lambda match: match[1].replace("-", "_"), message)
        print(f"error: {told}; see --help", file=sys.stderr)
        sys.exit(2)

    def _words(self, argument: str) -> Iterator[str]:
        """Yield the flag that ``key=value`` stands for; anything else as it is, such as a folder's name with a =."""
        key, _, value = argument.partition("=")
        action = self._option_string_actions.get(f"--{key.replace('_', '-')}")
        if action is None or action.dest in _NO_KEYS or "=" not in argument:
            yield argument
        elif action.nargs == 0:
            yield from [] if value.lower() in _NO else [action.option_strings[-1]]
        else:
            yield action.option_strings[-1]
            yield from _values(action, value)


def _values(action: Action, value: str) -> list[str]:
    if action.nargs not in ("+", "*"):
        return [value]
    match = _LIST.fullmatch(value)
    return [part.strip().replace(":", "=").replace(" ", "") for part in (match[1] if match else value).split(",")]


class _KeyFormatter(RawDescriptionHelpFormatter):
    """Shows flags as keys."""

    def _format_action_invocation(self, action: Action) -> str:
        if not action.option_strings or action.dest in _NO_KEYS:
            return super()._format_action_invocation(action)
        return f"{action.dest}={self._shown_value(action)}"

    def _shown_value(self, action: Action) -> str:
        if action.nargs == 0:
            return "true"
        if action.choices:
            return "|".join(map(str, action.choices))
        name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
        return f"[{name},...]" if action.nargs in ("+", "*") else name
