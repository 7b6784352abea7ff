"""The benchmark of watching conflict: steps with and without it in turn, by tasks and size of the encoder."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.settings import Settings
from benchmarks.training_run import EVERYTHING_TRAINED, build
from benchmarks.workload import multiplies_bf16, open_data, open_encoder, precision_of, tiny
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.sources.base import Source
from polyhead.sources.synthetic.corpus import Sentence
from polyhead.tasks import Task

_TASKS = (2, 30)
_LENGTH = 32  # tokens of every text where none is given: steps must be alike
_FIRST = 4  # steps that do not count: memory and kernels are made ready in them


@dataclass(frozen=True)
class ManyTasks(Source):
    """The sentences of a source with any number of tasks: its own, over and over under other names.

    Args:
        source: of the sentences.
        names: of a task of the source for each new one, by the latter's name.
    """

    source: Source
    names: dict[str, str]

    def sentences(self, split: str) -> Iterator[Sentence]:
        """Yield the sentences of a split."""
        for sentence in self.source.sentences(split):
            yield Sentence(sentence.text, {name: sentence.labels[old] for name, old in self.names.items()})


class InTurn(Callback):
    """Watches conflict in every other step, and takes the time of each."""

    def __init__(self) -> None:
        self.seconds: dict[bool, list[float]] = {True: [], False: []}
        self.started = 0.0

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Switch over."""
        pl_module.watch_conflict = batch_idx % 2 == 1  # type: ignore[assignment]
        _wait()
        self.started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the time."""
        _wait()
        if batch_idx >= min(_FIRST, trainer.num_training_batches // 4):
            self.seconds[bool(pl_module.watch_conflict)].append(time.perf_counter() - self.started)


def conflict(settings: Settings) -> Comparison:
    """Measure what watching conflict adds to a step: with few and many tasks, in a tiny and in a real encoder."""
    settings = replace(settings, length=settings.length or _LENGTH)
    native = multiplies_bf16(settings)
    encoders = {"a tiny encoder": tiny(open_encoder(settings)), settings.encoder: open_encoder(settings)}
    baselines = {
        f"{count} tasks, {name}": Baseline(partial(steps_in_turn, settings, encoder, count), native)
        for name, encoder in encoders.items()
        for count in _TASKS
    }
    comparison = compare("conflict", "steps", baselines, settings, apart=True)
    comparison.notes.append(
        "overhead: of the median step that is watched over the median of those between that are not"
    )
    return comparison


def steps_in_turn(settings: Settings, encoder: PretrainedEncoder, tasks: int, seed: int) -> Measurement:
    """Train one epoch, every other step watched."""
    data = many_tasks(settings, tasks)
    module, loaded, trainer = build(
        settings, EVERYTHING_TRAINED, precision_of(settings), seed, epochs=1, data=data, encoder=encoder
    )
    watch = InTurn()
    trainer.callbacks.append(watch)  # type: ignore[attr-defined]
    started = time.perf_counter()
    trainer.fit(module, loaded)
    seconds = time.perf_counter() - started
    with_it, without = (1000 * median(watch.seconds[watched]) for watched in (True, False))
    figures = {"watched ms": with_it, "unwatched ms": without, "overhead %": 100 * (with_it / without - 1)}
    return Measurement(trainer.global_step, seconds, figures)


def many_tasks(settings: Settings, count: int) -> tuple[Source, tuple[Task, ...]]:
    """Return the sentences of the benchmark with as many tasks."""
    source, tasks = open_data(settings)
    made = [Task(f"task_{index}", tasks[index % len(tasks)].labels) for index in range(count)]
    names = {task.name: tasks[index % len(tasks)].name for index, task in enumerate(made)}
    return ManyTasks(source, names), tuple(made)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
