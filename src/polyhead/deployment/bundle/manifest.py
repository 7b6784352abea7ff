"""Manifest: what a bundle says of itself, its ``tasks.json``. Knows nothing about models.

It holds the tasks, whatever else a prediction needs, and the sha256 of every other file. A file that is missing,
altered or not listed is refused before anything is read from it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from polyhead.data.windows import MOST_WINDOWS
from polyhead.deployment.bundle.checksums import check_files, checksums
from polyhead.errors import UserError, check_parameters, is_finite
from polyhead.storage.digests import json_digest
from polyhead.storage.documents import read_json
from polyhead.storage.output import write_atomically
from polyhead.storage.schema import field_misfits, misfits
from polyhead.tasks import SingleLabel, Task, make_kind

FILE = "tasks.json"
FORMAT = 4
"""The newest format that this version reads. It is raised when names in the file change."""

_SINGLE_LABELS = 3  # the format of a bundle without other kinds, which older versions read

_LONGEST_REASON = 200  # characters
_MOST_TOKENS = 1_000_000  # of a text; encoders take some thousand
_TEMPERATURES = "between 1e-6 and 1e6, or None"
_PAPERS = {"LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE", "NOTICE.md", "NOTICE.txt", "CITATION.cff"}
_UNSEALED = {FILE, "README.md", *_PAPERS}  # users may edit the model card and add papers; no program reads them
_METRICS_OF_FORMAT_1 = {"calibration_error": "ece", "calibration_error_scaled": "ece_scaled"}


@dataclass(frozen=True)
class TaskEntry:
    """One head of a bundle.

    Args:
        name: of the task.
        labels: class names in the order of the logits.
        temperature: divides the logits before the softmax; None if none was fitted.
        metrics: of the test split, by name.
        kind: of the task.
        settings: options of the kind, by name.
        thresholds: how probable a label must be to be given, by label; None if none were fitted.

    Raises:
        UserError: labels that make no task, or a temperature that is not above 0.
    """

    name: str
    labels: list[str]
    temperature: float | None
    metrics: Mapping[str, float]
    kind: str = SingleLabel.name
    settings: Mapping[str, Any] = field(default_factory=dict)
    thresholds: list[float] | None = None

    @classmethod
    def of(cls, task: Task, fit: Mapping[str, Any], metrics: Mapping[str, float]) -> Self:
        """Describe a task, with what validation fitted."""
        temperature, thresholds = fit.get("temperature"), fit.get("thresholds")
        kind = task.kind
        return cls(task.name, list(task.labels), temperature, metrics, kind.name, kind.settings, thresholds)

    def __post_init__(self) -> None:
        texts = isinstance(self.labels, list) and all(isinstance(label, str) for label in self.labels)
        fitted = self.temperature is not None
        check_parameters(
            ("labels", self.labels, texts, "a list of class names"),
            ("temperature", self.temperature, not fitted or _is_temperature(self.temperature), _TEMPERATURES),
        )
        task = self.task  # refuses what makes no task
        task.kind.check_fit(task.labels, self.fit)

    @property
    def task(self) -> Task:
        """The task alone, without what was fitted and measured."""
        return Task(self.name, tuple(self.labels), make_kind(self.name, self.kind, self.settings))

    @property
    def fit(self) -> dict[str, Any]:
        """What validation fitted, as kinds take it."""
        fits = {"temperature": self.temperature, "thresholds": self.thresholds}
        return {name: value for name, value in fits.items() if value is not None}

    @property
    def plain(self) -> dict[str, Any]:
        """The entry of the file; of single labels as older versions know it."""
        entry = asdict(self)
        others = ("kind", "settings", "thresholds") if self.kind == SingleLabel.name else ()
        return {name: value for name, value in entry.items() if name not in others}


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself.

    Args:
        tasks: the heads, in their order.
        max_length: longest text in tokens, special ones and those of the prompt included.
        made_with: versions, and the run that the weights come from.
        quantization: test accuracy by task of the graphs in single precision (``float32``) and in ``int8``; empty
            without an int8 graph.
        windows: of a text, at most, each of ``max_length`` tokens; 1 cuts longer texts.
        dimensions: by width below the whole for which the heads were trained, what validation fitted there by task:
            ``{"96": {"sentiment": {"temperature": 1.2}}}``.

    Raises:
        ParameterError: no tasks or two of one name, a length below 1, or windows below 1.
    """

    tasks: list[TaskEntry]
    max_length: int
    made_with: Mapping[str, str]
    quantization: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    windows: int = 1
    dimensions: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [entry.name for entry in self.tasks]
        distinct = len(names) > 0 and len(set(names)) == len(names)
        whole = isinstance(self.max_length, int) and _is_positive(self.max_length)
        bounded = whole and self.max_length <= _MOST_TOKENS
        check_parameters(
            ("tasks", names, distinct, "at least one, and each name once"),
            ("max_length", self.max_length, bounded, f"a whole number from 1 to {_MOST_TOKENS}"),
            ("dimensions", [*self.dimensions], all(map(_is_size, self.dimensions)), "whole numbers above 0"),
            ("windows", self.windows, 1 <= self.windows <= MOST_WINDOWS, f"1 to {MOST_WINDOWS}"),
        )
        known = {entry.name: entry.task for entry in self.tasks}
        for size, fits in self.dimensions.items():
            for name, fit in fits.items():
                check_parameters((f"dimensions.{size}", name, name in known, f"one of {', '.join(known)}"))
                _check_fit(known[name], fit)


def _check_fit(task: Task, fit: Mapping[str, Any]) -> None:
    temperature = fit.get("temperature", 1.0)
    check_parameters(("temperature", temperature, _is_temperature(temperature), _TEMPERATURES))
    unknown = ", ".join(sorted({*fit} - {task.kind.fits}))
    check_parameters((task.name, unknown, not unknown, f"what validation fits of {task.kind.name}"))
    task.kind.check_fit(task.labels, fit)


def seal(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, with the sha256 of every file that is in the folder now."""
    plain = all(entry.kind == SingleLabel.name for entry in manifest.tasks) and not manifest.dimensions
    content = {"format": _SINGLE_LABELS if plain else FORMAT, **asdict(manifest)}
    if not manifest.dimensions:
        del content["dimensions"]  # as older versions know it
    content |= {"tasks": [entry.plain for entry in manifest.tasks], "files": checksums(folder, _UNSEALED)}
    content["digest"] = json_digest(content)
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    with write_atomically(folder / FILE) as partial:
        partial.write_text(text, encoding="utf-8")


def unseal(folder: Path) -> Manifest:
    """Read the manifest of a bundle, of this or an older format, and check that every file is as it was written.

    Raises:
        UserError: no bundle, one of a newer format, or a file missing, altered or not listed.
    """
    path = folder / FILE
    if not path.is_file():
        raise UserError(f"{str(folder)!r} is no bundle, it has no {FILE}; give a folder that scripts/export.py wrote")
    try:
        content = read_json(path)
        digest = content.pop("digest", None)  # bundles of 0.1.0 have none
        damaged = digest is not None and digest != json_digest(content)
        version = content.pop("format")
        files = dict(content.pop("files"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, error) from error
    if isinstance(version, int) and version > FORMAT:
        raise UserError(
            f"{str(path)!r} has format {version}, and this version of polyhead reads formats up to {FORMAT}; "
            "install a newer polyhead, or export the run with this version"
        )
    check_files(folder, files, _UNSEALED)
    try:
        manifest = _parse(_upgrade(content, version))
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # a UserError is a ValueError, too
        raise _unreadable(path, error) from error
    if damaged:  # said last: of a value that cannot be, that is the clearer message
        raise UserError(f"{str(path)!r} was altered; copy or export the bundle again")
    return manifest


def _upgrade(content: dict[str, Any], version: object) -> dict[str, Any]:
    """Return the content of any format under the names of today's.

    Raises:
        ValueError: there never was such a format.
    """
    if version in (_SINGLE_LABELS, FORMAT):
        return content
    if version not in (1, 2):
        raise ValueError(f"format {version!r}")
    content.pop("pooling", None)  # the encoder is what its modules.json says, as it was then
    if version == 1:
        content["quantization"] = content.pop("quantisation", {})
        for entry in content["tasks"]:
            metrics = entry["metrics"].items()
            entry["metrics"] = {_METRICS_OF_FORMAT_1.get(name, name): value for name, value in metrics}
    return content


def _parse(content: dict[str, Any]) -> Manifest:
    entries = content.pop("tasks")
    problems = [*misfits("tasks", entries, list[dict[str, Any]]), *field_misfits(Manifest, content)]
    for index, entry in enumerate([] if problems else entries):
        problems += [f"tasks[{index}].{problem}" for problem in field_misfits(TaskEntry, entry)]
    if problems:
        raise ValueError(problems[0])
    return Manifest(tasks=[TaskEntry(**entry) for entry in entries], **content)


def _unreadable(path: Path, error: Exception) -> UserError:
    lines = str(error).splitlines() if isinstance(error, ValueError) else []  # others say nothing to a user
    reason = f" ({lines[0][:_LONGEST_REASON]})" if lines else ""
    return UserError(f"{str(path)!r} is not as scripts/export.py writes it{reason}; export the bundle again")


def _is_temperature(value: object) -> bool:
    """Return whether a value divides logits to something: in single precision it is neither 0 nor infinite."""
    return _is_positive(value) and 1e-6 <= float(value) <= 1e6  # type: ignore[arg-type]


def _is_size(text: str) -> bool:
    return text.isdecimal() and int(text) >= 1


def _is_positive(value: object) -> bool:
    return is_finite(value) and value > 0
