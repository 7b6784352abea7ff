"""Card data: what the hub reads at the head of a model card. Knows nothing about the text below it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from polyhead.deployment.bundle.manifest import Manifest, TaskEntry
from polyhead.errors import check_parameters

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_DATASET = re.compile(r"([\w.-]+/)?[\w.-]+", re.ASCII)
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_TYPES = {"macro_f1": "f1", "macro_precision": "precision", "macro_recall": "recall"}
"""Metric -> what the hub calls it; the rest have their own names."""


@dataclass(frozen=True)
class Rights:
    """What the author of a bundle says of it to the hub; nothing is guessed.

    Args:
        license: as the hub calls it, ``apache-2.0``; None says nothing.
        datasets: names on the hub of what it was trained on.

    Raises:
        ParameterError: a license or a dataset that the hub would refuse.
    """

    license: str | None = None
    datasets: Sequence[str] = ()

    def __post_init__(self) -> None:
        named = self.license is None or bool(_LICENSE.fullmatch(self.license))
        listed = all(isinstance(name, str) and _DATASET.fullmatch(name) for name in self.datasets)
        check_parameters(
            ("license", self.license, named, "a name in small letters as the hub has it, such as apache-2.0, or null"),
            ("datasets", list(self.datasets), listed, "a list of names on the hub: [owner/name]"),
        )


def card_data(name: str, manifest: Manifest, rights: Rights) -> str:
    """Return the data in YAML.

    The tag of the pipeline is that of embeddings: of a tag for classification transformers would make a head of random
    weights, because its own classes hold no heads as these.

    Args:
        name: of the bundle.
        manifest: its tasks, metrics and origin.
        rights: what its author says of it.
    """
    encoder = str(manifest.made_with.get("encoder", ""))
    data: dict[str, Any] = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "feature-extraction",
        "tags": ["sentence-transformers", "multi-task", "polyhead"],
        **({"license": rights.license} if rights.license else {}),
        **({"datasets": list(rights.datasets)} if rights.datasets else {}),
        **({"base_model": encoder} if _REPOSITORY.fullmatch(encoder) else {}),
    }
    results = [_result(entry) for entry in manifest.tasks if entry.metrics]
    if results:
        data["model-index"] = [{"name": name, "results": results}]
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000)


def _result(entry: TaskEntry) -> dict[str, Any]:
    metrics = [
        {"type": _TYPES.get(metric, metric), "name": metric, "value": float(value)}
        for metric, value in sorted(entry.metrics.items())
    ]
    return {
        "task": {"type": "text-classification" if entry.labels else "other", "name": entry.name},
        "dataset": {"type": "custom", "name": "test split of its training data"},
        "metrics": metrics,
    }
