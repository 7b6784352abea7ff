"""Data versions: which runs of one configuration had the same sentences. Knows nothing about scores or conditions."""

import json
from collections.abc import Iterable, Mapping

from polyhead.runs.record import RunRecord

DATA_VERSION = "sentences"
"""The column of the versions, where any run has another than the first."""

_DECIDE_SENTENCES = ("data", "encoder", "tasks")
_CACHES = ("data.cache", "data.limit_gb")


def number_versions(records: Iterable[RunRecord]) -> dict[str, int]:
    """Number the sentences that runs had, by their folders.

    The first are 1, and so are those of runs that noted none. A file that changed between two runs makes them 2; what
    the configuration asks for, such as another ``data.seed`` for each seed, does not.
    """
    known: dict[str, list[dict[str, str]]] = {}
    numbers: dict[str, int] = {}
    for record in records:
        versions = known.setdefault(_asked_for(record), [])
        numbers[str(record.folder)] = _number(record.data, versions)
    return numbers


def _asked_for(record: RunRecord) -> str:
    """Return what of a configuration decides the sentences, as text; the encoder's tokenizer is in their digests."""
    keys = (key for key in record.config if key.partition(".")[0] in _DECIDE_SENTENCES and key not in _CACHES)
    return json.dumps({key: record.config[key] for key in keys}, default=str, sort_keys=True)


def _number(data: Mapping[str, str], versions: list[dict[str, str]]) -> int:
    """Return the number of the first version whose splits are the same, as far as both are known; else add one."""
    for number, version in enumerate(versions, start=1):
        if all(version.get(split, digest) == digest for split, digest in data.items()):
            version.update(data)
            return number
    versions.append(dict(data))
    return len(versions)
