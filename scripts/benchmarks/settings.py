"""What a benchmark is run with. Imports nothing heavy."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from polyhead.errors import UserError, did_you_mean

NAMES = ("encode", "finetune", "frozen", "partial", "weighting", "startup", "corpus", "serve", "load")


@dataclass(frozen=True)
class Settings:
    """Options of a benchmark.

    Args:
        device: ``cpu`` or ``gpu``.
        data: ``hypothetical``, or a folder with train.csv, validation.csv and test.csv, or for ``encode`` one CSV.
        encoder: ``minilm`` with its weights, or ``bert_base`` with random ones.
        repeats: how often each contestant runs; seeds 0, 1, ... of training.
        rows: at most so many sentences of a split; 0 takes all.
        epochs: of full and of partial training.
        frozen_epochs: of training on a frozen encoder.
        batch_size: sentences.
        length: tokens of every text, made by joining sentences; 0 takes the texts as they are.
        compile: whether ours and the Trainer are given to ``torch.compile``, too, in finetune.
        clients: of the server at a time, in load.
        seconds: for which they send, in load.
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
    clients: int = 64
    seconds: int = 60
    json: str = ""


def options() -> str:
    """List the benchmarks, and the options with what they are and their defaults, a line each."""
    meanings = (Settings.__doc__ or "").partition("Args:")[2].strip().splitlines()
    told = [
        f"  {name.strip()}={getattr(Settings, name.strip())}: {meaning.strip().replace('``', '')}"
        for name, _, meaning in (line.partition(":") for line in meanings)
    ]
    return "\n".join([f"benchmarks: {', '.join(NAMES)}", "options and their defaults:", *told])


def parse(arguments: Sequence[str]) -> tuple[list[str], Settings]:
    """Read names and ``option=value`` from a command line.

    Raises:
        UserError: an unknown name or option, or a value that does not fit.
    """
    names = [argument for argument in arguments if "=" not in argument]
    for name in names:
        if name not in NAMES:
            raise UserError(f"no benchmark is called {name!r}; {did_you_mean(name, NAMES)}")
    if not names:
        raise UserError(f"name what to measure: {', '.join(NAMES)}")
    kinds = {field.name: field.type for field in fields(Settings)}
    given: dict[str, Any] = {}
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if not equals:
            continue
        if option not in kinds:
            raise UserError(f"no option is called {option!r}; {did_you_mean(option, kinds)}")
        if kinds[option] is int:
            if not value.isdigit():
                raise UserError(f"{option}={value}: it must be a whole number, 0 or more")
            given[option] = int(value)
        else:
            given[option] = value
    settings = Settings(**given)
    if settings.device not in ("cpu", "gpu"):
        raise UserError(f"device={settings.device}: it must be cpu or gpu")
    if settings.encoder not in ("minilm", "bert_base"):
        raise UserError(f"encoder={settings.encoder}: it must be minilm or bert_base")
    if settings.data != "hypothetical" and not Path(settings.data).exists():
        raise UserError(f"data={settings.data}: neither hypothetical nor a file or folder that is there")
    return names, settings
