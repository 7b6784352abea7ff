"""The benchmark ``scale``: what training costs as one thing grows, beside the operations that the model needs."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.settings import Settings
from benchmarks.training_run import EVERYTHING_TRAINED, build
from benchmarks.workload import encoder_flops_per_token, multiplies_bf16, open_data, open_encoder, precision_of, tiny
from polyhead.errors import UserError
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.sources.base import Source
from polyhead.sources.synthetic.corpus import Sentence
from polyhead.tasks import Task

AXES = {
    "sentences": (1_000, 10_000, 100_000, 1_000_000),
    "tasks": (1, 2, 5, 10, 20, 50),
    "classes": (2, 10, 100, 1_000),
    "tokens": (8, 32, 128, 512),
    "layers": (1, 2, 3, 6),
}
_TASKS, _CLASSES, _LENGTH = 2, 6, 16  # of what does not grow
_FIRST, _STEPS = 2, 8  # steps that do not count, and steps that do


@dataclass(frozen=True)
class MadeUpLabels(Source):
    """The texts of a source with labels of any tasks, each class as often as the others."""

    source: Source
    tasks: tuple[Task, ...]

    def sentences(self, split: str) -> Iterator[Sentence]:
        """Yield the sentences of a split."""
        for row, sentence in enumerate(self.source.sentences(split)):
            numbered = enumerate(self.tasks, start=row)
            yield Sentence(
                sentence.text, {task.name: task.labels[place % len(task.labels)] for place, task in numbered}
            )


class StepTimes(Callback):
    """Takes the processor time of each step, what comes between two steps included."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the time."""
        self.ends.append(time.process_time())

    def median(self) -> float:
        """Return the seconds of the median step, without those at the beginning."""
        counted = self.ends[_FIRST:]
        return median(after - before for before, after in pairwise(counted))


def scale(settings: Settings) -> Comparison:
    """Measure the cost of training along ``axis``: of an epoch and what precedes it for sentences, else of a step."""
    native = multiplies_bf16(settings)
    measure = epoch if settings.axis == "sentences" else step
    values = AXES[settings.axis]
    if settings.axis == "sentences" and settings.rows:
        values = tuple(value for value in values if value <= settings.rows)
        if len(values) < 2:
            raise UserError(
                f"rows={settings.rows}: it must be {AXES['sentences'][1]:,} or more with axis=sentences, or 0"
            )
    baselines = {f"{value:,} {settings.axis}": Baseline(partial(measure, settings, value), native) for value in values}
    comparison = compare("scale", "sentences", baselines, settings, apart=True)
    costs = [median(entry.extra["milliseconds"]) for entry in comparison.entries]
    works = [entry.extra["GFLOP"][0] for entry in comparison.entries]
    comparison.notes.append(
        f"{settings.axis} x {values[-1] / values[0]:,.0f}: operations of the model x {works[-1] / works[0]:,.2f}, "
        f"milliseconds of the processor x {costs[-1] / costs[0]:,.2f}; between neighbours at most the "
        f"{_steepest(values, costs):.2f}th power"
    )
    return comparison


def epoch(settings: Settings, sentences: int, seed: int) -> Measurement:
    """Generate, tokenize and train on so many sentences once, with a tiny encoder: the rest is what there is to see."""
    settings = replace(settings, rows=sentences)
    encoder = tiny(open_encoder(settings))
    started = time.process_time()
    work = _train(settings, encoder, _named(_TASKS, _CLASSES), seed)[0]
    seconds = time.process_time() - started
    return Measurement(sentences, seconds, {"milliseconds": 1000 * seconds, "GFLOP": sentences * work / 1e9})


def step(settings: Settings, value: int, seed: int) -> Measurement:
    """Take the time of steps with one thing grown to ``value``."""
    grown = {"tasks": _TASKS, "classes": _CLASSES, "tokens": settings.length or _LENGTH} | {settings.axis: value}
    batch = settings.batch_size
    settings = replace(settings, rows=(_FIRST + _STEPS) * batch, length=grown["tokens"])
    encoder = open_encoder(settings)
    if settings.axis == "layers":
        encoder = replace(encoder, layers=value)
    work, seconds = _train(settings, encoder, _named(grown["tasks"], grown["classes"]), seed)
    return Measurement(batch, seconds, {"milliseconds": 1000 * seconds, "GFLOP": batch * work / 1e9})


def _train(settings: Settings, encoder: PretrainedEncoder, tasks: tuple[Task, ...], seed: int) -> tuple[float, float]:
    """Train one epoch; return the operations per sentence, of the model alone, and the seconds of the median step."""
    data = MadeUpLabels(open_data(settings)[0], tasks), tasks
    module, loaded, trainer = build(
        settings, EVERYTHING_TRAINED, precision_of(settings), seed, epochs=1, data=data, encoder=encoder
    )
    times = StepTimes()
    trainer.callbacks.append(times)  # type: ignore[attr-defined]
    found = len(loaded.split("train"))
    if found < settings.rows:
        raise UserError(f"data={settings.data}: {found:,} sentences, and scale needs {settings.rows:,}")
    trainer.fit(module, loaded)
    length = float(loaded.split("train").lengths.mean())
    return 3 * _forward_flops(module.model, tasks, length), times.median()  # backward is twice forward


def _forward_flops(model: MultiTaskModel, tasks: tuple[Task, ...], length: float) -> float:
    """Return the floating-point operations of a sentence: the encoder's, and the heads' products with its embedding."""
    heads = sum(2 * len(task.labels) * model.encoder.embedding_size for task in tasks)
    return length * encoder_flops_per_token(model.encoder, length) + heads


def _named(tasks: int, classes: int) -> tuple[Task, ...]:
    labels = tuple(f"class_{index}" for index in range(classes))
    return tuple(Task(f"task_{index}", labels) for index in range(tasks))


def _steepest(values: Sequence[int], costs: Sequence[float]) -> float:
    """Return the highest power of the value with which the cost grows from one value to the next."""
    logs = [(math.log(value), math.log(cost)) for value, cost in zip(values, costs, strict=True)]
    return max((cost - less) / (value - below) for (below, less), (value, cost) in pairwise(logs))
