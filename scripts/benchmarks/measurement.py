"""Measurement: baselines in turn, each with what it did in how many seconds."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import connection, get_context, parent_process

from benchmarks.settings import Settings
from benchmarks.workload import multiplies_bf16


@dataclass(frozen=True)
class Measurement:
    """One run of a baseline.

    Args:
        units: how many sentences, requests or starts were done.
        seconds: wall-clock time that they took.
        figures: other figures, such as accuracy.
    """

    units: int
    seconds: float
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Units per second."""
        return self.units / self.seconds


@dataclass(frozen=True)
class Baseline:
    """One way to do the work of a benchmark, ours or another's.

    Args:
        run: takes the number of the repeat.
        bf16: whether it multiplies matrices in bf16.
    """

    run: Callable[[int], Measurement]
    bf16: bool = False


@dataclass
class Entry:
    """The measurements of one baseline, a value per repeat.

    Args:
        name: of the baseline.
        bf16: whether it multiplies matrices in bf16.
        units: how many were done.
        rates: units per second.
        extra: other figures by their names.
    """

    name: str
    bf16: bool = False
    units: list[int] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    extra: dict[str, list[float]] = field(default_factory=dict)

    def add(self, measurement: Measurement) -> None:
        """Add the next repeat."""
        self.units.append(measurement.units)
        self.rates.append(measurement.rate)
        for key, value in measurement.figures.items():
            self.extra.setdefault(key, []).append(value)


@dataclass
class Comparison:
    """The entries of a benchmark.

    Args:
        name: of the benchmark.
        unit: of what the rates count, in the plural.
        entries: in the order in which they ran.
        notes: facts that belong to the table, such as the machine's peak.
    """

    name: str
    unit: str
    entries: list[Entry]
    notes: list[str] = field(default_factory=list)


def compare(
    name: str, unit: str, baselines: dict[str, Baseline], settings: Settings, apart: bool = False
) -> Comparison:
    """Run all baselines in turn, ``settings.repeats`` times; those in bf16 only where it is multiplied natively.

    Elsewhere a product in bf16 takes about a hundred times as long, and a benchmark would seem to hang.

    Args:
        name: of the benchmark.
        unit: of what is counted, in the plural.
        baselines: by their titles, in the order of the table.
        settings: of the benchmark.
        apart: each in a fresh process, so that the settings of one process do not help or harm another baseline.
    """
    left_out = []
    if not multiplies_bf16(settings):
        left_out = [title for title, baseline in baselines.items() if baseline.bf16]
    kept = {title: baseline for title, baseline in baselines.items() if title not in left_out}
    entries = {title: Entry(title, baseline.bf16) for title, baseline in kept.items()}
    for repeat in range(settings.repeats):
        for title, baseline in kept.items():
            measurement = _run_apart(baseline, repeat) if apart else baseline.run(repeat)
            entries[title].add(measurement)
            _print_measurement(f"repeat {repeat + 1}: {title}", unit, measurement)
    comparison = Comparison(name, unit, list(entries.values()))
    if left_out:
        comparison.notes.append(f"left out, this {settings.device} has no native bf16: {'; '.join(left_out)}")
    return comparison


def _print_measurement(title: str, unit: str, measurement: Measurement) -> None:
    figures = "".join(f", {key} {value:.4g}" for key, value in measurement.figures.items())
    print(f"  {title}: {measurement.rate:,.1f} {unit}/s{figures}", flush=True)


def _run_apart(baseline: Baseline, repeat: int) -> Measurement:
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_end_with_the_parent) as pool:
        return pool.submit(baseline.run, repeat).result()


def _end_with_the_parent() -> None:
    """Have this process end when the one that started it does, however that happens."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
