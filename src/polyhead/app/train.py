"""One training run, from its configuration to its folder: build, train, test, write, show."""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from polyhead.app import hardware
from polyhead.app.composition import compose_model, compose_parts, compose_trainer, plain
from polyhead.errors import UserError
from polyhead.freezing import count_parameters
from polyhead.metrics import scalars
from polyhead.runs import Run, provenance

log = logging.getLogger(__name__)

# Neither settings that a comparison would list, nor long: paths, checksums, and what shows rather than decides.
_NO_CHOICES: tuple[str, ...] = ("tasks", "monitor", "run_dir", "resume", "callbacks", "logger", "loader.seed")
_NO_CHOICES += (
    "encoder.architecture",
    "encoder.sha256",
    "trainer.default_root_dir",
    "trainer.enable_model_summary",
)
_NO_CHOICES += (
    "trainer.log_every_n_steps",
    "trainer.num_sanity_val_steps",
    "trainer.use_distributed_sampler",
)


def run(config: DictConfig) -> float:
    """Train and evaluate as configured, and leave the results in the run's folder.

    Returns:
        The validation value of the monitored metric.

    Raises:
        UserError: the configuration has problems, or the data or the checkpoint does not fit it.
    """
    started = time.perf_counter()
    logging.captureWarnings(True)  # the log file keeps them, the terminal shows progress
    parts = compose_parts(config)

    # Lightning takes seconds to import: what is wrong with the rest has been told by now.
    import lightning as L

    from polyhead.activations import FrozenActivations, frozen_depth
    from polyhead.dashboards import log_choices, log_outcome
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
    module = MultiTaskTraining(model, parts.tasks, parts.weighting, parts.freezing, parts.optimization)
    depth = frozen_depth(model.encoder)
    data = SentenceData(
        parts.source,
        parts.tasks,
        parts.encoder.load_tokenizer(),
        parts.encoder.max_length,
        parts.batching,
        FrozenActivations(model.encoder, depth, parts.precision, parts.features, trainer.strategy.root_device).attach
        if depth and parts.features
        else None,
    )
    trainable, total = count_parameters(model)
    if first_process:
        log.info("trainable %s of %s (%.2f %%)", f"{trainable:,}", f"{total:,}", 100 * trainable / total)
    log_choices(trainer, dict(choices(config)))
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
        log_outcome(trainer, dict(choices(config)), final | scalars("test", outcome.test))
        show(metrics, str(folder.folder))
    if config.monitor.metric not in final:
        raise UserError(f"monitor.metric: no {config.monitor.metric!r} was measured; valid: {', '.join(sorted(final))}")
    return final[config.monitor.metric]


def choices(config: DictConfig) -> Iterator[tuple[str, Any]]:
    """List a run's choices flat: the option of each group, and each value that makes a difference."""
    for group, option in HydraConfig.get().runtime.choices.items():
        if not group.startswith("hydra/") and option is not None:
            yield group, option
    yield from _leaves(plain(config))


def _leaves(node: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        key = f"{prefix}{name}"
        if key in _NO_CHOICES or name.startswith("_"):
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{key}.")
        else:
            yield key, str(value) if isinstance(value, list) else value
