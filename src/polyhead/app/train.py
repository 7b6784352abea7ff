"""One training run, from its configuration to its folder: build, train, test, write, show."""

import logging
import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from polyhead import hardware
from polyhead.app.composition import compose_model, compose_parts, compose_trainer, plain
from polyhead.errors import UserError
from polyhead.freezing import count_parameters
from polyhead.metrics import scalars
from polyhead.runs import Run, provenance
from polyhead.timetable import timetable

log = logging.getLogger(__name__)

_MAIN_CHOICES = ("data", "encoder", "freeze", "weighting")


def run(config: DictConfig) -> float:
    """Train and evaluate as configured, and leave the results in the run's folder.

    Returns:
        The validation value of the monitored metric.

    Raises:
        UserError: the configuration has problems, or the data or the checkpoint does not fit it.
    """
    started = time.perf_counter()
    hardware.keep_freed_memory()
    logging.captureWarnings(True)  # the log file keeps them, the terminal shows progress
    parts = compose_parts(config)

    # Lightning takes seconds to import: what is wrong with the rest has been told by now.
    import lightning as L

    from polyhead.activations import attach_frozen
    from polyhead.dashboards import log_choices, log_outcome, log_plan
    from polyhead.data import SentenceData
    from polyhead.fitting import fit_and_test
    from polyhead.summary import show
    from polyhead.throughput import Throughput
    from polyhead.training import MultiTaskTraining

    logging.getLogger("lightning").handlers.clear()  # Lightning talks to the terminal by itself; the log file has it
    throughput = Throughput()
    trainer = compose_trainer(config, parts.precision, callbacks=[throughput])
    folder = Run(Path(config.run_dir))
    first_process = os.environ.get("LOCAL_RANK", "0") == "0"
    device = hardware.device_type(config.trainer.accelerator)
    if first_process:
        folder.claim(OmegaConf.to_yaml(config, resolve=True))
        folder.write_json("provenance.json", provenance(config.seed, parts.precision, device))

    L.seed_everything(config.seed, workers=True, verbose=False)
    model = compose_model(config, parts)
    if config.compile:
        model.encoder.compile_layers()
    module = MultiTaskTraining(model, parts.tasks, parts.weighting, parts.freezing, parts.optimization)
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
    )
    trainable, total = count_parameters(model)
    if first_process:
        log.info("trainable %s of %s (%.2f %%)", f"{trainable:,}", f"{total:,}", 100 * trainable / total)
    plan = timetable(model, module.stages, parts.optimization, trainer.max_epochs)
    if first_process:
        log.info(plan.text())
    log_choices(trainer, choices(config))
    log_plan(trainer, plan.markdown())
    outcome = fit_and_test(module, data, trainer, Path(config.resume) if config.resume else None)

    final = scalars("validation", outcome.validation)
    if first_process:
        metrics = {
            "monitor": {**plain(config.monitor), "value": final.get(config.monitor.metric)},
            "validation": outcome.validation,
            "test": outcome.test,
            "epochs": outcome.epochs,
            "best_epoch": outcome.best_epoch,
            "parameters": {"trainable": trainable, "total": total},
            "seconds": {"total": time.perf_counter() - started, "training": throughput.seconds},
            "sentences_per_second": throughput.sentences_per_second,
            "precision": parts.precision,
            "device": device,
        }
        folder.write_json("metrics.json", metrics)
        log_outcome(trainer, choices(config), outcomes(final | scalars("test", outcome.test)))
        show(metrics, str(folder.folder))
    if config.monitor.metric not in final:
        raise UserError(f"monitor.metric: no {config.monitor.metric!r} was measured; valid: {', '.join(sorted(final))}")
    return final[config.monitor.metric]


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
