"""Conditions: runs that differ in nothing but the seed belong together. Knows nothing about their metrics' meaning."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polyhead.runs.names import shorten
from polyhead.runs.neutral_keys import CACHE_FOLDERS, is_neutral
from polyhead.runs.record import RunRecord
from polyhead.runs.report.data_versions import DATA_VERSION, number_versions
from polyhead.runs.status import DONE

NONE = "–"
CONFIGURATION = "configuration"
"""The column that names the run whose configuration cannot be read."""

_IGNORED = {*map(".".join, CACHE_FOLDERS), "trust"}
_MEASURED = re.compile(r"tasks\.\w+\.(mean|spread)")  # of the training numbers of a task, and no choice
Replicate = tuple[Any, ...]
"""Values of the keys that are averaged over: the seed."""


@dataclass(frozen=True)
class Condition:
    """Runs of one configuration.

    Args:
        values: by column, those in which conditions differ.
        runs: by seed, or by the other keys that are averaged over.
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
        The conditions, and the runs that a later one of the same configuration and seed replaces.
    """
    done = [record for record in records if record.status == DONE]
    compared = _compared_keys(done, over)
    versions = number_versions(done)
    members: dict[str, dict[Replicate, RunRecord]] = {}
    replaced: list[RunRecord] = []
    for record in done:
        version = versions[str(record.folder)]
        identity = json.dumps([_unknown(record), version, *(_value(record, key) for key in compared)], default=str)
        replicate = tuple(_hashable(record.config.get(key)) for key in over)
        runs = members.setdefault(identity, {})
        if replicate in runs:
            replaced.append(runs[replicate])
        runs[replicate] = record
    columns = _in_given_order(_columns(done, compared), done)
    conditions = _shortened([_condition(runs, columns) for runs in members.values()])
    if len({*versions.values()}) > 1:
        conditions = [_with_version(condition, versions) for condition in conditions]
    return conditions, replaced


def _condition(runs: Mapping[Replicate, RunRecord], columns: Iterable[str]) -> Condition:
    first = next(iter(runs.values()))
    return Condition({column: _text(first, column) for column in columns}, runs)


def _shortened(conditions: Sequence[Condition]) -> list[Condition]:
    """Write values as the names of a sweep's folders have them: a file by its stem."""
    columns = dict.fromkeys(column for condition in conditions for column in condition.values)
    short = {column: shorten(condition.values[column] for condition in conditions) for column in columns}
    named = [{column: short[column][text] for column, text in one.values.items()} for one in conditions]
    return [replace(condition, values=values) for condition, values in zip(conditions, named, strict=True)]


def _with_version(condition: Condition, versions: Mapping[str, int]) -> Condition:
    folder = str(next(iter(condition.runs.values())).folder)
    return replace(condition, values={**condition.values, DATA_VERSION: str(versions[folder])})


def _in_given_order(columns: Sequence[str], records: Iterable[RunRecord]) -> list[str]:
    """Put columns in the order in which command lines gave their keys, as names of folders have them; others last."""
    given = dict.fromkeys(text.lstrip("+").partition("=")[0] for record in records for text in record.overrides)
    return sorted(columns, key=lambda column: list(given).index(column) if column in given else len(given))


def _compared_keys(records: Sequence[RunRecord], over: Sequence[str]) -> list[str]:
    """List the keys that make conditions differ: not the place of a run, nor keys that follow those averaged over."""
    keys = dict.fromkeys(key for record in records for key in record.config)
    ignored = {*over, *_IGNORED}
    chosen = [key for key in keys if not (key in ignored or is_neutral(key) or _MEASURED.fullmatch(key))]
    return [key for key in chosen if not _follows(key, records, over)]


def _follows(key: str, records: Sequence[RunRecord], over: Sequence[str]) -> bool:
    """Return whether a key differs between runs just as one of ``over`` does, as ``loader.seed`` follows ``seed``."""
    values = [record.config.get(key) for record in records]
    averaged = [[record.config.get(name) for record in records] for name in over]
    return len(set(map(str, values))) > 1 and values in averaged


def _unknown(record: RunRecord) -> str:
    """Return the folder of a run whose configuration cannot be read: it belongs to no other; empty for the rest."""
    return "" if record.config else str(record.folder)


def _columns(records: Sequence[RunRecord], compared: Iterable[str]) -> list[str]:
    """List the keys whose values differ; those that an option of a group decides stand as that group's one column."""
    columns: dict[str, None] = dict.fromkeys([CONFIGURATION] if any(map(_unknown, records)) else [])
    records = [record for record in records if record.config]
    for key in compared:
        values = [json.dumps(_value(record, key, NONE), default=str) for record in records]
        if len(set(values)) > 1:
            group_name = key.split(".")[0]
            options = [record.choices.get(group_name) for record in records]
            columns[group_name if _decides(options, values) else key] = None
    return list(columns)


def _decides(options: Sequence[Any], values: Sequence[str]) -> bool:
    """Return whether each option goes with one value alone."""
    if None in options:
        return False
    pairs = set(zip(options, values, strict=True))
    return len(pairs) == len(set(options))


def _text(record: RunRecord, column: str) -> str:
    """Write a run's value of a column, which is a key of its configuration or a group with an option."""
    if column == CONFIGURATION:
        folder = _unknown(record)
        return f"unknown ({Path(folder).name})" if folder else "known"
    value = _value(record, column, record.choices.get(column, NONE))
    if isinstance(value, float):
        return f"{value:g}"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text.rpartition(".")[2] if column.endswith("_target_") else text


def _value(record: RunRecord, key: str, default: Any = None) -> Any:
    """Return a value of a run's configuration with its own folder left out: where a run lies makes no condition."""
    value = record.config.get(key, default)
    if value == {}:  # a group that is off, as in runs of versions that had none
        value = default
    folder = str(record.config.get("run_dir", ""))
    return value.replace(folder, "RUN") if folder and isinstance(value, str) else value


def _hashable(value: Any) -> Any:
    return json.dumps(value, default=str) if isinstance(value, list | dict) else value
