"""One training run: build, train, test, write, show."""

import logging
import time
from collections import ChainMap
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import lightning as L
from omegaconf import DictConfig, OmegaConf

from polyhead import hardware
from polyhead.app.builder import plain
from polyhead.app.composition import MAIN_CHOICES, RunComponents, compose_model, compose_trainer
from polyhead.app.hydra_state import chosen_options, in_multirun, shares_the_terminal, task_overrides
from polyhead.app.soup_check import check
from polyhead.app.sweeps import finished_twin
from polyhead.data.datamodule import SentenceData
from polyhead.errors import UserError
from polyhead.freezing.activation_cache import ActivationCache, digest
from polyhead.freezing.frozen_activations import attach_frozen
from polyhead.freezing.plans import count_trained
from polyhead.hardware import forget_peak, peak_megabytes
from polyhead.runs.folder import RunFolder, provenance
from polyhead.runs.summary import show
from polyhead.training.callbacks.predictions import PredictionRecorder
from polyhead.training.callbacks.throughput import Throughput
from polyhead.training.fit import FitResult, fit_and_test
from polyhead.training.metrics import Results, scalars
from polyhead.training.module import MultiTaskTraining
from polyhead.training.plan_table import plan_table
from polyhead.training.tensorboard import log_choices, log_layout, log_outcome, log_plan

log = logging.getLogger(__name__)


class TrainingRun:
    """A run as configured; under distributed training one in each process, of which the first writes and tells.

    Args:
        config: of the run.
        parts: what it describes.
    """

    def __init__(self, config: DictConfig, parts: RunComponents) -> None:
        self.config = config
        self.parts = parts
        self.folder = RunFolder(Path(config.run_dir))
        self.first = hardware.first_process()
        self.device = hardware.device_type(config.trainer.accelerator)
        self.throughput, self.predictions = Throughput(), PredictionRecorder()

    def run(self, started: float, callbacks: Sequence[L.Callback], quiet: bool) -> float:
        """Do all of it, and return the validation value of the monitored metric.

        Args:
            started: when the run began, by ``time.perf_counter``.
            callbacks: of the Trainer, besides the configured ones.
            quiet: show neither progress nor tables.

        Raises:
            UserError: data, weights or checkpoint do not fit, or what is monitored was not measured.
        """
        for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).handlers.clear()  # Lightning talks to the terminal by itself; the log file has it
        forget_peak()
        quiet = quiet or shares_the_terminal()
        trainer = self._trainer(callbacks, quiet)
        if self.first:
            resolved = OmegaConf.to_yaml(self.config, resolve=True)
            if in_multirun() and (twin := finished_twin(self.folder, resolved)):
                log.info("done already: %s", twin.folder)
                return float(twin.read_json("metrics.json")["monitor"]["value"])
            self.folder.claim(resolved)
            self.folder.write_json("provenance.json", self._made_with)
        L.seed_everything(self.config.seed, workers=True, verbose=False)
        module = self._module()
        soup = self._start_from_average(module, trainer)
        data = self._data(module, trainer, self.parts.activation_cache)
        parameters = count_trained(module.model, module.stages)
        self._announce(module, trainer, *parameters)
        resume = Path(self.config.resume) if self.config.resume else None
        outcome = fit_and_test(module, data, trainer, resume, self.config.test)
        validation = scalars("validation", outcome.validation)
        if self.first:
            self.folder.write_json("provenance.json", {**self._made_with, "data": _data_digests(data)})
            monitored = validation.get(self.config.monitor.metric)
            metrics = self._metrics(outcome, module, monitored, *parameters, time.perf_counter() - started)
            metrics |= {"soup": soup} if soup else {}
            if self.config.test:
                self.folder.write_arrays("predictions.npz", self.predictions.arrays)
            self.folder.write_json("metrics.json", metrics)
            measured = ({"test": outcome.test} | outcome.shifted) if self.config.test else {}
            tested = [scalars(name, results) for name, results in measured.items()]
            log_outcome(trainer, hparams(self.config), final_metrics(dict(ChainMap(validation, *tested))))
            if not quiet:
                show(metrics, str(self.folder.folder))
        name = self.config.monitor.metric
        if name not in validation:
            raise UserError(f"monitor.metric: no {name!r} was measured; valid: {', '.join(sorted(validation))}")
        return validation[name]

    def _trainer(self, callbacks: Sequence[L.Callback], quiet: bool) -> L.Trainer:
        trainer = compose_trainer(
            self.config, self.parts.precision, callbacks=[self.throughput, self.predictions, *callbacks]
        )
        if quiet and trainer.progress_bar_callback:
            trainer.progress_bar_callback.disable()
        return trainer

    def _module(self) -> MultiTaskTraining:
        model = compose_model(self.config, self.parts)
        if self.config.compile:
            model.encoder.compile_layers()
        parts = self.parts
        return MultiTaskTraining(
            model,
            parts.tasks,
            parts.weighting,
            parts.freeze_plan,
            parts.optimization,
            parts.loss,
            self.config.watch_conflict,
        )

    def _data(self, module: MultiTaskTraining, trainer: L.Trainer, store: ActivationCache | None) -> SentenceData:
        parts = self.parts
        features = None
        if store:
            device = trainer.strategy.root_device
            features = partial(attach_frozen, module.model.encoder, parts.precision, store, device)
        tokenizer, limit = parts.encoder.load_tokenizer(), parts.encoder.max_length
        return SentenceData(parts.source, parts.tasks, tokenizer, limit, parts.loader, features, parts.token_cache)

    def _start_from_average(self, module: MultiTaskTraining, trainer: L.Trainer) -> list[str]:
        """Give the model the average of other runs, where that is asked for, and return which they are."""
        if self.parts.soup is None:
            return []
        data = self._data(module, trainer, store=None)  # the encoder is another in a moment
        for split in ("validation", *(data.source.test_sets if self.config.test else ())):
            data.split(split)
        check(self.parts.soup.runs, self.config, _data_digests(data))
        monitor = self.config.monitor

        def validate() -> Results:
            trainer.validate(module, data, verbose=False)
            return module.results["validation"]

        def score(results: Results) -> float:
            value = scalars("validation", results)[monitor.metric]
            return value if monitor.mode == "max" else -value

        used = self.parts.soup.fill(module.model, validate, score)
        module.results.clear()  # of whatever was tried last
        log.info("soup: the average of %d of %d runs", len(used), len(self.parts.soup.runs))
        return used

    def _announce(self, module: MultiTaskTraining, trainer: L.Trainer, trainable: int, total: int) -> None:
        """Tell what is going to be trained, on the terminal and on the dashboard."""
        plan = plan_table(module.model, module.stages, self.parts.optimization, trainer.max_epochs)
        if self.first:
            log.info("trainable %s of %s (%.2f %%)", f"{trainable:,}", f"{total:,}", 100 * trainable / total)
            if trainable:
                log.info(plan.text())
        log_choices(trainer, hparams(self.config))
        log_layout(trainer, [task.name for task in self.parts.tasks])
        log_plan(trainer, plan.markdown())

    @cached_property
    def _made_with(self) -> dict[str, Any]:
        return {**hydra_choices(), **provenance(self.config.seed, self.parts.precision, self.device)}

    def _metrics(
        self,
        outcome: FitResult,
        module: MultiTaskTraining,
        monitored: float | None,
        trainable: int,
        total: int,
        seconds: float,
    ) -> dict[str, Any]:
        return {
            "monitor": {**plain(self.config.monitor), "value": monitored},
            "validation": outcome.validation,
            "test": outcome.test,
            "shifted": outcome.shifted,
            "epochs": outcome.epochs,
            "best_epoch": outcome.best_epoch,
            "parameters": {"trainable": trainable, "total": total},
            "seconds": {"total": seconds, "training": self.throughput.seconds},
            "sentences_per_second": self.throughput.sentences_per_second,
            "peak_megabytes": peak_megabytes(),
            "conflict": module.conflict.summary(),
            "features": dict(self.parts.activation_cache.counts) if self.parts.activation_cache else {},
            "precision": self.parts.precision,
            "device": self.device,
        }


def _data_digests(data: SentenceData) -> dict[str, str]:
    """Return a hash of the sentences, as token ids, and the labels of each split that was read."""
    return {
        name: digest([split.tokens, split.offsets, *(labels for _, labels in sorted(split.labels.items()))])
        for name, split in data.splits.items()
    }


def hydra_choices() -> dict[str, Any]:
    """Return which option of each group the run took, and the overrides that make it again."""
    return {"choices": chosen_options(), "overrides": task_overrides()}


def hparams(config: DictConfig) -> dict[str, Any]:
    """List what tells a run from others: the main choices, the seed, and whatever the command line overrode.

    TensorBoard's table of hyperparameters shows its first few columns only; the whole configuration is in the run.
    """
    options = chosen_options()
    values: dict[str, Any] = {group: options[group] for group in MAIN_CHOICES} | {"seed": config.seed}
    for override in task_overrides():
        key, _, text = override.lstrip("+~").partition("=")
        value = OmegaConf.select(config, key)
        values.setdefault(key, value if isinstance(value, str | int | float | bool) else text)
    return values


def final_metrics(scalars: Mapping[str, float]) -> dict[str, float]:
    """Pick the final metrics by which runs are compared."""
    return {name: value for name, value in scalars.items() if name.endswith(("/macro_f1", "/accuracy"))}
