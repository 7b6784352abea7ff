"""Curves: the values that a run logged by step, from TensorBoard events or a CSV. Knows nothing about figures."""

import csv
from pathlib import Path

Curves = dict[str, list[tuple[int, float]]]
"""``{name: [(step, value)]}``."""


def read_curves(folder: Path) -> Curves:
    """Read the scalars of a run, however far it got; empty where it logged none."""
    return _from_events(folder) or _from_csv(folder / "metrics.csv")


def _from_events(folder: Path) -> Curves:
    if not any(folder.glob("events.out.tfevents.*")):
        return {}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    nothing_but_scalars = {"scalars": 0, "images": 1, "histograms": 1, "tensors": 1, "compressedHistograms": 1}
    events = EventAccumulator(str(folder), size_guidance=nothing_but_scalars).Reload()
    return {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}


def _from_csv(path: Path) -> Curves:
    if not path.is_file():
        return {}
    curves: Curves = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value and name not in ("step", "epoch"):
                    curves.setdefault(name, []).append((int(row["step"]), float(value)))
    return curves
