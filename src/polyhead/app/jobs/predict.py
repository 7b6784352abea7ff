"""One prediction, from its configuration to its file, or of shards to a folder of such files."""

import sys
import time
from collections.abc import Mapping

from omegaconf import DictConfig

from polyhead import hardware
from polyhead.app.config.builder import plain
from polyhead.app.config.options import check_options
from polyhead.app.jobs.shard_prediction import is_of_shards, predict_shards
from polyhead.app.jobs.table_options import TABLE_OPTIONS, read_dialect
from polyhead.app.jobs.table_prediction import TableCounts, TablePrediction, load_predictor
from polyhead.app.terminal.progress import text_progress
from polyhead.app.terminal.reading_notes import tell_reading
from polyhead.deployment.selection import check_wanted
from polyhead.errors import UserError, check_parameters, did_you_mean
from polyhead.storage.row_readers import open_rows
from polyhead.storage.rows import RowReader

ENGINES = ("local", "ray")
_MOST_WORKERS = 100_000


def run(config: DictConfig) -> None:
    """Predict every row of the input and write it with the predictions.

    Raises:
        UserError: the configuration has problems, or a row has something else than a text.
    """
    hardware.keep_freed_memory()
    check_options(
        config,
        sections=(),
        model=str,
        input=str,
        pair=str | None,
        output=str,
        overwrite=bool,
        engine=str,
        workers=int | None,
        address=str | None,
        all_probabilities=bool,
        embeddings=bool,
        top_k=int,
        coverage=float | Mapping | None,
        accuracy=float | Mapping | None,
        backend=str,
        precision=str,
        device=str,
        dimensions=int | None,
        **TABLE_OPTIONS,
    )
    check_parameters(
        ("top_k", config.top_k, config.top_k >= 1, "1 or more"),
        ("workers", config.workers, config.workers is None or 1 <= config.workers <= _MOST_WORKERS, "1 or more"),
    )
    if config.engine not in ENGINES:
        raise UserError(f"engine: unknown {config.engine!r}; {did_you_mean(config.engine, ENGINES)}")
    for name in ("workers", "address"):
        if config.engine != "ray" and config[name] is not None:
            raise UserError(f"{name}: without effect, since engine={config.engine} is one process; set engine=ray")
    check_wanted(**{name: plain(config)[name] for name in ("coverage", "accuracy")})
    if is_of_shards(config):
        predict_shards(config)
    elif config.engine != "local":
        raise UserError(f"engine: {config.engine} given, and input is one file; name a folder of shards, or a pattern")
    else:
        _predict_file(config)


def _predict_file(config: DictConfig) -> None:
    """Predict the rows of one file, or of standard input."""
    if config.embeddings and config.output.endswith(".csv"):
        raise UserError("embeddings: a CSV cell holds no list; write .jsonl or .parquet, or set embeddings=false")
    with open_rows(config.input, config.input_format, read_dialect(config)) as reader:
        reader.check(config.text)
        prediction = TablePrediction(config, load_predictor(config))
        started = time.perf_counter()
        with text_progress() as progress:
            bar = progress.add_task("predicting", total=reader.size, rows=0)

            def report(reader: RowReader, rows: int) -> None:
                progress.update(bar, completed=reader.position, rows=rows)

            counts = prediction.run(reader, config.output, config.overwrite, report)
    _tell(reader, counts, config.output, prediction.limit, time.perf_counter() - started)


def _tell(reader: RowReader, counts: TableCounts, output: str, limit: str, seconds: float) -> None:
    tell_reading(reader)
    rate = f"{counts.rows / seconds:,.0f} per second"
    print(f"{counts.rows:,} texts predicted, written to {output}: {rate}{counts.odd(limit)}", file=sys.stderr)
