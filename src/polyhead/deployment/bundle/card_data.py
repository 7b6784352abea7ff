"""Card data: what the hub reads at the head of a model card. Knows nothing about the text below it."""

import re
from typing import Any

import yaml

from polyhead.deployment.bundle.manifest import Manifest, TaskEntry

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_TYPES = {"macro_f1": "f1", "macro_precision": "precision", "macro_recall": "recall"}
"""Metric -> what the hub calls it; the rest have their own names."""


def card_data(name: str, manifest: Manifest) -> str:
    """Return the data in YAML.

    The tag of the pipeline is that of embeddings: of a tag for classification transformers would make a head of random
    weights, because its own classes hold no heads as these.

    Args:
        name: of the bundle.
        manifest: its tasks, metrics and origin.
    """
    encoder = str(manifest.made_with.get("encoder", ""))
    data: dict[str, Any] = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "feature-extraction",
        "tags": ["sentence-transformers", "multi-task", "polyhead"],
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
