"""The workload that ours and the peers share: sentences, tasks, encoder, device."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from benchmarks.settings import Settings
from polyhead.data.samplers import LoaderSettings
from polyhead.errors import UserError
from polyhead.hardware import best_precision
from polyhead.inference.embedder import Embedder
from polyhead.models.encoder import Encoder
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.sources.base import LabelledSentence, Source
from polyhead.sources.synthetic.corpus import LABELS, HypotheticalCorpus, Sentence
from polyhead.tasks import Task

ROOT = Path(__file__).parents[2]
SPLITS = ("train", "validation", "test")
TASKS = tuple(Task(name, LABELS[name]) for name in ("category", "sentiment"))
"""Those of the hypothetical sentences; a file may have a column for each of the same names."""
_SIZES = {"train": 4000, "validation": 1000, "test": 1000}  # hypothetical sentences where rows=0

_TINY = {
    "model_type": "bert",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}


class CsvFolder(Source):
    """Sentences from train.csv, validation.csv and test.csv.

    Args:
        path: folder of the three files, or one file that stands for each of them.
        rows: most sentences per split; 0 takes all.
        tasks: columns with labels; a file may lack them.
    """

    def __init__(self, path: Path, rows: int, tasks: tuple[str, ...]) -> None:
        self.path, self.rows, self.tasks = path, rows, tasks

    def sentences(self, split: str) -> Iterator[Sentence]:
        """Yield the sentences of a split.

        Raises:
            UserError: the file is not there, or has no column ``text``.
        """
        path = self.path / f"{split}.csv" if self.path.is_dir() else self.path
        if not path.is_file():
            raise UserError(f"data={self.path}: {path.name} is not there")
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if "text" not in (reader.fieldnames or ()):
                raise UserError(f"data={self.path}: {path.name} has no column called text")
            for row in islice(reader, self.rows or None):
                labels = {task: row.get(task) or None for task in self.tasks}
                yield Sentence(row["text"], labels)


@dataclass(frozen=True)
class JoinedSentences(Source):
    """The sentences of a source, each joined to those after it, to texts of at least ``words`` words.

    The labels are the first one's. Cut to as many tokens, all have the same length: the measurement is then of the
    model and no longer of the padding.
    """

    source: Source
    words: int

    def sentences(self, split: str) -> Iterator[Sentence]:
        """Yield the texts of a split, as many as there are sentences."""
        sentences = list(self.source.sentences(split))
        for start, first in enumerate(sentences):
            words: list[str] = []
            for sentence in islice(cycle(sentences), start, None):
                words += sentence.text.split()
                if len(words) >= self.words:
                    break
            yield Sentence(" ".join(words), dict(first.labels))


def open_data(settings: Settings) -> tuple[Source, tuple[Task, ...]]:
    """Return the sentences and their tasks; texts alone have none."""
    source, tasks = _open_hypothetical(settings) if settings.data == "hypothetical" else _open_files(settings)
    if settings.length:
        source = JoinedSentences(source, settings.length)
    return source, tasks


def _open_hypothetical(settings: Settings) -> tuple[Source, tuple[Task, ...]]:
    sizes = dict(_SIZES)
    if settings.rows:
        sizes = {split: min(size, settings.rows) for split, size in sizes.items()} | {"train": settings.rows}
    return HypotheticalCorpus(sizes, 0, label_noise=0, imbalance=1, correlation=0, missing=0), TASKS


def _open_files(settings: Settings) -> tuple[Source, tuple[Task, ...]]:
    source = CsvFolder(Path(settings.data), settings.rows, tuple(task.name for task in TASKS))
    classes: dict[str, set[str]] = {name: set() for name in source.tasks}
    for sentence in source.sentences("train"):
        for name, label in sentence.labels.items():
            if label is not None:
                classes[name].add(label)
    tasks = [Task(name, tuple(sorted(labels))) for name, labels in classes.items() if len(labels) > 1]
    return source, tuple(tasks)


def write_csv_folder(settings: Settings, folder: Path) -> list[str]:
    """Write train.csv, validation.csv and test.csv, and return the names of the tasks, a column each."""
    source, tasks = open_data(settings)
    names = [task.name for task in tasks]
    for split in SPLITS:
        write_rows(folder / f"{split}.csv", source.sentences(split), names)
    return names


def write_rows(path: Path, sentences: Iterable[LabelledSentence], tasks: Sequence[str]) -> None:
    """Write sentences to a CSV file, a column per task beside ``text``."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", *tasks])
        for sentence in sentences:
            writer.writerow([sentence.text, *map(sentence.labels.get, tasks)])


def open_encoder(settings: Settings) -> PretrainedEncoder:
    """Return the encoder as it is configured, with random weights where no pretrained ones are at hand."""
    path = ROOT / "configs" / "encoder" / f"{settings.encoder}.yaml"
    leaves = yaml.safe_load(path.read_text(encoding="utf-8"))
    del leaves["_target_"]
    source = replace(PretrainedEncoder(**leaves), pretrained=settings.encoder == "minilm")
    if settings.length:
        source = replace(source, max_length=settings.length)
    return source


def tiny(encoder: PretrainedEncoder) -> PretrainedEncoder:
    """Return an encoder of two narrow layers with random weights, which reads the same tokens."""
    return replace(encoder, architecture=_TINY, pretrained=False)


def loader_settings(settings: Settings, seed: int) -> LoaderSettings:
    """Return the sizes and order of batches, which this process makes itself."""
    return LoaderSettings(settings.batch_size, evaluation_batch_size=128, bucket_batches=50, seed=seed, workers=0)


def device_of(settings: Settings) -> torch.device:
    """Return the device of the benchmark."""
    return torch.device("cuda" if settings.device == "gpu" else "cpu")


def precision_of(settings: Settings) -> str:
    """Return the precision that ``precision=auto`` takes on the device."""
    return best_precision(settings.device)


def multiplies_bf16(settings: Settings) -> bool:
    """Return whether the device multiplies bf16 natively."""
    return precision_of(settings) == "bf16-mixed"


def texts_of(settings: Settings) -> list[str]:
    """Return the training texts."""
    source, _ = open_data(settings)
    return [sentence.text for sentence in source.sentences("train")]


def tokens_per_text(settings: Settings) -> float:
    """Return the mean number of tokens per training text, special ones included, padding not."""
    lengths = open_encoder(settings).load_text_tokenizer().tokenize(texts_of(settings)).lengths
    return float(lengths.mean())


def encoder_flops_per_token(encoder: Encoder, length: float) -> float:
    """Return the floating-point operations per token of a forward pass, attention over ``length`` tokens included.

    A product with a matrix takes two per element of it; attention, scores and sums over values, two per element of
    both.
    """
    matrices: list[Any] = [parameter for parameter in encoder.layers.parameters() if parameter.ndim == 2]
    products = sum(2 * matrix.numel() for matrix in matrices)
    attention = 4 * length * encoder.hidden_size * len(encoder.layers)
    return float(products + attention)


def unit_embeddings(embedder: Embedder, sentences: Sequence[LabelledSentence]) -> NDArray[np.float32]:
    """Embed sentences, and divide the embeddings (N, W) by their lengths."""
    found = np.concatenate([*embedder.embed([sentence.text for sentence in sentences])])
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12), dtype=np.float32)
