"""Settings: what a benchmark is run with, read from the command line. Imports nothing heavy."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from polyhead.errors import UserError, did_you_mean

NAMES = (
    "encode",
    "finetune",
    "profile",
    "frozen",
    "partial",
    "weighting",
    "conflict",
    "startup",
    "corpus",
    "shards",
    "scale",
    "serve",
    "load",
    "label",
    "few_shot",
    "defaults",
    "budget",
)
COMPARABLE = ("startup", "finetune", "encode")
"""Benchmarks that can also measure another checkout."""
_CHOICES = {
    "device": ("cpu", "gpu"),
    "encoder": ("minilm", "bert_base"),
    "axis": ("sentences", "tasks", "classes", "tokens", "layers"),
}
_MAY_BE_ZERO = ("rows", "length", "compile")


@dataclass(frozen=True)
class Settings:
    """Options of a benchmark.

    Args:
        device: ``cpu`` or ``gpu``.
        data: ``hypothetical``, or a folder with train.csv, validation.csv and test.csv, or for texts alone one CSV.
        encoder: ``minilm`` with its weights, or ``bert_base`` with random ones.
        repeats: how often each baseline runs; seeds 0, 1, ... of training.
        rows: most sentences per split; 0 takes all.
        epochs: of full and of partial training.
        frozen_epochs: of training on a frozen encoder.
        batch_size: sentences.
        length: tokens of every text, made by joining sentences; 0 takes the texts as they are.
        compile: 1 also measures ours and the Trainer with ``torch.compile``, in finetune.
        labels: per class of the first task that are trained on, in few_shot.
        sample: sentences, drawn at random, that are trained on, in defaults.
        clients: of the server at a time, in load.
        seconds: for which they send, in load.
        axis: what grows in scale: ``sentences``, ``tasks``, ``classes``, ``tokens`` or ``layers``.
        ways: regular expression, found in the names of those that run, in budget; empty for all.
        static: folder of a static model that model2vec made, in budget; empty has it made from the encoder first.
        against: folder of another checkout, which takes the peers' place in startup, finetune and encode.
        json: file that also takes the results; empty for none.
    """

    device: str = "cpu"
    data: str = "hypothetical"
    encoder: str = "minilm"
    repeats: int = 3
    rows: int = 0
    epochs: int = 2
    frozen_epochs: int = 20
    batch_size: int = 32
    length: int = 0
    compile: int = 0
    labels: int = 8
    sample: int = 1000
    clients: int = 64
    seconds: int = 60
    axis: str = "tokens"
    ways: str = ""
    static: str = ""
    against: str = ""
    json: str = ""


def describe_options() -> str:
    """Return the names of the benchmarks, and a line for each option with its default and its meaning."""
    lines = [f"benchmarks: {', '.join(NAMES)}", "options and their defaults:"]
    meanings = (Settings.__doc__ or "").partition("Args:")[2].strip()
    for line in meanings.splitlines():
        name, _, meaning = line.strip().partition(": ")
        default = getattr(Settings, name)
        lines.append(f"  {name}={default}: {meaning.replace('``', '')}")
    return "\n".join(lines)


def parse(arguments: Sequence[str]) -> tuple[list[str], Settings]:
    """Read names and ``option=value`` from a command line.

    Raises:
        UserError: an unknown name or option, or a value that is not allowed.
    """
    names = [argument for argument in arguments if "=" not in argument]
    _check_names(names)
    options = [_read_option(argument) for argument in arguments if "=" in argument]
    settings = Settings(**dict(options))  # type: ignore[arg-type]  # _read_option looked at each field's type
    if settings.data != "hypothetical" and not Path(settings.data).exists():
        raise UserError(f"data={settings.data}: neither hypothetical nor a file or folder that is there")
    folder = Path(settings.json).parent
    if settings.json and not (folder.is_dir() and os.access(folder, os.W_OK)):  # before hours of measuring
        raise UserError(f"json={settings.json}: its folder is not there or cannot be written to")
    _check_expression(settings.ways)
    if settings.static and not Path(settings.static).is_dir():
        raise UserError(f"static={settings.static}: no folder; name one that model2vec saved, or leave it out")
    if settings.against:
        _check_checkout(settings.against, names)
    return names, settings


def _check_names(names: list[str]) -> None:
    if not names:
        raise UserError(f"name what to measure: {', '.join(NAMES)}")
    for name in names:
        if name not in NAMES:
            raise UserError(f"no benchmark is called {name!r}; {did_you_mean(name, NAMES)}")


def _read_option(argument: str) -> tuple[str, str | int]:
    """Return the name and the value of ``option=value``."""
    option, _, value = argument.partition("=")
    types = {field.name: field.type for field in fields(Settings)}
    if option not in types:
        raise UserError(f"no option is called {option!r}; {did_you_mean(option, types)}")
    if types[option] is int:
        return option, _read_number(option, value)
    allowed = _CHOICES.get(option)
    if allowed and value not in allowed:
        raise UserError(f"{option}={value}: it must be {' or '.join(allowed)}")
    return option, value


def _read_number(option: str, value: str) -> int:
    least = 0 if option in _MAY_BE_ZERO else 1
    if not value.isdecimal() or int(value) < least:
        raise UserError(f"{option}={value}: it must be a whole number, {least} or more")
    return int(value)


def _check_expression(ways: str) -> None:
    try:
        re.compile(ways)
    except re.error as error:
        raise UserError(f"ways={ways}: no regular expression: {error}") from error


def _check_checkout(folder: str, names: list[str]) -> None:
    if not Path(folder, "train.py").is_file() or not Path(folder, "src", "polyhead").is_dir():
        raise UserError(f"against={folder}: no checkout of Polyhead; it needs train.py and src/polyhead")
    for name in names:
        if name not in COMPARABLE:
            raise UserError(f"{name}: against= compares {', '.join(COMPARABLE)} alone; measure {name} without it")
