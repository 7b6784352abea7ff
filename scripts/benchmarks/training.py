"""The contests of training: everything, the heads alone, the upper layers alone."""

import tempfile
import time
from functools import partial
from typing import Any

import lightning as L

from benchmarks.measuring import Contestant, Outcome, compete, note_share_of_peak
from benchmarks.settings import Settings
from benchmarks.workload import build, device_of, encoder_flops_per_token, open_encoder, precision_of, tokens_per_text
from polyhead.data.datamodule import SentenceData
from polyhead.freezing.activation_cache import ActivationCache
from polyhead.freezing.plans import FreezeSpec
from polyhead.hardware import keep_freed_memory
from polyhead.training.module import MultiTaskTraining

GROUPED = {"bf16": True, "train_sampling_strategy": "group_by_length"}
"""The fastest that the Trainer offers without ``torch.compile``."""


def accuracies(module: MultiTaskTraining, data: SentenceData, trainer: L.Trainer) -> dict[str, float]:
    """Return the test accuracy of each task."""
    trainer.test(module, data, verbose=False)
    return {f"{task} accuracy": values["accuracy"] for task, values in module.results["test"].items()}


def polyhead(
    settings: Settings, frozen: FreezeSpec, precision: str, seed: int, *, compiled: bool = False, **options: Any
) -> tuple[float, dict[str, float]]:
    """Train with Polyhead, nothing stored; compiling counts. ``options`` are those of :func:`workload.build`."""
    keep_freed_memory()
    module, data, trainer = build(settings, frozen, precision, seed, settings.epochs, None, **options)
    if compiled:
        module.model.encoder.compile_layers()
    rows = len(data.split("train"))
    started = time.perf_counter()
    trainer.fit(module, data)
    seconds = time.perf_counter() - started
    return rows * settings.epochs / seconds, accuracies(module, data, trainer)


def polyhead_stored(
    settings: Settings, frozen: FreezeSpec, precision: str, store: ActivationCache, mode: str, seed: int
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


def finetune(settings: Settings) -> Outcome:
    """Measure training of everything: ours against Hugging Face's Trainer."""
    from benchmarks.peers import hugging_face

    best = precision_of(settings)
    contestants: dict[str, Contestant] = {
        "Trainer, fp32": partial(hugging_face, settings, FreezeSpec([]), {}),
        "Trainer, bf16": partial(hugging_face, settings, FreezeSpec([]), {"bf16": True}),
        "Trainer, bf16, group_by_length": partial(hugging_face, settings, FreezeSpec([]), GROUPED),
        f"polyhead, {best}": partial(polyhead, settings, FreezeSpec([]), best),
    }
    if settings.compile:
        options = GROUPED | {"torch_compile": True}
        contestants["Trainer, bf16, group_by_length, compiled"] = partial(
            hugging_face, settings, FreezeSpec([]), options
        )
        contestants[f"polyhead, {best}, compiled"] = partial(polyhead, settings, FreezeSpec([]), best, compiled=True)
    outcome = compete("finetune", "sentences", contestants, settings.repeats, apart=True)
    length = tokens_per_text(settings)
    forward = encoder_flops_per_token(open_encoder(settings).skeleton(), length)
    note_share_of_peak(outcome, 3 * forward, length, device_of(settings))  # backward is twice forward
    return outcome


def weighting(settings: Settings) -> Outcome:
    """Measure what balancing the tasks' gradients costs in full fine-tuning, at the embedding and at the parameters."""
    best, everything = precision_of(settings), FreezeSpec([])
    rule = {"aggregator": "PCGrad", "settings": {}, "gives_mean": False}
    train = partial(polyhead, settings, everything, best)
    contestants: dict[str, Contestant] = {
        "the sum of the losses": train,
        "the same, conflict watched": partial(train, watch_conflict=True),
        "PCGrad at the embedding": partial(train, rule={**rule, "level": "embedding"}),
        "PCGrad at the parameters": partial(train, rule={**rule, "level": "parameters"}),
    }
    return compete("weighting", "sentences", contestants, settings.repeats, apart=True)


def frozen(settings: Settings) -> Outcome:
    """Measure training of the heads alone: ours, the one encoder pass included, against the Trainer."""
    from benchmarks.peers import hugging_face

    backbone, best = FreezeSpec(["encoder"]), precision_of(settings)
    with tempfile.TemporaryDirectory() as folder:
        store = ActivationCache(folder, limit_gb=10)
        contestants: dict[str, Contestant] = {
            "Trainer, fp32": partial(hugging_face, settings, backbone, {}),
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
    best, lower = precision_of(settings), FreezeSpec.lower_layers(4)
    with tempfile.TemporaryDirectory() as folder:
        store = ActivationCache(folder, limit_gb=50)
        contestants: dict[str, Contestant] = {
            "everything trained": partial(polyhead, settings, FreezeSpec([]), best),
            "lower layers frozen, activation_cache=off": partial(polyhead, settings, lower, best),
            "lower layers frozen, stored": partial(polyhead_stored, settings, lower, best, store, "epochs"),
        }
        return compete("partial", "sentences", contestants, settings.repeats, apart=True)
