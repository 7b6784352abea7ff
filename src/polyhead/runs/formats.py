"""Formats: the versions of a run's JSON files, and how older ones are read.

Knows nothing about the meaning of the fields; :mod:`polyhead.runs.contents` describes them.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from polyhead.errors import UserError
from polyhead.runs.folder import RunFolder
from polyhead.runs.old_names import upgrade_choices
from polyhead.storage.schema import field_misfits

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FORMAT = 2
"""Stands under ``format`` in each file. Version 0.1.0 of polyhead wrote format 1, without that key."""


def write_fields(content: "DataclassInstance", run: RunFolder, name: str) -> None:
    """Write the fields of a dataclass to a JSON file of a run, with the format."""
    run.write_json(name, {"format": FORMAT, **vars(content)})


def read_fields(kind: type["DataclassInstance"], run: RunFolder, name: str) -> dict[str, Any]:
    """Read the fields of a dataclass from a JSON file of a run; keys that the class does not know are left out.

    Raises:
        UserError: the file is missing, damaged, incomplete or of a newer format.
    """
    content = _read_current(run, name)
    known: dict[str, Any] = {}
    missing: list[str] = []
    for item in fields(kind):
        if item.name in content:
            known[item.name] = content[item.name]
        elif item.default is MISSING and item.default_factory is MISSING:
            missing.append(item.name)
    path = str(run.folder / name)
    if missing:
        raise UserError(f"{path!r} lacks {', '.join(missing)}; is it a file of polyhead?")
    for problem in field_misfits(kind, known):
        raise UserError(f"{path!r} has {problem}; it was damaged or changed: run train.py again")
    return known


def _read_current(run: RunFolder, name: str) -> Mapping[str, Any]:
    """Read a JSON file, and give it the names of this format."""
    content = run.read_json(name)
    found = content.get("format", 1)
    path = str(run.folder / name)
    if found == FORMAT:
        return content
    if found == 1:
        try:
            return _FROM_FORMAT_1[name](content)
        except (AttributeError, TypeError) as error:  # parts of other types
            raise UserError(f"{path!r} is not as version 0.1.0 wrote it; run train.py again") from error
    raise UserError(
        f"{path!r} has format {found!r}, and this version of polyhead reads up to {FORMAT}; install a newer one"
    )


def _metrics_from_format_1(content: Mapping[str, Any]) -> dict[str, Any]:
    """Give metrics the names of format 2."""
    content = _renamed(content, {"shifted": "extra_test_sets", "features": "activation_cache"})
    for split in ("validation", "test"):
        if split in content:
            content[split] = _results_from_format_1(content[split])
    extra = content.get("extra_test_sets", {})
    content["extra_test_sets"] = {name: _results_from_format_1(tasks) for name, tasks in extra.items()}
    return content


def _provenance_from_format_1(content: Mapping[str, Any]) -> dict[str, Any]:
    """Give the choices the names of today; overrides keep theirs, as they were typed."""
    return {key: upgrade_choices(value) if key == "choices" else value for key, value in content.items()}


def _results_from_format_1(tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    names = {"calibration_error": "ece", "calibration_error_scaled": "ece_scaled"}
    return {task: _renamed(results, names) for task, results in tasks.items()}


def _renamed(content: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in content.items()}


_FROM_FORMAT_1 = {"metrics.json": _metrics_from_format_1, "provenance.json": _provenance_from_format_1}
