"""One evaluation, from its configuration to its files: a trained model scored on labelled sentences that came later."""

import csv
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import lightning as L
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from polyhead import hardware
from polyhead.app.config.builder import build, plain
from polyhead.app.config.options import check_options
from polyhead.app.config.trust import check_trust
from polyhead.app.jobs.selection_check import describe_selection, measure_selection
from polyhead.app.jobs.table_options import LATER_OPTIONS
from polyhead.app.loaded.later_reading import later_files
from polyhead.app.loaded.scored_model import ScoredModel, load_scored_model
from polyhead.data.datamodule import Attach, SentenceData
from polyhead.deployment.selection import Selection, check_wanted
from polyhead.errors import UserError
from polyhead.freezing.activation_cache import ActivationCache
from polyhead.freezing.frozen_activations import attach_frozen
from polyhead.runs.contents import SplitResults
from polyhead.runs.evaluation import EvaluationMetrics
from polyhead.runs.folder import RunFolder
from polyhead.runs.summary import ShownScores
from polyhead.sources.later import LaterFiles
from polyhead.storage.output import write_atomically
from polyhead.tasks import Task, is_labelled
from polyhead.training.callbacks.mistakes import Mistakes
from polyhead.training.callbacks.probabilities import ProbabilityRecorder
from polyhead.training.evaluation import MultiTaskEvaluation
from polyhead.training.fits import Fit

_CALIBRATED = {"ece": "ECE", "ece_scaled": "scaled"}


def run(config: DictConfig) -> None:
    """Score a model on files as :func:`measure`, and print a table.

    Raises:
        UserError: the configuration has problems, or the files do not fit the model.
    """
    metrics = measure(config)
    _show(metrics, Path(config.output))


def measure(config: DictConfig) -> EvaluationMetrics:
    """Score a model on files, and write ``metrics.json``, mistakes and confusion matrices.

    Raises:
        UserError: the configuration has problems, or the files do not fit the model.
    """
    check_options(
        config,
        sections=("input", "activation_cache", "text", "columns", "missing_values", "trust"),
        model=str,
        pair=str | None,
        output=str,
        overwrite=bool,
        mistakes=int,
        coverage=float | Mapping | None,
        accuracy=float | Mapping | None,
        precision=str,
        device=str,
        cache=str,
        limit_gb=float,
        **LATER_OPTIONS,
    )
    if problems := list(hardware.problems(config.device, config.precision, ("device", "precision"))):
        raise UserError("\n".join(problems))
    folder = Path(config.output)
    if (folder / EvaluationMetrics.file_name).exists() and not config.overwrite:
        raise UserError(f"output: {str(folder)!r} holds metrics already; choose another folder, or set overwrite=true")
    wanted = {name: plain(config)[name] for name in ("coverage", "accuracy")}
    check_wanted(**wanted)
    scored = load_scored_model(Path(config.model), check_trust(config.trust), config.device, config.precision)
    source = later_files(scored, config, plain(config)["input"], "input")
    source.check(scored.tasks)
    selection = Selection.fit(scored.scores, scored.tasks, **wanted)
    recorder = ProbabilityRecorder(scored.fits)
    results, labelled = _measure(scored, source, config, recorder)
    metrics = EvaluationMetrics(
        model=config.model,
        input=[str(path) for path in source.paths],
        sentences=source.size("test"),
        labelled=labelled,
        test=results,
        skipped=[task.name for task in scored.tasks if task.name not in results],
        precision=scored.precision,
        device=hardware.device_type(config.device),
        selection={
            task.name: measure_selection(selection, task, *recorder.of(task.name))
            for task in scored.tasks
            if task.name in results and selection.concerns(task)
        },
    )
    for task in scored.tasks:
        if task.name in results and task.kind.one_class:
            _write_confusion(folder / f"confusion_{task.name}.csv", task, results[task.name]["confusion"])
    metrics.write(RunFolder(folder))
    return metrics


def _measure(
    scored: ScoredModel, source: LaterFiles, config: DictConfig, recorder: L.Callback
) -> tuple[SplitResults, dict[str, int]]:
    """Return the results by task, as training reports those of its test set, and the sentences with a label."""
    folder = Path(config.output)
    mistakes = Mistakes(config.mistakes, folder=config.output)
    folder.mkdir(parents=True, exist_ok=True)
    trainer = _trainer(scored, config, [mistakes, recorder])
    module = MultiTaskEvaluation(scored.model, scored.tasks)
    for task, fit in scored.fits.items():
        cast(Fit, module.calibration[task]).adopt(fit)
    data = SentenceData(
        source,
        scored.tasks,
        scored.tokenizer,
        scored.loader,
        _activations(scored, trainer, config),
        description={"encoder": config.model, "run": config.output},
    )
    trainer.test(module, data, verbose=False)
    labelled = {task: int(is_labelled(column).sum()) for task, column in data.split("test").labels.items()}
    return cast(SplitResults, module.results["test"]), labelled


def _trainer(scored: ScoredModel, config: DictConfig, callbacks: Sequence[L.Callback]) -> L.Trainer:
    logging.captureWarnings(True)
    for name in ("lightning", "lightning.pytorch", "lightning.fabric", "py.warnings"):
        logging.getLogger(name).setLevel(logging.ERROR)  # theirs; the terminal shows what concerns the user
    return L.Trainer(
        accelerator=config.device,
        devices=1,
        precision=cast(Any, scored.precision),
        logger=False,
        callbacks=[*callbacks],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=config.output,
    )


def _activations(scored: ScoredModel, trainer: L.Trainer, config: DictConfig) -> Callable[[], Attach | None] | None:
    """Return where the activations of frozen parts come from: as in training, whose digits they decide."""
    if not (scored.caches_activations and config.activation_cache):
        return None
    cache = build(config.activation_cache, "activation_cache", ActivationCache)
    return partial(attach_frozen, scored.model.encoder, scored.precision, cache, trainer.strategy.root_device)


def _write_confusion(path: Path, task: Task, confusion: Sequence[Sequence[int]]) -> None:
    """Write the number of sentences by true class (rows) and predicted class (columns)."""
    with write_atomically(path) as partial_file, partial_file.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", *task.labels])
        writer.writerows([label, *row] for label, row in zip(task.labels, confusion, strict=True))


def _show(metrics: EvaluationMetrics, folder: Path) -> None:
    table = Table()
    table.add_column("task", overflow="fold")
    scores = ShownScores([*metrics.test.values()])
    calibrated = _CALIBRATED if all("ece" in results for results in metrics.test.values()) else {}
    for title in ("sentences", *scores.titles, "loss", *calibrated.values()):
        table.add_column(title, justify="right", no_wrap=True)
    for task, results in metrics.test.items():
        values: Mapping[str, object] = cast(Mapping[str, object], results)
        losses = (f"{values[name]:.4f}" for name in ("loss", *calibrated))
        table.add_row(task, f"{metrics.labelled[task]:,}", *scores.cells(values), *losses)
    console = Console()
    console.print(table)
    selected = [describe_selection(task, found) for task, found in metrics.selection.items()]
    skipped = [f"{task}: skipped, no sentence has a label for it" for task in metrics.skipped]
    console.print(
        "\n".join([*selected, *skipped, f"written to {folder}"]), highlight=False, markup=False, soft_wrap=True
    )
