"""Console: ``polyhead COMMAND ...``, the one command of the installed package. Imports nothing heavy."""

import sys
from runpy import run_module
from typing import NoReturn

import polyhead
from polyhead.app.terminal.command_names import COMMANDS
from polyhead.errors import did_you_mean

_HELP, _VERSION = ("-h", "--help"), ("-V", "--version")
_ALIASES = {"sweep": ("train", ["-m"])}
_MISTAKE = 2


def main() -> None:
    """Run the command that the first argument names, as if its module had been started with the others."""
    match sys.argv[1:]:
        case []:
            _end("no command given")
        case [first, *_] if first in _HELP:
            print(_overview())
        case [first, *_] if first in _VERSION:
            print(f"polyhead {polyhead.__version__}")
        case [name, *_] if name not in COMMANDS:
            _end(f"unknown command {name!r}; {did_you_mean(name, COMMANDS)}")
        case [name, *arguments]:
            command, flags = _ALIASES.get(name, (name, []))
            sys.argv[1:] = [*flags, *arguments]
            # As __main__: Lightning then starts the processes of distributed training by ``python -m``.
            run_module(f"polyhead.commands.{command}", run_name="__main__", alter_sys=True)


def _overview() -> str:
    rows = [f"  {name:<11}{purpose}" for name, purpose in COMMANDS.items()]
    return "\n".join(
        [
            "usage: polyhead COMMAND [key=value ...]",
            "",
            "One sentence encoder, many heads: train it, freeze it, weigh it, compare it, ship it.",
            "",
            *rows,
            "",
            "polyhead COMMAND --help lists the keys of a command; polyhead --version is the version.",
        ]
    )


def _end(problem: str) -> NoReturn:
    print(f"error: {problem}; see polyhead --help", file=sys.stderr)
    sys.exit(_MISTAKE)
