"""Small shards of labelled sentences, and a source of them."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet
from support.fakes import FakeSource

from polyhead.sources import ShardSource

COMMON: dict[str, Any] = {
    "shifted": None,
    "text": "text",
    "columns": None,
    "encoding": "utf-8",
    "quote": '"',
    "min_class_count": 0,
    "max_examples": 3,
}


def rows(count: int, start: int = 0) -> list[dict[str, str | None]]:
    """Return sentences as rows, all of them different."""
    sentences = list(FakeSource({"train": start + count}).sentences("train"))[start:]
    return [{"text": f"w{start + i} {one.text}", **one.labels} for i, one in enumerate(sentences)]


def write_shard(path: Path, content: list[dict[str, str | None]]) -> Path:
    """Write rows in the format that the name says."""
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(content), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in content))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(content[0]))
            writer.writeheader()
            writer.writerows(content)
    return path


def write_shards(folder: Path, sizes: list[int], ending: str = "parquet") -> list[Path]:
    """Write shards of so many rows each."""
    folder.mkdir(exist_ok=True)
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    return [
        write_shard(folder / f"part-{index}.{ending}", rows(size, start))
        for index, (size, start) in enumerate(zip(sizes, starts, strict=True))
    ]


def shard_source(cache: Path, train: Any, **settings: Any) -> ShardSource:
    """Make a source of shards."""
    files = {"train": train, **settings.pop("files", {})}
    return ShardSource(files, cache=str(cache), **COMMON | settings)
