"""Help: the keys of a command with the comments that stand beside them in its YAML. Imports nothing heavy.

Hydra's own help lists every group of the folder, whether the command reads it or not, and no comments.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

FLAGS = ("-h", "--help")
_KEY = re.compile(r"(?P<key>[A-Za-z_]\w*):")
_PACKAGE = re.compile(r"# @package (?P<package>\S+)")
_NOT_OWN = ("defaults", "hydra")  # blocks that are no keys of a command
_FOOTER = "--hydra-help has Hydra's own flags; --cfg job shows the configuration of a command without running it."


def help_text(folder: Path, name: str, arguments: Sequence[str]) -> str:
    """Write the help of a command.

    Args:
        folder: of the configuration.
        name: of the command's configuration there.
        arguments: of the command line; the options of groups that they choose are those whose keys are listed.
    """
    text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    chosen = _chosen(yaml.safe_load(text).get("defaults", []), arguments)
    parts = [_head(text), *_choices(folder, chosen), f"Keys (key=value)\n\n{_own_keys(text)}"]
    parts += [_option(folder, group, option) for group, option in chosen.items() if option]
    return "\n\n".join([*parts, _FOOTER])


def _chosen(defaults: Sequence[Any], arguments: Sequence[str]) -> dict[str, str | None]:
    """Return the option of each group that the command has; None where none is chosen."""
    entries = [entry for entry in defaults if isinstance(entry, dict)]
    own = {group: option for entry in entries for group, option in entry.items() if not group.startswith("override ")}
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    chosen = {group: given.get(group, option) for group, option in own.items()}
    return {group: option[0] if isinstance(option, list) else option for group, option in chosen.items()}


def _head(text: str) -> str:
    """Return the comment that a file begins with."""
    lines = text.splitlines()
    first = next(index for index, line in enumerate([*lines, ""]) if not line.startswith("#"))
    head = [line.removeprefix("#").removeprefix(" ") for line in lines[:first] if not _PACKAGE.match(line)]
    return "\n".join(head)


def _choices(folder: Path, chosen: dict[str, str | None]) -> Iterator[str]:
    """Yield the groups with their options, the chosen ones in brackets."""
    lines = []
    for group, option in chosen.items():
        options = sorted(path.stem for path in (folder / group).glob("*.yaml"))
        shown = ", ".join(f"[{name}]" if name == option else name for name in options)
        lines.append(f"  {group}: {shown}")
    if lines:
        yield "\n".join(["Choices (group=option; the keys of those in brackets are listed below)", "", *lines])


def _own_keys(text: str) -> str:
    """Return the file without its head, and without the blocks that are Hydra's."""
    kept, block = [], ""
    lines = text.splitlines()[len(_head(text).splitlines()) :]
    for line in lines:
        if match := _KEY.match(line):
            block = match["key"]
        elif line and not line.startswith(" "):
            block = ""
        if block not in _NOT_OWN:
            kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


def _option(folder: Path, group: str, option: str) -> str:
    """Return the keys of an option as they stand in the configuration, its description above them."""
    path = folder / group / f"{option}.yaml"
    if not path.is_file():
        return f"# {group}={option}: no such option"
    text = path.read_text(encoding="utf-8")
    head, *_ = _head(text).splitlines()
    package = match["package"] if (match := _PACKAGE.search(text)) else group
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#")).strip()
    if package != "_global_":
        body = f"{package}:\n{indent(body, '  ')}"
    return f"# {group}={option}: {head}\n{body}"
