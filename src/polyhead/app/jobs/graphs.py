"""Graphs of a bundle: written, compared with the model, and what int8 costs. Knows nothing about the other files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from polyhead.app.loaded.trained_run import TrainedRun
from polyhead.data.tokenization import TextTokenizer
from polyhead.deployment.backends import GRAPH, INT8_GRAPH, OnnxBackend
from polyhead.deployment.bundle import graph as onnx_graph
from polyhead.deployment.window_outputs import WindowOutputs
from polyhead.errors import UserError
from polyhead.inference.text_runner import TextRunner
from polyhead.sources.base import LabelledSentence
from polyhead.tasks import Task, is_labelled, of_one_text


def write_graphs(
    folder: Path, trained: TrainedRun, tokenizer: TextTokenizer, config: DictConfig
) -> dict[str, dict[str, float]]:
    """Write the graphs that are asked for.

    Returns:
        The test accuracy by task of the graphs in single precision and in int8, if both were written; of tasks that do
        not have one class per sentence the headline score.

    Raises:
        UserError: the encoder cannot be exported, or int8 costs a task more than it may.
    """
    if config.graph == "none":
        return {}
    with _under_graph_key():
        difference = onnx_graph.write_graph(folder / GRAPH, trained.model, tokenizer.max_length)
    print(f"{GRAPH}: differs from PyTorch by at most {difference:.1e}")
    if config.graph == "onnx":
        return {}
    onnx_graph.quantize(folder / GRAPH, folder / INT8_GRAPH)
    sentences = trained.sentences("test")
    before, after = (_accuracies(folder, name, sentences, trained, tokenizer) for name in (GRAPH, INT8_GRAPH))
    for task in of_one_text(trained.tasks):
        _check_int8(task, len(sentences), before[task.name], after[task.name], config.max_int8_loss)
    return {task.name: {"float32": before[task.name], "int8": after[task.name]} for task in of_one_text(trained.tasks)}


@contextmanager
def _under_graph_key() -> Iterator[None]:
    """Name the option behind an error of the library."""
    try:
        yield
    except UserError as error:
        raise UserError(f"graph: {error}: set graph=none") from error


def _check_int8(task: Task, sentences: int, before: float, after: float, allowed: float) -> None:
    """Print the accuracies (from 0 to 1) of a task before and after quantization, or its headline scores.

    Raises:
        UserError: the difference is more than the points allowed.
    """
    metric = "accuracy" if task.kind.one_class else task.kind.scores[task.kind.headline]
    print(
        f"{INT8_GRAPH}: {metric} of {task.name} on {sentences:,} test sentences {100 * after:.1f} %, "
        f"in single precision {100 * before:.1f} %"
    )
    cost = 100 * before - 100 * after
    if cost > allowed:
        raise UserError(
            f"graph=int8: it costs {task.name} {cost:.1f} points of test {metric}, and may cost {allowed}; "
            "take graph=onnx, or set max_int8_loss"
        )


def _accuracies(
    folder: Path, graph: str, sentences: Sequence[LabelledSentence], trained: TrainedRun, tokenizer: TextTokenizer
) -> dict[str, float]:
    """Return the accuracy or the headline score of a graph by task; 1 where no sentence is labelled."""
    backend = OnnxBackend(folder / graph)
    encoder = trained.model.encoder
    pool = WindowOutputs.read(folder, trained.tasks, encoder.embedding_size, encoder.is_normalized)
    runner = TextRunner(tokenizer, backend.width, backend, pool=pool)
    outputs = np.concatenate(list(runner.run(sentence.text for sentence in sentences)))  # (N, H + C of all tasks)
    accuracies: dict[str, float] = {}
    end = encoder.embedding_size
    for task in of_one_text(trained.tasks):
        start, end = end, end + task.width
        targets = task.targets([sentence.labels.get(task.name) for sentence in sentences])  # (N,) or (N, C)
        labelled = is_labelled(targets)
        fit = trained.fits.get(task.name, {})
        codes = task.kind.codes(task.kind.outputs(outputs[labelled, start:end], fit), fit)
        known = task.kind.restore(targets[labelled])
        if not labelled.any():
            accuracies[task.name] = 1.0
        else:
            score = float((codes == known).mean()) if task.kind.one_class else task.kind.score(known, codes)
            accuracies[task.name] = score
    return accuracies
