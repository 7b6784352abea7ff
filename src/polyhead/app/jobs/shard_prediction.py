"""The prediction of shards: a folder of tables in, a folder of as many tables out, of the same names.

A shard of the output is there whole or not at all, and one that is there is done: the same command given again predicts
the others. Beside them lies ``_predict.json``, by which another model or other options are noticed.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from polyhead.app.config.builder import plain
from polyhead.app.jobs.shard_worker import Shard, ShardResult, ShardWorker
from polyhead.app.jobs.table_options import read_dialect
from polyhead.app.jobs.table_prediction import TableCounts
from polyhead.app.terminal.progress import text_progress
from polyhead.deployment.bundle.manifest import FILE
from polyhead.errors import UserError
from polyhead.sources.file_paths import find_files
from polyhead.storage.dialect import AUTO
from polyhead.storage.digests import file_digest
from polyhead.storage.input import STANDARD_INPUT
from polyhead.storage.output import write_atomically, write_errors
from polyhead.storage.row_readers import open_rows

SETTINGS = "_predict.json"
ENDINGS = (".csv", ".jsonl", ".parquet")
_OPTIONS = (
    *("text", "pair", "encoding", "quote", "separator", "top_k", "coverage", "accuracy", "all_probabilities"),
    *("dimensions", "embeddings", "backend", "precision"),
)  # those that decide what is written
_SHOWN = 20  # lines about shards

Engine = Callable[[DictConfig, Sequence[Shard]], Iterator[ShardResult]]
"""Predicts shards, and yields a result for each in any order."""


@dataclass(frozen=True)
class Plan:
    """What there is to do.

    Args:
        shards: to be predicted.
        done: those that an earlier command predicted.
    """

    shards: Sequence[Shard]
    done: int


def is_of_shards(config: DictConfig) -> bool:
    """Return whether the input is a folder or a pattern; brackets may be part of a file's name."""
    path = Path(config.input)
    return config.input != STANDARD_INPUT and not path.is_file() and (path.is_dir() or has_magic(config.input))


def predict_shards(config: DictConfig) -> None:
    """Predict all shards that are not done; one that cannot be predicted does not stop the others.

    Raises:
        UserError: the input or the output is no folder of shards, the output was made in another way, or shards could
            not be predicted, one a line.
    """
    shards = _find(config)
    with open_rows(shards[0].input, dialect=read_dialect(config)) as reader:
        reader.check(config.text)  # before a model is loaded
    plan = _prepare(config, shards)
    started = time.perf_counter()
    counts, notes, problems, limit = _run(_engine(config.engine), config, plan)
    for line in notes[:_SHOWN]:
        print(line, file=sys.stderr)
    rate = counts.rows / (time.perf_counter() - started)
    before = f", {plan.done:,} were done before" if plan.done else ""
    count = f"{len(plan.shards) - len(problems):,} shards{before}"
    print(
        f"{counts.rows:,} texts of {count}, written to {config.output}: {rate:,.0f} per second{counts.odd(limit)}",
        file=sys.stderr,
    )
    if problems:
        lines = list(dict.fromkeys(problems))
        more = [f"{len(lines) - _SHOWN:,} more shards"] if len(lines) > _SHOWN else []
        raise UserError("\n".join([*lines[:_SHOWN], *more]))


def predict_here(config: DictConfig, shards: Sequence[Shard]) -> Iterator[ShardResult]:
    """Predict shards in this process, one after the other."""
    worker = ShardWorker(plain(config))
    yield from map(worker.predict, shards)


def _engine(name: str) -> Engine:
    if name == "local":
        return predict_here
    from polyhead.app.jobs.ray_engine import predict_on_ray

    return predict_on_ray


def _run(engine: Engine, config: DictConfig, plan: Plan) -> tuple[TableCounts, list[str], list[str], str]:
    """Return what the shards were, notes about them, problems by shard, and the most that the model reads."""
    counts, limit = TableCounts(), ""
    notes: list[str] = []
    problems: list[str] = []
    with text_progress() as progress:
        bar = progress.add_task("predicting", total=len(plan.shards), rows=0)
        for result in engine(config, plan.shards) if plan.shards else ():
            counts.add(result.counts)
            notes += [note for note in result.notes if note not in notes]
            problems += [result.problem] if result.problem else []
            limit = result.limit or limit
            progress.update(bar, advance=1, rows=counts.rows)
    return counts, notes, problems, limit


def _find(config: DictConfig) -> list[Shard]:
    """Return the shards of the input, and the names of their predictions.

    Raises:
        UserError: there are none, or some whose format is not written, or two of one name.
    """
    folder = Path(config.output)
    if folder.suffix in ENDINGS or config.output == STANDARD_INPUT:
        raise UserError(f"output: {config.output!r} given, and the input is of shards; name a folder for as many")
    if config.input_format != AUTO:
        raise UserError(
            f"input_format: {config.input_format!r} given, and the endings of shards say theirs; leave it out"
        )
    (paths,) = find_files("input", config.input)
    unfit = [path for path in paths if path.suffix not in ENDINGS or not path.is_file()]
    if unfit:
        raise UserError(
            f"input: {unfit[0]}: shards are {', '.join(ENDINGS)}, each written in its own format; convert it"
        )
    doubled = [name for name, count in Counter(path.name for path in paths).items() if count > 1]
    if doubled:
        raise UserError(f"input: two shards are called {doubled[0]!r}, and a folder holds one; predict them apart")
    if any(path.parent.resolve() == folder.resolve() for path in paths):
        raise UserError(f"output: {config.output!r} is the folder of the input; name another")
    if config.embeddings and any(path.suffix == ".csv" for path in paths):
        raise UserError("embeddings: a CSV cell holds no list; take .jsonl or .parquet, or set embeddings=false")
    return [Shard(str(path.resolve()), str(folder.resolve() / path.name)) for path in paths]


def _prepare(config: DictConfig, shards: Sequence[Shard]) -> Plan:
    """Make the folder of the output, and find what is done in it.

    Raises:
        UserError: it holds files that were made in another way, or cannot be written.
    """
    folder, settings = Path(config.output), _settings(config)
    with write_errors(folder):
        folder.mkdir(exist_ok=True)
    there = [shard for shard in shards if Path(shard.output).exists()]
    if config.overwrite:
        _remove(there)
        there = []
    elif (folder / SETTINGS).exists() or there:
        _check_same(folder, settings, there)
    with write_errors(folder), write_atomically(folder / SETTINGS) as partial:
        partial.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    stale = [shard for shard in there if _modified(shard.input) > _modified(shard.output)]
    if stale:
        print(f"{len(stale):,} shards are newer than their predictions, and predicted again", file=sys.stderr)
        _remove(stale)
    done = {shard.output for shard in there} - {shard.output for shard in stale}
    return Plan([shard for shard in shards if shard.output not in done], len(done))


def _settings(config: DictConfig) -> dict[str, Any]:
    """Return what decides the predictions: the digest of the model's manifest, which has those of its files."""
    manifest = Path(config.model) / FILE
    if not manifest.is_file():
        raise UserError(f"model: {config.model!r} is no bundle, a folder that export wrote")
    return {"model": file_digest(manifest), **{name: plain(config)[name] for name in _OPTIONS}}


def _check_same(folder: Path, settings: Mapping[str, Any], there: Sequence[Shard]) -> None:
    """Refuse to continue what was made in another way."""
    advice = "choose another folder, or set overwrite=true"
    path = folder / SETTINGS
    if not path.exists():
        raise UserError(f"output: {there[0].output!r} is there, and no {SETTINGS} says how it was made; {advice}")
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        known = {}
    others = [name for name in settings if not isinstance(known, dict) or known.get(name) != settings[name]]
    if others:
        raise UserError(f"output: {str(folder)!r} was made with another {' and '.join(others)}; {advice}")


def _remove(shards: Iterable[Shard]) -> None:
    for shard in shards:
        with write_errors(Path(shard.output)):
            Path(shard.output).unlink()


def _modified(path: str) -> int:
    return Path(path).stat().st_mtime_ns
