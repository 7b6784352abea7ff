"""One training run, from its configuration to its folder: build, train, test, write, show."""

import logging
import os
import time
from collections import ChainMap
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from polyhead import hardware
from polyhead.app.composition import compose_model, compose_parts, compose_trainer, plain
from polyhead.app.sweeps import SERIAL, finished_twin
from polyhead.errors import UserError
from polyhead.freezing import count_trained
from polyhead.metrics import scalars
from polyhead.runs import Run, provenance
from polyhead.timetable import timetable

if TYPE_CHECKING:
    from lightning import Callback

    from polyhead.data import SentenceData

log = logging.getLogger(__name__)

_MAIN_CHOICES = ("data", "encoder", "freeze", "weighting")


def run(config: DictConfig, callbacks: Sequence["Callback"] = (), quiet: bool = False) -> float:
    """Train and evaluate as configured, and leave the results in the run's folder.

    Args:
        config: of the run.
        callbacks: of the Trainer, besides the configured ones.
        quiet: show neither progress nor tables.

    Returns:
        The validation value of the monitored metric.

    Raises:
        UserError: the configuration has problems, or the data or the checkpoint does not fit it.
    """
    started = time.perf_counter()
    hardware.use_cores(HydraConfig.get().launcher.get("cpus_per_task"))
    logging.captureWarnings(True)  # the log file keeps them, the terminal shows progress
    if os.environ.get("LOCAL_RANK", "0") != "0":  # the first process tells what there is to tell
        logging.getLogger("polyhead").setLevel(logging.ERROR)
    parts = compose_parts(config)

    config.tasks = {
        task.name: list(task.labels) for task in parts.tasks
    }  # as they were found, for whoever reads the run

    hardware.keep_freed_memory()  # only now: looking through millions of sentences takes memory that training needs

    # Lightning takes seconds to import: what is wrong with the rest has been told by now.
    import lightning as L

    from polyhead.activations import attach_frozen
    from polyhead.dashboards import log_choices, log_layout, log_outcome, log_plan
    from polyhead.data import SentenceData
    from polyhead.fitting import fit_and_test
    from polyhead.memory import forget_peak, peak_megabytes
    from polyhead.predictions import Predictions
    from polyhead.summary import show
    from polyhead.throughput import Throughput
    from polyhead.training import MultiTaskTraining

    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).handlers.clear()  # Lightning talks to the terminal by itself; the log file has it
    forget_peak()
    throughput, predictions = Throughput(), Predictions()
    trainer = compose_trainer(config, parts.precision, callbacks=[throughput, predictions, *callbacks])
    quiet = quiet or _among_others()
    if quiet and trainer.progress_bar_callback:
        trainer.progress_bar_callback.disable()
    folder = Run(Path(config.run_dir))
    first_process = os.environ.get("LOCAL_RANK", "0") == "0"
    device = hardware.device_type(config.trainer.accelerator)
    if first_process:
        resolved = OmegaConf.to_yaml(config, resolve=True)
        if HydraConfig.get().mode == RunMode.MULTIRUN and (twin := finished_twin(folder, resolved)):
            log.info("done already: %s", twin.folder)
            return float(twin.read_json("metrics.json")["monitor"]["value"])
        folder.claim(resolved)
        made_with = provenance(config.seed, parts.precision, device)
        folder.write_json("provenance.json", {**chosen(), **made_with})

    L.seed_everything(config.seed, workers=True, verbose=False)
    model = compose_model(config, parts)
    if config.compile:
        model.encoder.compile_layers()
    module = MultiTaskTraining(
        model,
        parts.tasks,
        parts.weighting,
        parts.freezing,
        parts.optimization,
        parts.losses,
        config.watch_conflict,
    )
    features = None
    if parts.features:
        features = partial(attach_frozen, model.encoder, parts.precision, parts.features, trainer.strategy.root_device)
    data = SentenceData(
        parts.source,
        parts.tasks,
        parts.encoder.load_tokenizer(),
        parts.encoder.max_length,
        parts.batching,
        features,
        parts.tokens,
    )
    trainable, total = count_trained(model, module.stages)
    if first_process:
        log.info("trainable %s of %s (%.2f %%)", f"{trainable:,}", f"{total:,}", 100 * trainable / total)
    plan = timetable(model, module.stages, parts.optimization, trainer.max_epochs)
    if first_process:
        log.info(plan.text())
    log_choices(trainer, choices(config))
    log_layout(trainer, [task.name for task in parts.tasks])
    log_plan(trainer, plan.markdown())
    outcome = fit_and_test(module, data, trainer, Path(config.resume) if config.resume else None, config.test)

    if first_process:
        folder.write_json("provenance.json", {**chosen(), **made_with, "data": _data_digests(data)})
    final = scalars("validation", outcome.validation)
    measured = ({"test": outcome.test} | outcome.shifted) if config.test else {}
    if first_process:
        metrics = {
            "monitor": {**plain(config.monitor), "value": final.get(config.monitor.metric)},
            "validation": outcome.validation,
            "test": outcome.test,
            "shifted": outcome.shifted,
            "epochs": outcome.epochs,
            "best_epoch": outcome.best_epoch,
            "parameters": {"trainable": trainable, "total": total},
            "seconds": {"total": time.perf_counter() - started, "training": throughput.seconds},
            "sentences_per_second": throughput.sentences_per_second,
            "peak_megabytes": peak_megabytes(),
            "conflict": module.conflict.summary(),
            "features": dict(parts.features.counts) if parts.features else {},
            "precision": parts.precision,
            "device": device,
        }
        if config.test:
            folder.write_arrays("predictions.npz", predictions.arrays)
        folder.write_json("metrics.json", metrics)
        tested = [scalars(name, results) for name, results in measured.items()]
        log_outcome(trainer, choices(config), outcomes(dict(ChainMap(final, *tested))))
        if not quiet:
            show(metrics, str(folder.folder))
    if config.monitor.metric not in final:
        raise UserError(f"monitor.metric: no {config.monitor.metric!r} was measured; valid: {', '.join(sorted(final))}")
    return final[config.monitor.metric]


def _among_others() -> bool:
    """Tell whether other jobs write to the same terminal; the sweep's status line is enough for all of them then."""
    hydra = HydraConfig.get()
    return bool(hydra.mode == RunMode.MULTIRUN and hydra.launcher._target_ != SERIAL)


def _data_digests(data: "SentenceData") -> dict[str, str]:
    """Return a hash of the sentences, as token ids, and the labels of each split that was read."""
    from polyhead.features import digest

    return {
        name: digest([split.tokens, split.offsets, *(labels for _, labels in sorted(split.labels.items()))])
        for name, split in data.splits.items()
    }


def chosen() -> dict[str, Any]:
    """Return which option of each group the run took, and the overrides that make it again."""
    hydra = HydraConfig.get()
    options = {group: option for group, option in hydra.runtime.choices.items() if not group.startswith("hydra/")}
    return {"choices": options, "overrides": list(hydra.overrides.task)}


def choices(config: DictConfig) -> dict[str, Any]:
    """List what tells a run from others: the main choices, the seed, and whatever the command line overrode.

    TensorBoard's table of hyperparameters shows its first few columns only; the whole configuration is in the run.
    """
    hydra = HydraConfig.get()
    chosen: dict[str, Any] = {group: hydra.runtime.choices[group] for group in _MAIN_CHOICES}
    chosen["seed"] = config.seed
    for override in hydra.overrides.task:
        key, _, text = override.lstrip("+~").partition("=")
        value = OmegaConf.select(config, key)
        chosen.setdefault(key, value if isinstance(value, str | int | float | bool) else text)
    return chosen


def outcomes(scalars: Mapping[str, float]) -> dict[str, float]:
    """Pick the final metrics by which runs are compared."""
    return {name: value for name, value in scalars.items() if name.endswith(("/macro_f1", "/accuracy"))}
