"""The workload: data, encoder and run that ours and the peers share."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import lightning as L
import torch
import yaml

from benchmarks.settings import Settings
from polyhead.data.datamodule import SentenceData
from polyhead.data.samplers import LoaderSettings
from polyhead.freezing.activation_cache import ActivationCache
from polyhead.freezing.frozen_activations import attach_frozen
from polyhead.freezing.plans import FreezeSpec
from polyhead.hardware import best_precision
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.objectives.weighting import Aggregation, Equal
from polyhead.sources.base import Source
from polyhead.sources.synthetic.corpus import LABELS, HypotheticalCorpus, Sentence
from polyhead.tasks import Task
from polyhead.training.module import MultiTaskTraining
from polyhead.training.optimizer import Optimization

ROOT = Path(__file__).parents[2]
TASKS = tuple(Task(name, LABELS[name]) for name in ("category", "sentiment"))  # of the hypothetical sentences
OPTIMIZATION = Optimization(
    encoder_lr=1e-4, head_lr=1e-3, layer_decay=1.0, weight_decay=0.01, betas=(0.9, 0.999), eps=1e-8, warmup=0.1
)


class CsvFolder(Source):
    """Sentences from train.csv, validation.csv and test.csv; every column but ``text`` may be a task."""

    def __init__(self, folder: Path, rows: int, tasks: tuple[str, ...]) -> None:
        self.folder, self.rows, self.tasks = folder, rows, tasks

    def sentences(self, split: str) -> Iterator[Sentence]:
        """Yield the sentences of a split."""
        path = self.folder / f"{split}.csv" if self.folder.is_dir() else self.folder
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file)):
                if self.rows and number >= self.rows:
                    return
                yield Sentence(row["text"], {task: row.get(task) or None for task in self.tasks})


@dataclass(frozen=True)
class Joined(Source):
    """The sentences of a source, joined to texts of so many words at least; the labels are the first one's.

    Cut to as many tokens, all have the same length: what is measured then is the model and no longer the padding.
    """

    source: Any
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
            yield Sentence(" ".join(words), first.labels)


def open_data(settings: Settings) -> tuple[Any, tuple[Task, ...]]:
    """Return the sentences and their tasks."""
    source, tasks = _open_source(settings)
    return (Joined(source, settings.length) if settings.length else source), tasks


def _open_source(settings: Settings) -> tuple[Any, tuple[Task, ...]]:
    if settings.data == "hypothetical":
        most = {"train": settings.rows or 4000, "validation": 1000, "test": 1000}
        sizes = {split: min(size, settings.rows or size) for split, size in most.items()}
        corpus = HypotheticalCorpus(sizes, 0, label_noise=0, imbalance=1, correlation=0, missing=0)
        return corpus, TASKS
    names = ("category", "sentiment")
    folder = CsvFolder(Path(settings.data), settings.rows, names)
    seen = {name: sorted({s.labels[name] or "" for s in folder.sentences("train")} - {""}) for name in names}
    return folder, tuple(Task(name, tuple(labels)) for name, labels in seen.items() if len(labels) > 1)


def open_encoder(settings: Settings) -> PretrainedEncoder:
    """Return the encoder as it is configured, with random weights where no pretrained ones are at hand."""
    leaves = yaml.safe_load((ROOT / "configs" / "encoder" / f"{settings.encoder}.yaml").read_text(encoding="utf-8"))
    del leaves["_target_"]
    source = replace(PretrainedEncoder(**leaves), pretrained=settings.encoder == "minilm")
    return replace(source, max_length=settings.length) if settings.length else source


def device_of(settings: Settings) -> torch.device:
    """Return the device of the contest."""
    return torch.device("cuda" if settings.device == "gpu" else "cpu")


def texts_of(settings: Settings) -> list[str]:
    """Return the training texts."""
    corpus, _ = open_data(settings)
    return [sentence.text for sentence in corpus.sentences("train")]


def tokens_per_text(settings: Settings) -> float:
    """Return the mean number of tokens of the training texts, special ones included, padding not."""
    source, texts = open_encoder(settings), texts_of(settings)
    ids = source.load_tokenizer()(texts, truncation=True, max_length=source.max_length)["input_ids"]
    return sum(map(len, ids)) / len(texts)


def precision_of(settings: Settings) -> str:
    """Return the precision that ``precision=auto`` takes on the device."""
    return best_precision("gpu" if settings.device == "gpu" else "cpu")


def encoder_flops_per_token(encoder: Any, length: float) -> float:
    """Return the floating-point operations of a forward pass a token, attention over ``length`` tokens included."""
    products = sum(2 * p.numel() for name, p in encoder.layers.named_parameters() if p.ndim == 2)
    return float(products + 4 * length * encoder.hidden_size * len(encoder.layers))


def build(
    settings: Settings,
    frozen: FreezeSpec,
    precision: str,
    seed: int,
    epochs: int,
    store: ActivationCache | None,
    rule: Mapping[str, Any] | None = None,
    watch_conflict: bool = False,
) -> tuple[MultiTaskTraining, SentenceData, L.Trainer]:
    """Build a run as ``train.py`` does, without files.

    Args:
        settings: of the benchmark.
        frozen: what is not trained.
        precision: of training.
        seed: of the run.
        epochs: of training.
        store: of features; None computes them anew.
        rule: arguments of gradient aggregation; None sums the losses.
        watch_conflict: whether to look at how the tasks' gradients agree.
    """
    L.seed_everything(seed, verbose=False)
    corpus, tasks = open_data(settings)
    source = open_encoder(settings)
    model = MultiTaskModel(source.load(), tasks, dropout=0.1)
    names = [task.name for task in tasks]
    weighting = Aggregation(names, **rule) if rule else Equal(names)
    module = MultiTaskTraining(model, tasks, weighting, frozen, OPTIMIZATION, watch_conflict=watch_conflict)
    features = partial(attach_frozen, model.encoder, precision, store, device_of(settings)) if store else None
    batching = LoaderSettings(settings.batch_size, evaluation_batch_size=128, bucket_batches=50, seed=seed, workers=0)
    data = SentenceData(corpus, tasks, source.load_tokenizer(), source.max_length, batching, features)
    trainer = L.Trainer(
        accelerator=settings.device,
        devices=1,
        max_epochs=epochs,
        precision=precision,  # type: ignore[arg-type]
        gradient_clip_val=1.0,
        limit_val_batches=0,
        use_distributed_sampler=False,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    return module, data, trainer
