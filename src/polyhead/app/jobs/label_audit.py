"""Label audit: the labels of files that are probably wrong, written for a person to look at again.

Shapes: N sentences, W units of an embedding.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from polyhead import hardware
from polyhead.app.config.builder import plain
from polyhead.app.loaded.later_reading import later_files
from polyhead.app.loaded.scored_model import ScoredModel
from polyhead.app.terminal.progress import text_progress
from polyhead.errors import UserError
from polyhead.freezing.lora import merge_adapters
from polyhead.inference.embedder import Embedder
from polyhead.sources.folding import fold
from polyhead.sources.later import LaterFiles
from polyhead.storage.row_writers import open_row_file
from polyhead.storage.rows import Row, arrow
from polyhead.tasks import MISSING, Task
from polyhead.training.label_errors import FOLDS, find_label_errors

_COLUMNS = {
    "task": "string",
    "rank": "int64",
    "file": "string",
    "row": "int64",
    "text": "string",
    "given": "string",
    "suggested": "string",
    "given_probability": "float64",
    "suggested_probability": "float64",
}
"""Column of the output -> its Arrow type."""


class Audited(NamedTuple):
    """The findings on one task.

    Args:
        task: the task.
        judged: sentences whose label was judged.
        rare: classes with too few sentences to be judged.
        rows: of the output, the least credible label first.
    """

    task: Task
    judged: int
    rare: list[str]
    rows: list[Row]


def run(scored: ScoredModel, config: DictConfig) -> None:
    """Write the suspects of each task, and print how many there are.

    Raises:
        UserError: the files cannot be read, or have no labels that can be judged.
    """
    types = {}
    if config.output.endswith(".parquet"):
        types = {name: getattr(arrow("output"), kind)() for name, kind in _COLUMNS.items()}
    with open_row_file(config.output, config.overwrite, types, list(_COLUMNS)) as file:
        source = later_files(scored, config, plain(config)["audit"], "audit")
        source.check(scored.tasks)
        sentences = list(source.sentences("test"))
        texts = [sentence.text for sentence in sentences]
        codes = {
            task.name: np.array([task.index(sentence.labels.get(task.name)) for sentence in sentences])
            for task in scored.tasks
        }
        embeddings = _embed(scored, texts, config)
        found = [_audit(task, embeddings, codes[task.name], texts, source) for task in scored.tasks]
        if not any(audited.judged for audited in found):
            rule = f"each needs {FOLDS} sentences or more, and a task two such classes"
            raise UserError(f"audit: too few labels to judge any in {source.describe('test')}; a class: {rule}")
        rows = [row for audited in found for row in audited.rows]
        if rows:
            file.append(rows)
    _show(found, config.output)


def _embed(scored: ScoredModel, texts: Sequence[str], config: DictConfig) -> NDArray[np.float32]:
    """Return the embeddings of texts (N, W)."""
    device = torch.device(hardware.device_type(config.device))
    merge_adapters(scored.model.encoder)
    embedder = Embedder(scored.model.encoder, scored.tokenizer, scored.precision, device)
    chunks = []
    with text_progress() as progress:
        bar = progress.add_task("embedding", total=len(texts), rows=0)
        for chunk in embedder.embed(texts):
            chunks.append(chunk)
            progress.advance(bar, len(chunk))
    return np.concatenate(chunks)


def _audit(
    task: Task, embeddings: NDArray[np.float32], codes: NDArray[Any], texts: Sequence[str], source: LaterFiles
) -> Audited:
    """Judge the labels of one task.

    Args:
        task: the task.
        embeddings: of all sentences (N, W).
        codes: class of each sentence, ``MISSING`` where it has no label (N,).
        texts: N.
        source: knows where the sentences stand.
    """
    sizes = np.bincount(codes[codes != MISSING], minlength=len(task.labels))
    judged_classes = np.flatnonzero(sizes >= FOLDS)
    rare = [task.labels[label] for label in np.flatnonzero((sizes > 0) & (sizes < FOLDS))]
    if len(judged_classes) < 2:
        return Audited(task, 0, rare, [])
    judged = np.flatnonzero(np.isin(codes, judged_classes))
    given = np.searchsorted(judged_classes, codes[judged])
    first: dict[str, int] = {}  # numbers instead of hashes, which differ from process to process
    numbers = np.array([first.setdefault(fold(texts[row]), len(first)) for row in judged.tolist()])
    suspects = find_label_errors(embeddings[judged], given, numbers)
    rows = judged[suspects.rows].tolist()
    places = source.rows_in_files(rows)
    columns = {
        "file": [name for name, _ in places],
        "row": [row for _, row in places],
        "text": [texts[row] for row in rows],
        "given": [task.labels[label] for label in codes[rows].tolist()],
        "suggested": [task.labels[label] for label in judged_classes[suspects.suggested].tolist()],
        "given_probability": suspects.given_probability.tolist(),
        "suggested_probability": suspects.suggested_probability.tolist(),
    }
    listed = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    ranked = [{"task": task.name, "rank": rank, **row} for rank, row in enumerate(listed, start=1)]
    return Audited(task, len(judged), rare, ranked)


def _show(found: Sequence[Audited], output: str) -> None:
    table = Table()
    table.add_column("task", overflow="fold")
    for title in ("labels judged", "suspects", "share"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("most often", overflow="fold")
    for audited in found:
        pairs = Counter((row["given"], row["suggested"]) for row in audited.rows)
        often = ", ".join(f"{given} -> {other} ({count})" for (given, other), count in pairs.most_common(2))
        share = f"{len(audited.rows) / audited.judged:.1%}" if audited.judged else "-"
        table.add_row(audited.task.name, f"{audited.judged:,}", f"{len(audited.rows):,}", share, often)
    console = Console(stderr=True)
    console.print(table)
    lines = [
        f"{audited.task.name}: not judged, fewer than {FOLDS} sentences each: {', '.join(audited.rare)}"
        for audited in found
        if audited.rare
    ]
    console.print("\n".join([*lines, f"written to {output}"]), highlight=False, markup=False, soft_wrap=True)
