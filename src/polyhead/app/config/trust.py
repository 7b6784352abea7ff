"""Trust: what a configuration that was read from a run may build. Knows nothing about commands.

The ``config.yaml`` of a run is data: somebody else may have written it. A ``_target_`` calls what it names, so it may
only name a public class of polyhead that belongs in its place, or one of a few of Lightning's, and no argument of those
may lead to other code or to files outside the run's folder. What a user types, or keeps in configs/, is not checked.
"""

import inspect
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from polyhead.errors import UserError
from polyhead.models.model_files import PACKAGE
from polyhead.models.pretrained import DEFAULT_TOKENIZER

ROLES = {
    "auto_epochs": ("polyhead.training", "AutoEpochs"),
    "activation_cache": ("polyhead.freezing", "ActivationCache"),
    "data": ("polyhead.sources", "Source"),
    "distillation": ("polyhead.objectives", "Distillation"),
    "encoder": ("polyhead.models", "PretrainedEncoder"),
    "freeze": ("polyhead.freezing", "FreezePlan"),
    "heads": ("polyhead.training", "SolvedHeads"),
    "health": ("polyhead.training", "EmbeddingHealth"),
    "keep_embedding": ("polyhead.objectives", "EmbeddingLoss"),
    "loader": ("polyhead.data", "LoaderSettings"),
    "loss": ("polyhead.objectives", "MultiTaskLoss"),
    "model": ("polyhead.models", "MultiTaskModel"),
    "optimizer": ("polyhead.training", "Optimization"),
    "soup": ("polyhead.runs", "Soup"),
    "tokens": ("polyhead.data", "TokenCache"),
    "weighting": ("polyhead.objectives.weighting", "Weighting"),
}
"""Place in the configuration -> the folder of polyhead whose public classes may stand there, and what they are."""

CALLBACKS = "polyhead.training.callbacks"
"""The folder of polyhead whose public classes may stand under ``callbacks.NAME``."""

LIGHTNING = {
    "callbacks": {
        f"lightning.pytorch.callbacks.{name}"
        for name in (
            "DeviceStatsMonitor",
            "EarlyStopping",
            "LearningRateMonitor",
            "ModelCheckpoint",
            "ModelSummary",
            "RichModelSummary",
            "RichProgressBar",
            "TQDMProgressBar",
            "Timer",
        )
    },
    "logger": {
        f"lightning.pytorch.loggers.{name}"
        for name in ("CSVLogger", "MLFlowLogger", "TensorBoardLogger", "WandbLogger")
    },
    "trainer": {"lightning.Trainer", "lightning.pytorch.Trainer"},
}
"""Section -> the names of Lightning's that may stand there; no configuration takes an object of torch's."""

_FILES = ("dirpath", "save_dir", "default_root_dir", "root_dir", "log_dir", "path", "folder")
"""Arguments of trainer, loggers and callbacks that name where to write."""

_CODE = {
    "allow_pickle",
    "attn_implementation",
    "_attn_implementation",
    "auto_map",
    "custom_pipelines",
    "quantization_config",
    "trust_remote_code",
    "use_safetensors",
    "weights_only",
}
"""Arguments by which the libraries below are made to run code that comes with weights or files."""

_LOGGER_ARGUMENTS = {
    "MLFlowLogger": {"artifact_location", "experiment_name", "run_name", "tracking_uri"},
    "WandbLogger": {"log_model", "name", "offline", "project", "save_dir"},
}
"""Loggers that may send what they are given to a server -> the arguments that name none but the user's own."""

_URI = "tracking_uri"
_LOCAL_DATABASE = re.compile(r"sqlite:///[\w.-]+\.db")
_NAMED = ("callbacks", "logger")
"""Sections whose entries have names, and are built one by one."""

_TARGET = "_target_"
_HYDRA = ("_args_", "_convert_", "_partial_", "_recursive_")
_ELSEWHERE = ("://", "::", "\\", "\0")  # no part of a name inside a run's folder; fsspec reads the first ones


def check_config(config: Mapping[str, Any], trust: Collection[str], folder: Path) -> None:
    """Check that a configuration builds nothing but what may be built from a run.

    Args:
        config: plain values, under the names of today.
        trust: packages whose names the user allows, with all arguments.
        folder: of the run, where its files may be written.

    Raises:
        UserError: the first name or argument that is refused, and how to allow it.
    """
    for problem in _problems(config, (), tuple(trust), folder):
        raise UserError(f"run: its config.yaml has {problem}")


def check_trust(given: object) -> tuple[str, ...]:
    """Return the packages that the option ``trust`` names: one, or a list of them.

    Raises:
        UserError: what is given are no names of packages.
    """
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not all(isinstance(name, str) and _is_dotted(name) for name in names):
        raise UserError(f"trust: {given!r} given; it must be the name of a Python package, or a list of them")
    return tuple(names)


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _problems(node: object, place: tuple[str, ...], trust: tuple[str, ...], folder: Path) -> Iterator[str]:
    """Yield what is wrong with a part of a configuration, in words that follow "it has"."""
    if isinstance(node, list):
        for index, part in enumerate(node):
            yield from _problems(part, (*place, str(index)), trust, folder)
    if not isinstance(node, Mapping):
        return
    if not _is_trusted(node.get(_TARGET), trust):
        yield from _target_problems(node, place)
        yield from _argument_problems(node, place, trust, folder)
    for key, part in node.items():
        yield from _problems(part, (*place, str(key)), trust, folder)


def _is_trusted(target: object, trust: tuple[str, ...]) -> bool:
    return isinstance(target, str) and any(target == name or target.startswith(f"{name}.") for name in trust)


def _target_problems(node: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[str]:
    """Yield what is wrong with the keys of a node by which Hydra builds it."""
    target = node.get(_TARGET)
    if _TARGET in node and not (isinstance(target, str) and is_allowed(target, place)):
        yield (
            f"{'.'.join((*place, _TARGET))}: {target!r:.100}, which is no public name of polyhead for that place; it "
            f"would run code: if you trust whoever wrote the run, allow it by trust={_package_of(target)}"
        )
    for key in filter(node.__contains__, _HYDRA):
        yield f"{'.'.join((*place, key))}, and what is read from a run is built by {_TARGET} alone; remove it there"


def _package_of(target: object) -> str:
    """Return what the user would have to trust for a target: its package, of polyhead's own names the module."""
    name = str(target)
    package = name.rpartition(".")[0] if name.startswith("polyhead.") else name.partition(".")[0]
    return package if _is_dotted(package) else "NAME"


def is_allowed(target: str, place: Sequence[str]) -> bool:
    """Return whether a target is a public class for a place: ``("freeze",)``, or ``("callbacks", NAME)``."""
    section = place[0] if place else ""
    is_entry = len(place) == (2 if section in _NAMED else 1)
    if not is_entry:
        return False
    if target in LIGHTNING.get(section, ()):
        return True
    if section == "callbacks":
        return target.rpartition(".")[0] == CALLBACKS and target.rpartition(".")[2] in _public(CALLBACKS)
    return section in ROLES and _plays(target, *ROLES[section])


def _plays(target: str, home: str, role: str) -> bool:
    """Return whether a target is a public class of a folder that plays a role, or a constructor of such a class."""
    if not target.startswith(f"{home}."):
        return False
    name, _, constructor = target.removeprefix(f"{home}.").partition(".")
    if name not in _public(home):
        return False
    module = import_module(home)
    found = getattr(module, name)
    if not (inspect.isclass(found) and issubclass(found, getattr(module, role))):
        return False
    return not constructor or isinstance(vars(found).get(constructor), classmethod)


def _public(home: str) -> Collection[str]:
    names: list[str] = import_module(home).__all__
    return names


def _argument_problems(
    node: Mapping[str, Any], place: tuple[str, ...], trust: tuple[str, ...], folder: Path
) -> Iterator[str]:
    """Yield the arguments that lead to code, or to files outside the run's folder."""
    section = place[0] if place else ""
    for key, value in node.items():
        where = ".".join((*place, str(key)))
        if key in _CODE:
            yield f"{where}, by which files of others can run code; remove it there"
        elif section == "encoder" and key == "location" and not _is_known_package(value, trust):
            package = str(value).removeprefix(PACKAGE)
            yield (
                f"{where}: {value!r:.100}, and a package is imported to find its weights, which runs its code: if you "
                f"trust it, allow it by trust={package}"
            )
        elif section == "logger" and not _stays_here(str(node.get(_TARGET)), key, value):
            yield f"{where}: {value!r:.100}, by which the logger could send the run elsewhere; remove it there"
        elif section in LIGHTNING and isinstance(value, str) and key != _URI and not _stays_inside(key, value, folder):
            yield f"{where}: {value!r:.100}, which lies outside the run's folder; name a place in {str(folder)!r} there"


def _is_known_package(location: object, trust: tuple[str, ...]) -> bool:
    """Return whether the location of an encoder is no package, or one that may be imported."""
    if not isinstance(location, str) or not location.startswith(PACKAGE):
        return True
    return location == DEFAULT_TOKENIZER or _is_trusted(location.removeprefix(PACKAGE), trust)


def _stays_here(target: str, key: object, value: object) -> bool:
    """Return whether an argument of a logger names no server, and no account."""
    if key == _URI:
        return isinstance(value, str) and _LOCAL_DATABASE.fullmatch(value) is not None
    arguments = _LOGGER_ARGUMENTS.get(target.rpartition(".")[2])
    return arguments is None or key in arguments or str(key).startswith("_")


def _stays_inside(key: object, value: str, folder: Path) -> bool:
    """Return whether a text can name no file outside a folder.

    Args:
        key: of the argument; some name files, others have names of metrics and the like, which may hold slashes.
        value: of the argument.
        folder: absolute.
    """
    path = Path(value)
    below = value.removeprefix(str(folder))  # whatever signs the user's own folder has
    if value.startswith("~") or any(sign in below for sign in _ELSEWHERE) or ".." in path.parts:
        return False
    if key in _FILES or path.is_absolute():
        return path.is_relative_to(folder)
    return True
