"""The benchmark ``profile``: where the time of a training step goes, by kind of operator and by package of Python."""

import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from torch.profiler import ProfilerActivity, profile

from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.settings import Settings
from benchmarks.training_run import EVERYTHING_TRAINED, build
from benchmarks.workload import multiplies_bf16, precision_of
from polyhead.errors import UserError
from polyhead.hardware import keep_freed_memory

_FIRST = 20  # steps that do not count: memory and kernels are made ready in them
_STEPS = 40  # of each part
_WHOLE = _FIRST + 3 * _STEPS
_SAMPLE_SECONDS = 1e-3  # between two looks at what Python is in
_OUTSIDE = "outside operators: Python, dispatch, logging"

KINDS: Mapping[str, tuple[str, ...]] = {
    "matrix products": ("addmm", "mm", "bmm", "linear", "matmul", "baddbmm", "mkldnn_linear", "mkldnn_linear_backward"),
    "attention": ("scaled_dot_product", "softmax", "masked_softmax"),
    "casts and copies": ("copy_", "to", "clone", "contiguous", "cat", "stack", "index_select", "_pin_memory"),
    "dropout and random numbers": ("dropout", "bernoulli_", "random_", "native_dropout", "FastDropout"),
    "GELU, LayerNorm, sums": (
        "gelu",
        "native_layer_norm",
        "layer_norm",
        "add",
        "mul",
        "div",
        "sub",
        "sum",
        "mean",
        "tanh",
        "neg",
        "where",
    ),
    "filling with zeros": ("fill_", "zero_", "zeros", "zeros_like", "new_zeros"),
    "embedding table": ("embedding",),
    "optimizer": ("_fused_adamw_", "Optimizer.", "AdamW"),
    "clipping": ("_foreach_norm", "linalg_vector_norm", "_foreach_mul_", "clamp"),
}
"""Beginnings of operators' names, without ``aten::`` and leading underscores, by kind; the longest that fits counts."""

PACKAGES = ("lightning", "torchmetrics", "tensorboard", "transformers", "polyhead/data", "polyhead", "torch")
"""Folders of packages by which the lines that Python is in are counted; the first that fits counts."""


class Watch(Callback):
    """Counts steps; times some, profiles the operators of as many, samples Python's lines in as many more."""

    def __init__(self) -> None:
        self.operators = profile(activities=[ProfilerActivity.CPU])
        self.sampler = Sampler(threading.get_ident())
        self.seconds: dict[str, float] = {}
        self.part, self.started = "", 0.0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Begin and end each part."""
        step = trainer.global_step - _FIRST
        if step < 0 or step % _STEPS:
            return
        self._end()
        part = ("alone", "operators", "lines", "")[min(step // _STEPS, 3)]
        if part == "operators":
            self.operators.start()
        if part == "lines":
            self.sampler.start()
        self.part, self.started = part, time.perf_counter()

    def _end(self) -> None:
        if self.part:
            self.seconds[self.part] = time.perf_counter() - self.started
        if self.part == "operators":
            self.operators.stop()
        if self.part == "lines":
            self.sampler.stop()
        self.part = ""


class Sampler:
    """Counts the package whose line a thread is in, a thousand times per second.

    Args:
        watched: the thread.
    """

    def __init__(self, watched: int) -> None:
        self.watched, self.counts = watched, Counter[str]()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin; the interpreter lets the sampler in at once, not after the usual five milliseconds."""
        self.interval = sys.getswitchinterval()
        sys.setswitchinterval(_SAMPLE_SECONDS / 10)
        self.thread.start()

    def stop(self) -> None:
        """End."""
        self.stopped.set()
        self.thread.join()
        sys.setswitchinterval(self.interval)

    def _run(self) -> None:
        while not self.stopped.wait(_SAMPLE_SECONDS):
            frame = sys._current_frames().get(self.watched)
            self.counts[package_of(frame)] += 1


def package_of(frame: FrameType | None) -> str:
    """Return the package of the innermost line that is of one of :data:`PACKAGES`; others count for their callers."""
    while frame is not None:
        path = frame.f_code.co_filename.replace("\\", "/")
        for package in PACKAGES:
            if f"/{package}/" in path:
                return package
        frame = frame.f_back
    return "other"


def kind_of(operator: str) -> str:
    """Return the kind of an operator by its name."""
    name = operator.removeprefix("aten::").lstrip("_")
    fits = [
        (len(start), kind) for kind, starts in KINDS.items() for start in starts if name.startswith(start.lstrip("_"))
    ]
    return max(fits)[1] if fits else "other operators"


def by_kind(operators: Iterable[tuple[str, float]], whole: float) -> dict[str, float]:
    """Return the share in percent of each kind of operator, and of what lies outside operators.

    Args:
        operators: names, and seconds spent in each itself, without those that it calls.
        whole: seconds that all took together with what lies between them.
    """
    seconds: Counter[str] = Counter()
    for name, own in operators:
        seconds[kind_of(name)] += own  # type: ignore[assignment]  # a Counter of seconds
    shares = {kind: 100 * spent / whole for kind, spent in seconds.most_common()}
    return shares | {_OUTSIDE: 100 - sum(shares.values())}


def step_profile(settings: Settings) -> Comparison:
    """Profile training of everything, as ``train.py`` does it with TensorBoard; the last repeat is the one shown.

    Raises:
        UserError: on another device than a processor.
    """
    if settings.device != "cpu":
        raise UserError(f"device={settings.device}: profile looks at a processor alone; leave device out")
    entries: dict[str, Watch] = {}
    run = partial(_train, settings, entries)
    comparison = compare("profile", "steps", {"polyhead": Baseline(run, multiplies_bf16(settings))}, settings)
    watch = entries["polyhead"]
    operators = [(event.key, event.self_cpu_time_total / 1e6) for event in watch.operators.key_averages()]
    comparison.notes.append("percent of a step by kind of operator, profiled on the main thread:")
    for kind, share in by_kind(operators, watch.seconds["operators"]).items():
        comparison.notes.append(f"  {share:5.1f}  {kind}")
    comparison.notes.append("percent of samples by the package whose line Python is in (torch: in its operators, too):")
    total = sum(watch.sampler.counts.values())
    for package, count in watch.sampler.counts.most_common():
        comparison.notes.append(f"  {100 * count / total:5.1f}  {package}")
    comparison.notes.append(f"profiling itself: {watch.seconds['operators'] / watch.seconds['alone']:.2f} of the time")
    return comparison


def _train(settings: Settings, entries: dict[str, Watch], seed: int) -> Measurement:
    keep_freed_memory()
    module, data, trainer = build(
        settings, EVERYTHING_TRAINED, precision_of(settings), seed, epochs=_WHOLE, watch_conflict=True
    )
    entries["polyhead"] = watch = Watch()
    trainer.callbacks.append(watch)  # type: ignore[attr-defined]
    trainer.fit_loop.epoch_loop.max_steps = _WHOLE
    with tempfile.TemporaryDirectory() as folder:
        trainer.loggers = [TensorBoardLogger(Path(folder), name="", version="")]
        trainer.log_every_n_steps = 10  # type: ignore[attr-defined]
        trainer.fit(module, data)
    return Measurement(_STEPS, watch.seconds["alone"], {"milliseconds": 1000 * watch.seconds["alone"] / _STEPS})
