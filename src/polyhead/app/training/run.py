"""One training run: build, train, test, write, show."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import lightning as L
from omegaconf import DictConfig

from polyhead.app.config.builder import plain
from polyhead.app.config.invocation import Invocation
from polyhead.app.terminal.run_log import silence_lightning
from polyhead.app.training.components import RunComponents
from polyhead.app.training.composition import compose_model
from polyhead.app.training.embedding_watch import EmbeddingWatch
from polyhead.app.training.head_start import solve_heads
from polyhead.app.training.hparams import final_metrics, health_metrics, hparams, monitored_value
from polyhead.app.training.resumption import Resumption
from polyhead.app.training.run_data import DataNotes, data_digests, make_data
from polyhead.app.training.run_notes import RunNotes
from polyhead.app.training.soup_start import start_from_average
from polyhead.app.training.taken_heads import take_heads
from polyhead.app.training.trainer import compose_trainer
from polyhead.app.training.training_plan import TrainingPlan
from polyhead.data.datamodule import SentenceData
from polyhead.freezing.frozen_activations import attach_frozen
from polyhead.hardware import device_type, forget_peak, peak_megabytes
from polyhead.processes import first_process
from polyhead.runs.contents import Monitor, PairConflict, ParameterCounts, RunMetrics, Seconds, SplitResults
from polyhead.runs.folder import RunFolder
from polyhead.runs.predictions import Predictions
from polyhead.runs.summary import show
from polyhead.training.callbacks.predictions import PredictionRecorder
from polyhead.training.callbacks.throughput import Throughput
from polyhead.training.compilation import CompileLongTraining
from polyhead.training.fit import FitResult, fit_and_test
from polyhead.training.loggers import close_loggers, log_table, open_loggers
from polyhead.training.metrics import Results, scalars
from polyhead.training.module import MultiTaskTraining
from polyhead.training.tensorboard import log_final_metrics, log_hparams, log_layout


class TrainingRun:
    """A run as configured; under distributed training one in each process, of which the first writes and shows.

    Args:
        config: of the run.
        parts: the objects that the configuration describes.
        resumption: what the run continues.
        asked: how it was asked for.
    """

    def __init__(self, config: DictConfig, parts: RunComponents, resumption: Resumption, asked: Invocation) -> None:
        self.config, self.parts = config, parts
        self.resumption = resumption
        self.asked = asked
        self.folder = RunFolder(Path(config.run_dir))
        self.notes = RunNotes(config, parts, resumption, asked)
        self.first = first_process()
        self.device = device_type(config.trainer.accelerator)
        self.throughput, self.predictions = Throughput(), PredictionRecorder()

    def run(self, started: float, callbacks: Sequence[L.Callback], quiet: bool) -> float:
        """Do all of it, and return the validation value of the monitored metric.

        Args:
            started: when the run began, by ``time.perf_counter``.
            callbacks: of the Trainer, besides the configured ones.
            quiet: show neither progress nor tables.

        Raises:
            UserError: data, weights or checkpoint do not fit, or the monitored metric was not measured.
        """
        silence_lightning()
        forget_peak()
        quiet = quiet or self.asked.shares_terminal
        trainer = self._trainer(callbacks, quiet)
        made_before = self.notes.claim() if self.first else None
        if made_before is not None:
            return monitored_value(made_before)
        open_loggers(trainer)
        L.seed_everything(self.config.seed, workers=True, verbose=False)
        module = self._module()
        soup = self._start_from_average(module, trainer)
        taken = take_heads(None if self.parts.soup else self.parts.start, module, self.parts.tasks)
        data = self._data(module, trainer)
        plan = TrainingPlan.of(module, trainer.max_epochs, self._solves_heads, taken)
        self._announce(plan, trainer)
        solve = partial(solve_heads, self.parts, module, data, trainer, taken) if self._solves_heads else None
        again = self.parts.heads is not None and self.parts.heads.again
        watch = EmbeddingWatch(self.parts, module, data, trainer.strategy.root_device, measures=self.first)
        share = self.config.get("interpolation", 1.0)  # runs made before version 0.2 have none
        result = fit_and_test(module, data, trainer, self.resumption.checkpoint, self.config.test, solve, again, share)
        measured = watch.measured(self.config.test) if self.first else {}
        metrics = self._metrics(result, module, plan.parameters, soup, measured, seconds=time.perf_counter() - started)
        if self.first:
            self._write(metrics, data_digests(data))
            final = final_metrics(metrics), health_metrics(metrics)
            log_final_metrics(trainer, hparams(self.config, self.asked), *final)
            close_loggers(trainer)
            if not quiet:
                show(metrics, self.folder.folder)
        return monitored_value(metrics)

    def _trainer(self, callbacks: Sequence[L.Callback], quiet: bool) -> L.Trainer:
        own: list[L.Callback] = [self.throughput, self.predictions, DataNotes(self.notes.add_data), *callbacks]
        if self.config.compile == "auto":
            own.append(CompileLongTraining())
        trainer = compose_trainer(self.config, self.parts.precision, self.parts.length, callbacks=own)
        if quiet and trainer.progress_bar_callback:
            trainer.progress_bar_callback.disable()
        return trainer

    def _module(self) -> MultiTaskTraining:
        model = compose_model(self.config, self.parts)
        if self.config.compile is True:
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
            self._solves_heads,
            parts.keep_embedding,
            parts.distillation,
        )

    @property
    def _solves_heads(self) -> bool:
        return self.parts.heads is not None and self.parts.soup is None  # an average has its heads

    def _data(self, module: MultiTaskTraining, trainer: L.Trainer, cached: bool = True) -> SentenceData:
        """Describe the sentences; ``cached`` is whether frozen activations may come from the cache."""
        parts, run = self.parts, str(self.folder.folder)
        if not (parts.activation_cache and cached):
            return make_data(parts, run)
        device = trainer.strategy.root_device
        return make_data(
            parts, run, partial(attach_frozen, module.model.encoder, parts.precision, parts.activation_cache, device)
        )

    def _start_from_average(self, module: MultiTaskTraining, trainer: L.Trainer) -> list[str]:
        """Give the model the average of other runs, where that is asked for, and return the runs that are in it."""
        if self.parts.soup is None:
            return []
        data = self._data(module, trainer, cached=False)  # the encoder is another in a moment
        return start_from_average(self.parts.soup, module, data, trainer, self.config)

    def _announce(self, plan: TrainingPlan, trainer: L.Trainer) -> None:
        """Show the plan of training in the log and on the dashboard."""
        if self.first:
            plan.log()
        log_hparams(trainer, hparams(self.config, self.asked))
        log_layout(trainer, [task.name for task in self.parts.tasks])
        log_table(trainer, "freezing plan", plan.table.titles, plan.table.rows)

    def _metrics(
        self,
        result: FitResult,
        module: MultiTaskTraining,
        parameters: ParameterCounts,
        soup: Sequence[str],
        measured: Mapping[str, Any],
        seconds: float,
    ) -> RunMetrics:
        monitor = plain(self.config.monitor)
        value = scalars("validation", result.validation).get(monitor["metric"])
        cache = self.parts.activation_cache
        return RunMetrics(
            monitor=Monitor(metric=monitor["metric"], mode=monitor["mode"], value=value),
            validation=_typed(result.validation),
            test=_typed(result.test),
            extra_test_sets={name: _typed(results) for name, results in result.extra_test_sets.items()},
            epochs=result.epochs,
            best_epoch=result.best_epoch,
            parameters=parameters,
            seconds=Seconds(total=seconds, training=self.throughput.seconds),
            sentences_per_second=self.throughput.sentences_per_second,
            peak_megabytes=peak_megabytes(),
            conflict=cast(Mapping[str, PairConflict], module.conflict.summary()),
            activation_cache=dict(cache.counts) if cache else {},
            precision=self.parts.precision,
            device=self.device,
            soup=soup,
            **measured,
            kept_heads=self.parts.kept_heads(),
        )

    def _write(self, metrics: RunMetrics, digests: Mapping[str, str]) -> None:
        """Write the results of the run; the metrics last, because they say that the run is done."""
        self.notes.complete(digests)
        if self.config.test:
            Predictions(self.predictions.labels, self.predictions.predicted).write(self.folder)
        metrics.write(self.folder)


def _typed(results: Results) -> SplitResults:
    """Return the results that training measured under the type that the run's files have for them."""
    return cast(SplitResults, results)
