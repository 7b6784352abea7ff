"""Cross-validation: a run for each fold, in one process, and what they come to together."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning import Callback
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from polyhead.app.config.resume_point import AUTO
from polyhead.errors import UserError
from polyhead.runs.folds import check_extras, join_folds
from polyhead.training.callbacks.out_of_fold import OutOfFold

log = logging.getLogger(__name__)

Train = Callable[[DictConfig, Sequence[Callback], bool], float]
"""Configuration, callbacks and whether to be quiet -> the validation value of the monitored metric."""

_SHOWN = {  # metric -> title; a column without a value has no place
    "accuracy": "accuracy",
    "micro_f1": "micro-F1",
    "macro_f1": "macro-F1",
    "kappa": "kappa",
    "spearman": "Spearman",
    "mae": "MAE",
    "loss": "loss",
    "ece": "ECE",
}


def run(config: DictConfig, train: Train, quiet: bool = False) -> float:
    """Train and test each fold in a folder of its own, and write what they come to; return the mean of their values.

    Args:
        config: of the runs, with ``data.folds`` and without ``data.fold``.
        train: makes the run of one fold.
        quiet: show no table.

    Raises:
        UserError: as ``train``, or the test sentences are left alone.
    """
    check_extras()
    if not config.test:
        raise UserError("data.folds: folds are there to be tested, and test=false; leave one of them out")
    if config.resume not in (None, AUTO):
        raise UserError(
            f"resume: {config.resume!r} given with data.folds, which makes {config.data.folds} runs; resume=auto "
            "continues them all, and data.fold=N one of them"
        )
    folder = Path(config.run_dir)
    folds = config.data.folds
    runs, values = [], []
    for fold in range(folds):
        part = config.copy()
        part.data.fold = fold
        part.run_dir = str(folder / f"fold={fold}")
        log.info("fold %d of %d: %s", fold, folds, part.run_dir)
        values.append(train(part, [OutOfFold(Path(part.run_dir), fold)], True))
        runs.append(Path(part.run_dir))
    measured = join_folds(folder, runs)
    if not quiet:
        _show(measured, folder)
    return sum(values) / len(values)


def _show(measured: Mapping[str, Mapping[str, Mapping[str, Any]]], folder: Path) -> None:
    table = Table(caption="mean over the folds, and the 95 % interval of it", caption_justify="left", caption_style="")
    table.add_column("task", overflow="fold")
    shown = {name: title for name, title in _SHOWN.items() if any(name in metrics for metrics in measured.values())}
    for title in shown.values():
        table.add_column(title, justify="right")
    for task, metrics in measured.items():
        table.add_row(task, *(_cell(metrics[name]) if name in metrics else "–" for name in shown))
    console = Console()
    console.print(table)
    console.print(f"runs, oof.csv and metrics.json: {folder}", highlight=False, markup=False, soft_wrap=True)


def _cell(values: Mapping[str, Any]) -> str:
    if values["low"] is None:
        return f"{values['mean']:.3f}"
    return f"{values['mean']:.3f} ± {values['high'] - values['mean']:.3f}"
