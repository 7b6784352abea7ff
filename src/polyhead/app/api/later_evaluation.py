"""Later evaluation: a run scored on sentences that a Python program has, as ``polyhead evaluate`` scores files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polyhead.app.config.run_config import read_config
from polyhead.app.jobs import evaluate as evaluation
from polyhead.app.terminal.command_config import command_config
from polyhead.app.terminal.run_log import kept_logging
from polyhead.errors import UserError
from polyhead.runs.evaluation import EvaluationMetrics
from polyhead.storage.cells import column_names
from polyhead.storage.frames import is_frame, write_frame


def evaluate(
    run: Path, trust: Sequence[str], sentences: Any, place: Path, output: str | Path | None, options: Mapping[str, Any]
) -> EvaluationMetrics:
    """Score a run on labelled sentences.

    Args:
        run: its folder.
        trust: packages whose names its configuration may build.
        sentences: a path or a list of them, or a frame.
        place: a folder for what is not kept.
        output: folder of the files; None keeps none.
        options: keys of the command.

    Raises:
        UserError: the sentences do not fit the model, or an option is unknown.
    """
    if is_frame(sentences):
        texts, labels = _columns(run, trust, options)
        paths: Any = str(write_frame(sentences, "sentences", [*texts, *labels], place / "sentences", texts))
    elif isinstance(sentences, str | Path):
        paths = str(sentences)
    elif isinstance(sentences, list | tuple) and all(isinstance(path, str | Path) for path in sentences):
        paths = [str(path) for path in sentences]
    else:
        raise UserError(f"sentences: {type(sentences).__name__} given; it must be paths or a frame, as for fit")
    folder = str(place / "evaluation" if output is None else output)
    own = {"model": str(run), "input": paths, "output": folder, "trust": list(trust)}
    if taken := [key for key in options if key in own]:
        raise UserError(f"{taken[0]}: it follows from the run and the sentences; leave it out")
    with kept_logging():
        return evaluation.measure(command_config("evaluate", {**own, **options}))


def _columns(run: Path, trust: Sequence[str], options: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the names of the columns of texts that the evaluation reads, and those of labels and second texts."""
    config = read_config(run, trust=trust)
    text = options.get("text") or config.data.get("text", "text")
    columns = {**(config.data.get("columns") or {}), **(options.get("columns") or {})}
    pair = options.get("pair") or config.data.get("pair")
    labels = [str(column) for task in config.tasks for column in column_names(columns.get(task, task))]
    return column_names(text), [*labels, *([] if pair is None else [pair])]
