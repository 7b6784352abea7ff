"""What the pictures of measurements share: tables beside the scripts, and pictures that are the same each time."""

import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib.figure import Figure

HERE = Path(__file__).parent


def read_table(name: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file of this folder."""
    with (HERE / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def save(figure: Figure, name: str) -> None:
    """Write a figure into docs/."""
    figure.savefig(HERE.parent / name, dpi=110, metadata={"Software": ""})
