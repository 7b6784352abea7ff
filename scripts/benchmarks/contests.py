"""The contests: who runs against whom, on what."""

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from benchmarks.measuring import Contestant, Outcome, compete, matrix_product_rate
from benchmarks.settings import Settings
from polyhead.activations import FrozenActivations, frozen_depth
from polyhead.batching import Batching
from polyhead.corpus import LABELS, HypotheticalCorpus, Sentence
from polyhead.data import SentenceData
from polyhead.embedder import Embedder
from polyhead.features import FeatureStore
from polyhead.freezing import Freezing
from polyhead.hardware import best_precision, keep_freed_memory
from polyhead.model import MultiTaskModel
from polyhead.optimization import Optimization
from polyhead.pretrained import EncoderSource
from polyhead.tasks import Task
from polyhead.training import MultiTaskTraining
from polyhead.weighting import Equal

ROOT = Path(__file__).parents[2]
OPTIMIZATION = Optimization(1e-4, 1e-3, weight_decay=0.01, betas=(0.9, 0.999), eps=1e-8, warmup=0.1)


class CsvFolder:
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


def open_data(settings: Settings) -> tuple[Any, tuple[Task, ...]]:
    """Return the sentences and their tasks."""
    if settings.data == "hypothetical":
        sizes = {"train": settings.rows or 4000, "validation": 1000, "test": 1000}
        corpus = HypotheticalCorpus(sizes, 0, label_noise=0, imbalance=1, correlation=0, missing=0)
        return corpus, tuple(Task(name, LABELS[name]) for name in ("category", "sentiment"))
    names = ("category", "sentiment")
    folder = CsvFolder(Path(settings.data), settings.rows, names)
    seen = {name: sorted({s.labels[name] or "" for s in folder.sentences("train")} - {""}) for name in names}
    return folder, tuple(Task(name, tuple(labels)) for name, labels in seen.items() if len(labels) > 1)


def open_encoder(settings: Settings) -> EncoderSource:
    """Return the encoder as it is configured, with random weights where no pretrained ones are at hand."""
    leaves = yaml.safe_load((ROOT / "configs" / "encoder" / f"{settings.encoder}.yaml").read_text(encoding="utf-8"))
    del leaves["_target_"]
    return replace(EncoderSource(**leaves), pretrained=settings.encoder == "minilm")


def device_of(settings: Settings) -> torch.device:
    """Return the device of the contest."""
    return torch.device("cuda" if settings.device == "gpu" else "cpu")


def encode(settings: Settings) -> Outcome:
    """Measure embedding texts of mixed length: ours against sentence-transformers."""
    from benchmarks.peers import sentence_transformers

    source, device = open_encoder(settings), device_of(settings)
    encoder, tokenizer = source.load(), source.load_tokenizer()
    with tempfile.TemporaryDirectory() as folder:
        # Random weights must be the same for all, and the reference is computed once: both go through files.
        encoder.transformer.save_pretrained(folder)  # type: ignore[operator]
        tokenizer.save_pretrained(folder)
        texts = texts_of(settings)
        reference = Embedder(encoder, tokenizer, source.max_length, "32-true", device)
        torch.save(torch.from_numpy(np.concatenate(list(reference.embed(texts)))), Path(folder, "reference.pt"))
        contestants: dict[str, Contestant] = {
            "sentence-transformers": partial(sentence_transformers, settings, folder, False),
            "sentence-transformers, bf16 weights": partial(sentence_transformers, settings, folder, True),
            "polyhead, 32-true": partial(embed, settings, folder, "32-true"),
            "polyhead, bf16": partial(embed, settings, folder, "bf16-mixed"),
        }
        outcome = compete("encode", "sentences", contestants, settings.repeats, apart=True)
    tokens = sum(len(ids) for ids in tokenizer(texts, truncation=True, max_length=source.max_length)["input_ids"])
    work = encoder_flops_per_token(encoder, tokens / len(texts)) * tokens / len(texts)  # FLOP a sentence
    outcome.notes.append(f"{len(texts):,} texts of {tokens / len(texts):.1f} tokens, {work / 1e6:.0f} MFLOP each")
    for dtype, entry in zip((torch.float32, torch.bfloat16), outcome.entries[2:], strict=True):
        peak, rate = matrix_product_rate(dtype, device), statistics.median(entry.rates) * work
        outcome.notes.append(
            f"{dtype}: matrix products reach {peak / 1e9:,.0f} GFLOP/s here; {entry.name} reaches "
            f"{rate / 1e9:,.0f}, {rate / peak:.0%} of that"
        )
    return outcome


def texts_of(settings: Settings) -> list[str]:
    """Return the training texts."""
    corpus, _ = open_data(settings)
    return [sentence.text for sentence in corpus.sentences("train")]


def embed(settings: Settings, folder: str, precision: str, _: int) -> tuple[float, dict[str, float]]:
    """Embed the texts with Polyhead."""
    keep_freed_memory()
    source = replace(open_encoder(settings), source=folder, pretrained=True, sha256=None)
    embedder = Embedder(source.load(), source.load_tokenizer(), source.max_length, precision, device_of(settings))
    return measured(lambda texts: np.concatenate(list(embedder.embed(texts))), texts_of(settings), folder)


def measured(
    embed: Callable[[list[str]], NDArray[np.float32]], texts: list[str], folder: str
) -> tuple[float, dict[str, float]]:
    """Time an embedding of the texts, after a warm-up on some of them, and compare it with the reference."""
    embed(texts[:200])
    started = time.perf_counter()
    embeddings = torch.from_numpy(embed(texts))
    seconds = time.perf_counter() - started
    reference = torch.load(Path(folder, "reference.pt"), weights_only=True)
    return len(texts) / seconds, {"min cosine": torch.cosine_similarity(embeddings, reference).min().item()}


def encoder_flops_per_token(encoder: Any, length: float) -> float:
    """Return the floating-point operations of a forward pass a token, attention over ``length`` tokens included."""
    products = sum(2 * p.numel() for name, p in encoder.layers.named_parameters() if p.ndim == 2)
    return float(products + 4 * length * encoder.hidden_size * len(encoder.layers))


def build(
    settings: Settings, frozen: Freezing, precision: str, seed: int, epochs: int, store: FeatureStore | None
) -> tuple[MultiTaskTraining, SentenceData, L.Trainer]:
    """Build a run as ``train.py`` does, without files."""
    L.seed_everything(seed, verbose=False)
    corpus, tasks = open_data(settings)
    source = open_encoder(settings)
    model = MultiTaskModel(source.load(), tasks, dropout=0.1)
    module = MultiTaskTraining(model, tasks, Equal([task.name for task in tasks]), frozen, OPTIMIZATION)
    attach = None
    if store is not None:
        depth = frozen_depth(model.encoder)
        attach = FrozenActivations(model.encoder, depth, precision, store, device_of(settings)).attach
    batching = Batching(settings.batch_size, evaluation_batch_size=128, window=50, seed=seed)
    data = SentenceData(corpus, tasks, source.load_tokenizer(), source.max_length, batching, attach)
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


def accuracies(module: MultiTaskTraining, data: SentenceData, trainer: L.Trainer) -> dict[str, float]:
    """Return the test accuracy of each task."""
    trainer.test(module, data, verbose=False)
    return {f"{task} accuracy": values["accuracy"] for task, values in module.results["test"].items()}


def polyhead(settings: Settings, frozen: Freezing, precision: str, seed: int) -> tuple[float, dict[str, float]]:
    """Train with Polyhead, nothing stored."""
    keep_freed_memory()
    module, data, trainer = build(settings, frozen, precision, seed, settings.epochs, None)
    rows = len(data.split("train"))
    started = time.perf_counter()
    trainer.fit(module, data)
    seconds = time.perf_counter() - started
    return rows * settings.epochs / seconds, accuracies(module, data, trainer)


def polyhead_stored(
    settings: Settings, frozen: Freezing, precision: str, store: FeatureStore, mode: str, seed: int
) -> tuple[float, dict[str, float]]:
    """Train with Polyhead, what is frozen stored.

    Args:
        settings: of the benchmark.
        frozen: what is.
        precision: of training.
        store: of features.
        mode: ``first`` empties the store before and counts filling it, loading included; ``second`` counts loading;
            ``epochs`` counts the epochs alone.
        seed: of the run.
    """
    keep_freed_memory()
    if mode == "first":
        store.clear()
    epochs = settings.epochs if mode == "epochs" else settings.frozen_epochs
    started = time.perf_counter()
    module, data, trainer = build(settings, frozen, precision, seed, epochs, store)
    rows = len(data.split("train"))
    if mode == "epochs":
        started = time.perf_counter()
    trainer.fit(module, data)
    seconds = time.perf_counter() - started
    return rows * epochs / seconds, {"seconds": seconds, **accuracies(module, data, trainer)}


def precision_of(settings: Settings) -> str:
    """Return the precision that ``precision=auto`` takes on the device."""
    return best_precision("gpu" if settings.device == "gpu" else "cpu")


def finetune(settings: Settings) -> Outcome:
    """Measure training of everything: ours against Hugging Face's Trainer."""
    from benchmarks.peers import hugging_face

    best = precision_of(settings)
    contestants: dict[str, Contestant] = {
        "Trainer, fp32": partial(hugging_face, settings, Freezing([]), False),
        "Trainer, bf16": partial(hugging_face, settings, Freezing([]), True),
        f"polyhead, {best}": partial(polyhead, settings, Freezing([]), best),
    }
    return compete("finetune", "sentences", contestants, settings.repeats, apart=True)


def frozen(settings: Settings) -> Outcome:
    """Measure training of the heads alone: ours, the one encoder pass included, against the Trainer."""
    from benchmarks.peers import hugging_face

    backbone, best = Freezing(["encoder"]), precision_of(settings)
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(folder, limit_gb=10)
        contestants: dict[str, Contestant] = {
            "Trainer, fp32": partial(hugging_face, settings, backbone, False),
            "polyhead, first run": partial(polyhead_stored, settings, backbone, best, store, "first"),
            "polyhead, second run": partial(polyhead_stored, settings, backbone, best, store, "second"),
        }
        outcome = compete("frozen", "sentences", contestants, settings.repeats, apart=True)
    outcome.notes.append(
        f"a sentence counts once an epoch; polyhead ran {settings.frozen_epochs} epochs, loading of model and data "
        f"included, the Trainer {settings.epochs} epochs, of which its steps alone count"
    )
    return outcome


def partly_frozen(settings: Settings) -> Outcome:
    """Measure an epoch with the embeddings and four layers frozen, stored, against one of full training."""
    best, lower = precision_of(settings), Freezing.lower_layers(4)
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(folder, limit_gb=50)
        contestants: dict[str, Contestant] = {
            "everything trained": partial(polyhead, settings, Freezing([]), best),
            "lower layers frozen, features=off": partial(polyhead, settings, lower, best),
            "lower layers frozen, stored": partial(polyhead_stored, settings, lower, best, store, "epochs"),
        }
        return compete("partial", "sentences", contestants, settings.repeats, apart=True)


def startup(settings: Settings) -> Outcome:
    """Measure the seconds from the command to the first optimizer step, and where they go."""
    steps = {
        "python": ["-c", "pass"],
        "import torch": ["-c", "import torch"],
        "import transformers' models": ["-c", "import polyhead.pretrained"],
        "import lightning": ["-c", "import lightning"],
        "train.py --help": ["train.py", "--help"],
        "train.py to its first optimizer step": [
            "train.py",
            "+callbacks.clock._target_=benchmarks.clock.StopAfterFirstStep",
        ],
    }

    def timed(arguments: list[str]) -> Contestant:
        def contestant(_: int) -> tuple[float, dict[str, float]]:
            with tempfile.TemporaryDirectory() as folder:
                extra = [f"hydra.run.dir={folder}/run"] if "+callbacks" in arguments[-1] else []
                started = time.perf_counter()
                subprocess.run(
                    [sys.executable, *arguments, *extra],
                    cwd=ROOT,
                    check=True,
                    capture_output=True,
                    env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
                )
                seconds = time.perf_counter() - started
            return 1 / seconds, {"seconds": seconds}

        return contestant

    return compete("startup", "starts", {name: timed(step) for name, step in steps.items()}, settings.repeats)


def corpus(settings: Settings) -> Outcome:
    """Measure how fast hypothetical sentences are generated, on one core."""
    size = settings.rows or 100_000

    def generator(split: str) -> Contestant:
        def contestant(seed: int) -> tuple[float, dict[str, float]]:
            source = HypotheticalCorpus({split: size}, seed, label_noise=0, imbalance=1, correlation=0, missing=0)
            started = time.perf_counter()
            texts = {sentence.text for sentence in source.sentences(split)}
            return size / (time.perf_counter() - started), {"distinct": len(texts) / size}

        return contestant

    return compete(
        "corpus", "sentences", {split: generator(split) for split in ("train", "validation", "test")}, settings.repeats
    )


CONTESTS = {
    "encode": encode,
    "finetune": finetune,
    "frozen": frozen,
    "partial": partly_frozen,
    "startup": startup,
    "corpus": corpus,
}
