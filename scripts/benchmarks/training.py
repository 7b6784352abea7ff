"""The benchmarks of training: everything, the heads alone, the upper layers alone, and balanced gradients."""

import tempfile
import time
from functools import partial
from typing import Any

from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.peak import note_share_of_peak
from benchmarks.second_half import LightningSecondHalf
from benchmarks.settings import Settings
from benchmarks.trainer import hugging_face
from benchmarks.training_run import EVERYTHING_TRAINED, accuracies_on_test, build
from benchmarks.workload import (
    device_of,
    encoder_flops_per_token,
    multiplies_bf16,
    open_encoder,
    precision_of,
    tokens_per_text,
)
from polyhead.freezing.activation_cache import ActivationCache
from polyhead.freezing.plans import FreezeSpec
from polyhead.hardware import keep_freed_memory

GROUPED = {"train_sampling_strategy": "group_by_length"}
"""Arguments by which the Trainer puts sentences of like length into a batch, as Polyhead does."""


def polyhead(
    settings: Settings, frozen: FreezeSpec, precision: str, seed: int, *, compiled: bool = False, **options: Any
) -> Measurement:
    """Train with Polyhead, nothing cached; compiling counts. ``options`` are those of :func:`training_run.build`."""
    keep_freed_memory()
    module, data, trainer = build(settings, frozen, precision, seed, settings.epochs, **options)
    if compiled:
        module.model.encoder.compile_layers()
    rows = len(data.split("train"))
    clock = LightningSecondHalf()
    trainer.callbacks.append(clock)  # type: ignore[attr-defined]
    started = time.perf_counter()
    trainer.fit(module, data)
    seconds = time.perf_counter() - started
    figures = {"steps": trainer.global_step, **clock.figures(settings.batch_size)}
    figures |= accuracies_on_test(module, data, trainer)
    return Measurement(rows * settings.epochs, seconds, figures)


def polyhead_cached(
    settings: Settings, frozen: FreezeSpec, precision: str, cache: ActivationCache, mode: str, seed: int
) -> Measurement:
    """Train with Polyhead, the activations of the frozen part cached.

    Args:
        settings: of the benchmark.
        frozen: the parts that are not trained.
        precision: of training.
        cache: of the activations.
        mode: ``first`` empties the cache before and counts filling it, loading included; ``second`` counts loading;
            ``epochs`` counts the epochs alone.
        seed: of the run.
    """
    keep_freed_memory()
    if mode == "first":
        cache.clear()
    epochs = settings.epochs if mode == "epochs" else settings.frozen_epochs
    started = time.perf_counter()
    module, data, trainer = build(settings, frozen, precision, seed, epochs, cache)
    rows = len(data.split("train"))
    if mode == "epochs":
        started = time.perf_counter()
    trainer.fit(module, data)
    seconds = time.perf_counter() - started
    figures = {"seconds": seconds, "steps": trainer.global_step, **accuracies_on_test(module, data, trainer)}
    return Measurement(rows * epochs, seconds, figures)


def finetune(settings: Settings) -> Comparison:
    """Measure training of everything: ours against Hugging Face's Trainer, at its defaults and at its fastest."""
    best, native = precision_of(settings), multiplies_bf16(settings)
    fastest: dict[str, Any] = {"bf16": native, **GROUPED}
    half = "bf16" if native else "fp32"
    train = partial(hugging_face, settings, EVERYTHING_TRAINED)
    ours = partial(polyhead, settings, EVERYTHING_TRAINED, best)
    baselines = {
        "Trainer, fp32": Baseline(partial(train, {})),
        "Trainer, bf16": Baseline(partial(train, {"bf16": True}), bf16=True),
        f"Trainer, {half}, group_by_length": Baseline(partial(train, fastest), native),
        f"polyhead, {best}": Baseline(ours, native),
    }
    if settings.compile:
        compiled = Baseline(partial(train, {**fastest, "torch_compile": True}), native)
        baselines[f"Trainer, {half}, group_by_length, compiled"] = compiled
        baselines[f"polyhead, {best}, compiled"] = Baseline(partial(ours, compiled=True), native)
    comparison = compare("finetune", "sentences", baselines, settings, apart=True)
    length = tokens_per_text(settings)
    forward = encoder_flops_per_token(open_encoder(settings).skeleton(), length)
    note_share_of_peak(comparison, 3 * forward, length, device_of(settings))  # backward is twice forward
    return comparison


def weighting(settings: Settings) -> Comparison:
    """Measure how much balancing the tasks' gradients costs in full fine-tuning, at the embedding and at parameters."""
    best, native = precision_of(settings), multiplies_bf16(settings)
    rule = {"aggregator": "PCGrad", "settings": {}, "gives_mean": False}
    train = partial(polyhead, settings, EVERYTHING_TRAINED, best)
    runs = {
        "the sum of the losses": train,
        "the same, conflict watched": partial(train, watch_conflict=True),
        "PCGrad at the embedding": partial(train, rule={**rule, "level": "embedding"}),
        "PCGrad at the parameters": partial(train, rule={**rule, "level": "parameters"}),
    }
    baselines = {title: Baseline(run, native) for title, run in runs.items()}
    return compare("weighting", "sentences", baselines, settings, apart=True)


def frozen(settings: Settings) -> Comparison:
    """Measure training of the heads alone: ours, the one encoder pass included, against the Trainer."""
    backbone = FreezeSpec(["encoder"])
    best, native = precision_of(settings), multiplies_bf16(settings)
    with tempfile.TemporaryDirectory() as folder:
        cache = ActivationCache(folder, limit_gb=10)
        train = partial(polyhead_cached, settings, backbone, best, cache)
        baselines = {
            "Trainer, fp32": Baseline(partial(hugging_face, settings, backbone, {})),
            "polyhead, first run": Baseline(partial(train, "first"), native),
            "polyhead, second run": Baseline(partial(train, "second"), native),
        }
        comparison = compare("frozen", "sentences", baselines, settings, apart=True)
    comparison.notes.append(
        f"a sentence counts once per epoch; polyhead ran {settings.frozen_epochs} epochs, loading of model and data "
        f"included, the Trainer {settings.epochs} epochs, of which its steps alone count"
    )
    return comparison


def partly_frozen(settings: Settings) -> Comparison:
    """Measure an epoch with the embeddings and four layers frozen, cached or not, against one of full training."""
    lower = FreezeSpec.lower_layers(4)
    best, native = precision_of(settings), multiplies_bf16(settings)
    with tempfile.TemporaryDirectory() as folder:
        cache = ActivationCache(folder, limit_gb=50)
        runs = {
            "everything trained": partial(polyhead, settings, EVERYTHING_TRAINED, best),
            "lower layers frozen, activation_cache=off": partial(polyhead, settings, lower, best),
            "lower layers frozen, cached": partial(polyhead_cached, settings, lower, best, cache, "epochs"),
        }
        baselines = {title: Baseline(run, native) for title, run in runs.items()}
        return compare("partial", "sentences", baselines, settings, apart=True)
