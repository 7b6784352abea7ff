"""The benchmark ``shards``: batches of an epoch over 1, 10 and 100 percent of many files, and the memory they take."""

import tempfile
import time
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.settings import Settings
from benchmarks.workload import TASKS, loader_settings, open_encoder
from polyhead.data.datamodule import SentenceData
from polyhead.data.token_cache import TokenCache
from polyhead.errors import UserError
from polyhead.hardware import forget_peak, peak_megabytes
from polyhead.sources.shard_source import ShardSource
from polyhead.sources.synthetic.corpus import HypotheticalCorpus
from polyhead.storage.row_writers import ParquetFile

_ROWS = 1_000_000  # where rows=0
_PERCENTS = (1, 10, 100)


def shards(settings: Settings) -> Comparison:
    """Measure rows per second of processor time, tokens made on the way, and the peak of memory, without a model."""
    if settings.data != "hypothetical":
        raise UserError(f"data={settings.data}: shards are made here, of hypothetical sentences; leave data= out")
    rows = settings.rows or _ROWS
    with tempfile.TemporaryDirectory() as name:
        paths = write_shards(Path(name), rows, shard=max(1, rows // 100))
        parts = {percent: paths[: max(1, len(paths) * percent // 100)] for percent in _PERCENTS}
        baselines = {
            f"{percent} % of {rows:,} rows": Baseline(partial(read, settings, part)) for percent, part in parts.items()
        }
        comparison = compare("shards", "rows", baselines, settings, apart=True)
    comparison.notes.append("seconds are of the processor, all threads together")
    return comparison


def write_shards(folder: Path, rows: int, shard: int) -> list[Path]:
    """Write hypothetical sentences, ``shard`` of them in each file, and return the files."""
    import pyarrow as pa

    types = {
        "text": pa.string(),
        **{task.name: pa.string() for task in TASKS},
    }  # also where a label is missing throughout
    corpus = HypotheticalCorpus({"train": rows}, 0, label_noise=0, imbalance=1, correlation=0, missing=0)
    sentences = corpus.sentences("train")
    paths: list[Path] = []
    while part := [{"text": one.text, **one.labels} for one in islice(sentences, shard)]:
        paths.append(folder / f"{len(paths):05}.parquet")
        with ParquetFile(paths[-1], types, list(types)).opened() as file:
            file.append(part)
    return paths


def read(settings: Settings, paths: Sequence[Path], seed: int) -> Measurement:
    """Make the batches of one epoch of files, with empty caches."""
    tokenizer = open_encoder(settings).load_text_tokenizer()
    with tempfile.TemporaryDirectory(dir=paths[0].parent) as caches:
        source = ShardSource({"train": [*map(str, paths)]}, cache=f"{caches}/tables", limit_gb=1e3)
        source.check(TASKS)
        tokens = TokenCache(f"{caches}/tokens", limit_gb=1e3)
        data = SentenceData(source, TASKS, tokenizer, loader_settings(settings, seed), token_cache=tokens)
        forget_peak()
        started = time.process_time()
        rows = sum(len(batch) for batch in data.train_dataloader())
        seconds = time.process_time() - started
    return Measurement(rows, seconds, {"peak MB": peak_megabytes()["process"]})
