"""One export: what a run trained, written as a bundle."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from omegaconf import DictConfig

import polyhead.deployment.bundle.graph as onnx_graph
from polyhead import hardware
from polyhead.app.options import check_options
from polyhead.app.trained import TrainedRun, load_trained_run
from polyhead.deployment.backends import GRAPH, INT8_GRAPH, Backend, OnnxBackend
from polyhead.deployment.bundle.classifiers import write_classifiers
from polyhead.deployment.bundle.folder import new_folder, write_model
from polyhead.deployment.bundle.manifest import Manifest, TaskEntry, seal
from polyhead.deployment.bundle.model_card import model_card
from polyhead.deployment.bundle.neighbours import Neighbours
from polyhead.errors import UserError, did_you_mean
from polyhead.inference.embedder import Embedder
from polyhead.inference.text_runner import TextRunner
from polyhead.runs.contents import RunMetrics
from polyhead.runs.folder import RunFolder
from polyhead.sources.base import LabelledSentence
from polyhead.storage.row_readers import open_rows
from polyhead.storage.rows import Dialect
from polyhead.tasks import MISSING

_GRAPHS = ("none", "onnx", "int8")
_SPLITS = ("train", "validation", "test")


def run(config: DictConfig) -> None:
    """Write a run's model as a bundle.

    Raises:
        UserError: no finished run, a library is missing, int8 costs too much, or the folder cannot be written.
    """
    check_options(
        config,
        run=str,
        output=str,
        overwrite=bool,
        graph=str,
        max_int8_loss=float,
        classifiers=bool,
        sentences=str | None,
        input_format=str,
        text=str,
        encoding=str,
        quote=str | None,
    )
    if config.graph not in _GRAPHS:
        raise UserError(f"graph: unknown {config.graph!r}; {did_you_mean(config.graph, _GRAPHS)}")
    if config.graph != "none":
        onnx_graph.require("onnx", "onnxscript", "onnxruntime")
    RunMetrics.read(RunFolder(Path(config.run)))  # before a folder is made for what is no run
    output = Path(config.output)
    with new_folder(output, config.overwrite) as folder:
        trained = load_trained_run(Path(config.run))
        tokenizer = trained.encoder.load_tokenizer()
        write_model(folder, trained.model, tokenizer, trained.encoder.max_length)
        quantisation = _write_graphs(folder, trained, tokenizer, config)
        if config.classifiers:
            write_classifiers(folder, trained.model, trained.tasks, tokenizer, trained.encoder.max_length)
        if config.sentences is not None:
            _neighbours(stored_sentences(config, trained), trained, tokenizer).write(folder)
        manifest = Manifest(
            tasks=[_entry(task.name, list(task.labels), trained) for task in trained.tasks],
            pooling=trained.encoder.pooling,
            max_length=trained.encoder.max_length,
            made_with=_made_with(trained),
            quantisation=quantisation,
        )
        card = model_card(output.name, manifest, graph=config.graph != "none")
        (folder / "README.md").write_text(card, encoding="utf-8")
        seal(folder, manifest)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(f"{output}: a bundle of {size / 1e6:,.0f} MB; try: python scripts/predict.py model={output} input=- output=-")


def _write_graphs(folder: Path, trained: TrainedRun, tokenizer: Any, config: DictConfig) -> dict[str, dict[str, float]]:
    """Write the graphs asked for, and return the test accuracy by task of both, if both were.

    Raises:
        UserError: int8 costs a task more than it may.
    """
    if config.graph == "none":
        return {}
    difference = onnx_graph.write_graph(folder / GRAPH, trained.model, trained.encoder.max_length)
    print(f"{GRAPH}: differs from PyTorch by at most {difference:.1e}")
    if config.graph == "onnx":
        return {}
    onnx_graph.quantize(folder / GRAPH, folder / INT8_GRAPH)
    sentences = list(trained.source.sentences("test"))
    accuracy = {
        name: _accuracies(OnnxBackend(folder / file), sentences, trained, tokenizer)
        for name, file in (("float32", GRAPH), ("int8", INT8_GRAPH))
    }
    for task in trained.tasks:
        before, after = (100 * accuracy[name][task.name] for name in ("float32", "int8"))
        print(
            f"{INT8_GRAPH}: accuracy of {task.name} on {len(sentences):,} test sentences {after:.1f} %, "
            f"in single precision {before:.1f} %"
        )
        if before - after > config.max_int8_loss:
            raise UserError(
                f"graph=int8: it costs {task.name} {before - after:.1f} points of test accuracy, and may cost "
                f"{config.max_int8_loss}; take graph=onnx, or set max_int8_loss"
            )
    return {task.name: {name: accuracy[name][task.name] for name in accuracy} for task in trained.tasks}


def _accuracies(
    backend: Backend, sentences: Sequence[LabelledSentence], trained: TrainedRun, tokenizer: Any
) -> dict[str, float]:
    """Return the share of labelled sentences that a graph gets right, by task; 1 where none is labelled."""
    runner = TextRunner(tokenizer, trained.encoder.max_length, backend.width, backend)
    outputs = np.concatenate(list(runner.run(sentence.text for sentence in sentences)))  # (N, H + C of all tasks)
    end, accuracies = trained.model.encoder.hidden_size, {}
    for task in trained.tasks:
        start, end = end, end + len(task.labels)
        labels = np.asarray([task.index(sentence.labels.get(task.name)) for sentence in sentences])  # (N,)
        right = outputs[:, start:end].argmax(axis=1) == labels
        labelled = labels != MISSING
        accuracies[task.name] = float(right[labelled].mean()) if labelled.any() else 1.0
    return accuracies


def stored_sentences(config: DictConfig, trained: TrainedRun) -> list[str]:
    """Return the sentences that the bundle stores: those of a split of the run, or of a table.

    Raises:
        UserError: neither a split nor a file, a file that cannot be read, or no sentence in it.
    """
    choice = config.sentences
    if choice in _SPLITS:
        texts = [sentence.text for sentence in trained.source.sentences(choice)]
    elif Path(choice).is_file():
        with open_rows(choice, config.input_format, Dialect(config.encoding, config.quote)) as reader:
            reader.check(config.text)
            texts = [text for text in reader.texts(config.text) if text.strip()]
    else:
        raise UserError(f"sentences: {choice!r} is no file; give one, or a split: {', '.join(_SPLITS)}")
    if not texts:
        raise UserError(f"sentences: {choice!r} holds none; set sentences=null")
    return texts


def _neighbours(texts: Sequence[str], trained: TrainedRun, tokenizer: Any) -> Neighbours:
    """Embed the sentences that the bundle stores."""
    device = torch.device("cpu")
    precision = hardware.best_precision("cpu")
    embedder = Embedder(trained.model.encoder, tokenizer, trained.encoder.max_length, precision, device)
    return Neighbours.of(texts, embedder.embed(texts))


def _entry(name: str, labels: list[str], trained: TrainedRun) -> TaskEntry:
    """Describe a head; metrics are those that are one number."""
    results: Mapping[str, Any] = trained.metrics.test.get(name, {})
    temperature = trained.temperatures.get(name)
    numbers = {metric: value for metric, value in results.items() if isinstance(value, int | float)}
    numbers.pop("temperature", None)
    return TaskEntry(name, labels, temperature, numbers)


def _made_with(trained: TrainedRun) -> dict[str, str]:
    from importlib.metadata import version

    return {
        "polyhead": version("polyhead"),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "encoder": trained.encoder.location if trained.encoder.pretrained else "random weights",
        "run": trained.folder.resolve().name,
    }
