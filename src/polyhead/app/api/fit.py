"""Fit: a run asked for in Python, as the command that it is: the same folder, the same files, the same numbers."""

import logging
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from inspect import signature
from itertools import count
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from polyhead.app.api.asked_columns import AskedColumns, ask_columns, listed
from polyhead.app.api.handle import Run
from polyhead.app.api.option_objects import describe, is_object, write_option
from polyhead.app.config.config_folder import CONFIGS
from polyhead.app.config.hydra_errors import Configuration, explain
from polyhead.app.config.hydra_state import compose_run
from polyhead.app.config.sections import VALUES
from polyhead.app.config.trust import is_allowed
from polyhead.app.terminal.override_writing import override
from polyhead.app.terminal.run_log import run_log
from polyhead.errors import UserError, did_you_mean
from polyhead.processes import first_process
from polyhead.storage.cells import TextColumns
from polyhead.storage.frames import is_frame, write_frame

log = logging.getLogger(__name__)

_RUN_DIR = "hydra.run.dir"
_CHOSEN = "POLYHEAD_RUN_DIR"  # environment variable: the folder, for further processes of distributed training


def fit(
    train: Any = None,
    *,
    validation: Any = None,
    test: Any = None,
    text: TextColumns | None = None,
    tasks: Sequence[Any] | Mapping[str, Any] | None = None,
    columns: Mapping[str, TextColumns] | None = None,
    weight: str | None = None,
    pair: str | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    run_dir: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    config_dir: str | Path | None = None,
    quiet: bool = False,
    **choices: Any,
) -> Run:
    """Train and evaluate a model: the run that ``polyhead train`` makes of the same choices, bit for bit::

        run = polyhead.fit("train.csv", test="test.csv", text="review", tasks=["sentiment"], freeze="lower_layers")

    Sentences in memory are written to ``data/`` beside the run, where the command that is printed finds them again.

    Args:
        train: sentences: a path or a list of paths, a frame of pandas or polars, a ``datasets.Dataset``, an Arrow
            table, a list of dicts, or a dict of these by the name of their source. None takes those that ``data`` and
            ``options`` choose, made-up ones by default.
        validation: the same; None holds some of ``train`` out.
        test: the same; None holds some of ``train`` out.
        text: column of the sentences, or several.
        tasks: names of the columns of labels, a head each; ``{"sentiment": ["bad", "good"]}`` names the classes, too.
        columns: task -> column of its labels, where that has another name; or the columns that mark a label each.
        weight: column of ``train`` that says how much a row counts.
        pair: column of a second text, for tasks about two.
        epochs: ``trainer.max_epochs``.
        seed: of head weights, dropout and batch order.
        run_dir: folder of the run; None makes one in ``runs/``.
        options: any key of the configuration by its dotted name: ``{"optimizer.encoder_lr": 2e-5}``.
        config_dir: folder with options of your own, ``GROUP/NAME.yaml``.
        quiet: print nothing.
        choices: by group, the name of an option or an object in its place: ``freeze="lora"``,
            ``weighting=MyWeighting(alpha=2)``; or a key at the top of the configuration.

    Raises:
        UserError: a choice or the data have problems; a line each.
    """
    request = _Request(Path("runs") if run_dir is None else Path(run_dir).parent)
    if config_dir is not None:
        request.search.append(_existing(Path(config_dir)))
    splits = {"train": train, "validation": validation, "test": test}
    request.add_data(splits, text, listed(tasks), columns, weight, pair, choices)
    request.add_choices(choices)
    request.add_values({"trainer.max_epochs": epochs, "seed": seed})
    request.overrides += [override(str(key), value) for key, value in (options or {}).items()]
    return _train(request, run_dir, quiet)


@dataclass
class _Request:
    """What is asked for, gathered as the arguments of a command.

    Args:
        beside: folder in which the run lies.

    Attributes:
        overrides: of ``polyhead train``.
        search: folders with options of the user's own.
        trust: packages of the objects that were given.
    """

    beside: Path
    overrides: list[str] = field(default_factory=list)
    search: list[Path] = field(default_factory=list)
    trust: list[str] = field(default_factory=list)

    def add_data(
        self,
        splits: Mapping[str, Any],
        text: TextColumns | None,
        tasks: list[Any] | None,
        columns: Mapping[str, TextColumns] | None,
        weight: str | None,
        pair: str | None,
        choices: Mapping[str, Any],
    ) -> None:
        """Add the sentences; those in memory are written to files."""
        given = {split: data for split, data in splits.items() if data is not None}
        if given and "data" in choices:
            raise UserError(f"data: {choices['data']!r} given beside {next(iter(given))}; leave one of them out")
        if given and "train" not in given:
            raise UserError(f"{next(iter(given))}: given without train; give the training sentences, too")
        if given:
            if tasks is None:
                raise UserError('tasks: missing; name the columns of labels, as in tasks=["sentiment"]')
            self.overrides.append("data=files")
        asked = ask_columns(text, tasks or [], columns or {}, [weight, pair])
        for split, data in given.items():
            self.overrides.append(override(f"data.files.{split}", self._files(data, split, asked)))
        self.add_values({"data.text": text, "tasks": tasks, "data.columns": columns})
        self.add_values({"data.weight": weight, "data.pair": pair})

    def _files(self, data: Any, split: str, asked: AskedColumns) -> Any:
        """Return paths as they are, and the paths of the files that are written for frames."""
        if is_frame(data):
            required = asked.needed if split == "train" else asked.texts  # of several sources each has its own labels
            return write_frame(data, split, asked.all, self.beside / "data", required)
        if isinstance(data, Mapping):
            return {name: self._files(part, f"{split}.{name}", asked) for name, part in data.items()}
        if isinstance(data, str | Path):
            return data
        if isinstance(data, list | tuple) and data and all(isinstance(part, str | Path) for part in data):
            return list(data)
        kinds = "paths, frames of pandas or polars, a Dataset, an Arrow table or a list of dicts"
        raise UserError(f"{split}: {type(data).__name__} given; it must be {kinds}, with a row at least")

    def add_choices(self, choices: Mapping[str, Any]) -> None:
        """Add options of groups, by name or as objects, and keys at the top of the configuration."""
        groups = sorted(path.name for path in CONFIGS.iterdir() if path.is_dir())
        for name, value in choices.items():
            if name in groups and is_object(value):
                node = describe(name, value)
                options = self.beside / "data" / "options"
                self.overrides.append(f"{name}={write_option(name, node, options)}")
                self.search += [options] if options not in self.search else []
                if not is_allowed(node["_target_"], [name]):
                    self.trust.append(node["_target_"].partition(".")[0])
            elif name in groups or name in VALUES:
                self.overrides.append(override(name, value))
            else:
                valid = {*groups, *VALUES, *signature(fit).parameters} - {"choices", "trust"}
                raise UserError(f"{name}: fit has no such parameter; {did_you_mean(name, valid)}")

    def add_values(self, values: Mapping[str, Any]) -> None:
        """Add values of keys; None leaves what the configuration has."""
        self.overrides += [override(key, value) for key, value in values.items() if value is not None]

    def command(self) -> list[str]:
        """Return the command that makes the run again, in a folder of its own."""
        first, rest = self.search[:1], self.search[1:]
        more = ",".join(f'"file://{folder.absolute()}"' for folder in rest)
        flags = [word for folder in first for word in ("--config-dir", str(folder))]
        return ["polyhead", "train", *flags, *([f"hydra.searchpath=[{more}]"] if rest else []), *self.overrides]


def _train(request: _Request, run_dir: str | Path | None, quiet: bool) -> Run:
    own = [] if run_dir is None else [override(_RUN_DIR, run_dir)]
    command = request.command()
    try:
        config, invocation = compose_run([*request.overrides, *own], request.search)
    except (HydraException, OmegaConfBaseException, ValueError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(explain(error, Configuration(CONFIGS, "train", command[2:]))) from error
    folder = Path(config.run_dir)
    if run_dir is None and _RUN_DIR not in {word.partition("=")[0] for word in request.overrides}:
        folder = _free(folder)
        config.run_dir = str(folder)
    from polyhead.app.training import train  # imports torch, which takes seconds

    with run_log(folder, quiet) if first_process() else nullcontext():
        log.info("the same from the command line: %s", shlex.join(command))
        try:
            train.run(config, quiet=quiet, invocation=replace(invocation, command=command))
        except OmegaConfBaseException as error:
            raise UserError(" ".join(str(error).split())) from error
        except UserError as error:
            raise UserError(str(error).replace(_RUN_DIR, "run_dir")) from error
    return Run(folder, trust=[*config.get("trust", []), *dict.fromkeys(request.trust)])


def _free(folder: Path) -> Path:
    """Return a folder that no run has: two runs of a second would have one name.

    Further processes of distributed training, which run the same program, take that of the first.
    """
    if not first_process() and _CHOSEN in os.environ:
        return Path(os.environ[_CHOSEN])
    names = (folder if number == 1 else folder.with_name(f"{folder.name}_{number}") for number in count(1))
    free = next(path for path in names if not path.exists())
    os.environ[_CHOSEN] = str(free)
    return free


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise UserError(f"config_dir: no folder {str(folder)!r}")
    return folder
