"""Settings: runs that differ in nothing but the seed belong together. Knows nothing about their metrics' meaning."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polyhead.runs.record import DONE, RunRecord

NONE = "–"
_IGNORED = {"run_dir", "resume"}
Replicate = tuple[Any, ...]


@dataclass(frozen=True)
class Condition:
    """Runs of one configuration.

    Args:
        values: what tells it from the other settings, by column.
        runs: by what they differ in: the seed.
    """

    values: Mapping[str, str]
    runs: Mapping[Replicate, RunRecord]

    @property
    def name(self) -> str:
        """The columns in one line: ``freeze=none weighting=equal``."""
        return " ".join(f"{column}={value}" for column, value in self.values.items() if value != NONE) or "all runs"


def group(records: Iterable[RunRecord], over: Sequence[str] = ("seed",)) -> tuple[list[Condition], list[RunRecord]]:
    """Put runs together that are done and differ in ``over`` alone.

    Args:
        records: runs in the order of their making.
        over: configuration keys to average over.

    Returns:
        The settings, and the runs that a later one of the same configuration and seed replaces.
    """
    done = [record for record in records if record.status == DONE]
    compared = _compared_keys(done, over)
    members: dict[str, dict[Replicate, RunRecord]] = {}
    replaced: list[RunRecord] = []
    for record in done:
        identity = json.dumps([_elsewhere(record, key) for key in compared])
        replicate = tuple(_hashable(record.config.get(key)) for key in over)
        runs = members.setdefault(identity, {})
        if replicate in runs:
            replaced.append(runs[replicate])
        runs[replicate] = record
    columns = _columns(done, compared)
    settings = [
        Condition({column: _value(next(iter(runs.values())), column) for column in columns}, runs)
        for runs in members.values()
    ]
    return settings, replaced


def _compared_keys(records: Sequence[RunRecord], over: Sequence[str]) -> list[str]:
    """List the keys that make settings differ: not where a run lies, nor what follows the keys averaged over."""
    keys = dict.fromkeys(key for record in records for key in record.config)
    return [key for key in keys if key not in {*over, *_IGNORED} and not _follows(key, records, over)]


def _follows(key: str, records: Sequence[RunRecord], over: Sequence[str]) -> bool:
    values = [record.config.get(key) for record in records]
    averaged = [[record.config.get(name) for record in records] for name in over]
    return len(set(map(str, values))) > 1 and values in averaged


def _columns(records: Sequence[RunRecord], compared: Iterable[str]) -> list[str]:
    """List the keys whose values differ; those that an option of a group decides stand as that group's one column."""
    columns: dict[str, None] = {}
    for key in compared:
        values = [json.dumps(_elsewhere(record, key, NONE)) for record in records]
        if len(set(values)) > 1:
            group_name = key.split(".")[0]
            options = [record.choices.get(group_name) for record in records]
            decided = None not in options and len(set(zip(options, values, strict=True))) == len(set(options))
            columns[group_name if decided else key] = None
    return list(columns)


def _value(record: RunRecord, column: str) -> str:
    value = _elsewhere(record, column, record.choices.get(column, NONE))
    if isinstance(value, float):
        return f"{value:g}"
    text = value if isinstance(value, str) else json.dumps(value)
    return text.rpartition(".")[2] if column.endswith("_target_") else text


def _elsewhere(record: RunRecord, key: str, default: Any = None) -> Any:
    """Return a value of a run's configuration with its own folder left out: where a run lies is no setting."""
    value = record.config.get(key, default)
    folder = str(record.config.get("run_dir", ""))
    return value.replace(folder, "RUN") if folder and isinstance(value, str) else value


def _hashable(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
