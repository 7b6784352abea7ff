"""Measuring: contestants in turn, medians and ratios, the machine and its ceiling."""

import os
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import connection, get_context, parent_process
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from polyhead.runs.environment import describe_environment


@dataclass
class Entry:
    """What one contestant came to.

    Args:
        name: of the contestant.
        rates: units a second, one a repeat.
        extra: other figures, such as accuracy, one a repeat.
    """

    name: str
    rates: list[float] = field(default_factory=list)
    extra: dict[str, list[float]] = field(default_factory=dict)


@dataclass
class Outcome:
    """A contest's entries, the first of which is the base of the ratios.

    Args:
        name: of the contest.
        unit: what is counted in a second.
        entries: in the order in which they ran.
        notes: facts that belong to the table, such as the machine's ceiling.
    """

    name: str
    unit: str
    entries: list[Entry]
    notes: list[str] = field(default_factory=list)


Contestant = Callable[[int], tuple[float, dict[str, float]]]
"""Takes the number of the repeat; gives units a second and other figures."""


def compete(name: str, unit: str, contestants: dict[str, Contestant], repeats: int, apart: bool = False) -> Outcome:
    """Run all contestants in turn, ``repeats`` times.

    Args:
        name: of the contest.
        unit: what is counted in a second.
        contestants: by their titles; the first is the base of the ratios.
        repeats: how often each runs.
        apart: each in a fresh process, so that what one sets for its process does not help or harm another.
    """
    entries = {title: Entry(title) for title in contestants}
    for repeat in range(repeats):
        for title, contestant in contestants.items():
            rate, extra = _in_a_process(contestant, repeat) if apart else contestant(repeat)
            entries[title].rates.append(rate)
            for key, value in extra.items():
                entries[title].extra.setdefault(key, []).append(value)
            figures = "".join(f", {key} {value:.4g}" for key, value in extra.items())
            print(f"  repeat {repeat + 1}: {title}: {rate:,.1f} {unit}/s{figures}", flush=True)
    return Outcome(name, unit, list(entries.values()))


def _in_a_process(contestant: Contestant, repeat: int) -> tuple[float, dict[str, float]]:
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=end_with_the_parent) as pool:
        return pool.submit(contestant, repeat).result()


def end_with_the_parent() -> None:
    """Have this process end when the one that started it does, however that happens."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def show(outcome: Outcome) -> None:
    """Print a contest as a table."""
    extras = sorted({key for entry in outcome.entries for key in entry.extra})
    table = Table("contestant", title=outcome.name)
    for title in (f"{outcome.unit}/s, median", "ratio to each above", *extras):
        table.add_column(title, justify="right")
    medians: list[float] = []
    for entry in outcome.entries:
        median = statistics.median(entry.rates)
        ratios = "  ".join(f"{median / above:.2f}" for above in medians)
        values = [_mean_and_range(entry.extra.get(key)) for key in extras]
        table.add_row(entry.name, f"{median:,.1f}", ratios, *values)
        medians.append(median)
    Console(width=140).print(table)
    for note in outcome.notes:
        print(note)


def _mean_and_range(values: list[float] | None) -> str:
    if not values:
        return ""
    spread = f" ({min(values):.4f} to {max(values):.4f})" if len(set(values)) > 1 else ""
    return f"{statistics.fmean(values):.4f}{spread}"


def note_share_of_peak(outcome: Outcome, flops_per_token: float, length: float, device: torch.device) -> None:
    """Note tokens a second of each entry, and how much of the machine's matrix-product rate they come to.

    Args:
        outcome: of a contest whose unit is a sentence.
        flops_per_token: floating-point operations that the model needs for a token; what is spent on padding is waste.
        length: mean tokens of a sentence.
        device: where it ran.
    """
    outcome.notes.append(f"{length:.1f} tokens a sentence, {flops_per_token / 1e6:.1f} MFLOP a token")
    peaks = {dtype: matrix_product_rate(dtype, device) for dtype in (torch.float32, torch.bfloat16)}
    outcome.notes += [f"matrix products in {dtype}: {peak / 1e9:,.0f} GFLOP/s" for dtype, peak in peaks.items()]
    for entry in outcome.entries:
        tokens = statistics.median(entry.rates) * length
        dtype = torch.bfloat16 if "bf16" in entry.name else torch.float32
        outcome.notes.append(
            f"{entry.name}: {tokens:,.0f} tokens/s, {tokens * flops_per_token / 1e9:,.0f} GFLOP/s, "
            f"{tokens * flops_per_token / peaks[dtype]:.0%} of the matrix products in {dtype}"
        )


def matrix_product_rate(dtype: torch.dtype, device: torch.device, seconds: float = 2.0) -> float:
    """Return the floating-point operations a second of the best of several shapes of matrix product."""
    shapes = [(2048, 384, 1536), (2048, 1024, 1024), (4096, 2048, 2048)]
    if device.type == "cuda":
        shapes.append((8192, 8192, 8192))  # what fills a large GPU
    best = 0.0
    for m, k, n in shapes:
        a, b = (torch.randn(*size, device=device).to(dtype) for size in ((m, k), (k, n)))
        (a @ b).sum().item()
        started, products = time.perf_counter(), 0
        while time.perf_counter() - started < seconds / len(shapes):
            for _ in range(5):  # a GPU works through a queue: waiting after every product would measure the wait
                result = a @ b
            result[0, 0].item()
            products += 5
        best = max(best, 2 * m * k * n * products / (time.perf_counter() - started))
    return best


def machine() -> dict[str, Any]:
    """Describe hardware, versions and thread count."""
    facts = describe_environment()
    return {"hardware": facts["hardware"], "versions": facts["versions"], "python": facts["python"]}
