"""One export: what a run trained, written as a bundle."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from omegaconf import DictConfig

import polyhead
from polyhead import hardware
from polyhead.app.options import check_options
from polyhead.app.trained import TrainedRun, load_trained_run
from polyhead.app.trust import check_trust
from polyhead.data.tokenization import TextTokenizer
from polyhead.deployment.backends import GRAPH, INT8_GRAPH, Backend, OnnxBackend
from polyhead.deployment.bundle import graph as onnx_graph
from polyhead.deployment.bundle.classifiers import write_classifiers
from polyhead.deployment.bundle.folder import new_folder, write_model
from polyhead.deployment.bundle.manifest import Manifest, TaskEntry, seal
from polyhead.deployment.bundle.model_card import model_card
from polyhead.deployment.bundle.neighbors import Neighbors
from polyhead.deployment.bundle.scores import write_scores
from polyhead.errors import UserError, check_parameters, collect_errors, did_you_mean
from polyhead.inference.embedder import Embedder
from polyhead.inference.text_runner import TextRunner
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.runs.contents import RunMetrics
from polyhead.runs.folder import RunFolder
from polyhead.sources.base import LabelledSentence
from polyhead.storage.dialect import Dialect
from polyhead.storage.row_readers import check_format, open_rows
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
        sections=("trust",),
        run=str,
        output=str,
        overwrite=bool,
        graph=str,
        max_int8_loss=float,
        classifiers=bool,
        sentences=str | None,
        input_format=str,
        text=str | Sequence,
        encoding=str,
        quote=str | None,
        separator=str,
        cache=str,
    )
    trust = check_trust(config.trust)
    _check_values(config)
    if config.graph != "none":
        onnx_graph.require("onnx", "onnxscript", "onnxruntime")
    RunMetrics.read(RunFolder(Path(config.run)))  # before a folder is made for what is no run
    output = Path(config.output)
    with new_folder(output, config.overwrite) as folder:
        trained = load_trained_run(Path(config.run), trust, config.cache)
        _write_bundle(folder, output.name, trained, config)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(f"{output}: a bundle of {size / 1e6:,.0f} MB; try: python scripts/predict.py model={output} input=- output=-")


def _check_values(config: DictConfig) -> None:
    """Check values also where nothing is read or measured by them."""
    problems: list[str] = []
    if config.graph not in _GRAPHS:
        problems.append(f"graph: unknown {config.graph!r}; {did_you_mean(config.graph, _GRAPHS)}")
    with collect_errors(problems):
        check_parameters(("max_int8_loss", config.max_int8_loss, config.max_int8_loss >= 0, "0 or more"))
    with collect_errors(problems):
        check_format(config.input_format)
    with collect_errors(problems):
        Dialect(config.encoding, config.quote, config.separator)
    if problems:
        raise UserError("\n".join(problems))


def _write_bundle(folder: Path, name: str, trained: TrainedRun, config: DictConfig) -> None:
    """Write the files of a bundle, the manifest last.

    Args:
        folder: empty.
        name: of the bundle, for its model card.
        trained: the run.
        config: which files to write besides the model.

    Raises:
        UserError: int8 costs too much, or the sentences to store cannot be read.
    """
    tokenizer = trained.encoder.load_text_tokenizer()
    write_model(folder, trained.model, tokenizer)
    write_scores(folder, trained.scores)
    quantization = _write_graphs(folder, trained, tokenizer, config)
    if config.classifiers:
        write_classifiers(folder, trained.model, trained.tasks, tokenizer)
    if config.sentences is not None:
        _neighbors(stored_sentences(config, trained), trained, tokenizer).write(folder)
    manifest = Manifest(
        tasks=[_entry(task.name, list(task.labels), trained) for task in trained.tasks],
        max_length=tokenizer.max_length,
        made_with=_made_with(trained),
        quantization=quantization,
    )
    pooling = trained.model.encoder.describe()
    card = model_card(name, manifest, pooling, tokenizer.prompt, config.graph != "none", trained.scores)
    (folder / "README.md").write_text(card, encoding="utf-8")
    seal(folder, manifest)


def _write_graphs(
    folder: Path, trained: TrainedRun, tokenizer: TextTokenizer, config: DictConfig
) -> dict[str, dict[str, float]]:
    """Write the graphs that are asked for.

    Returns:
        The test accuracy by task of the graphs in single precision and in int8, if both were written.

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
    before = _accuracies(OnnxBackend(folder / GRAPH), sentences, trained, tokenizer)
    after = _accuracies(OnnxBackend(folder / INT8_GRAPH), sentences, trained, tokenizer)
    for task in trained.tasks:
        _check_int8(task.name, len(sentences), before[task.name], after[task.name], config.max_int8_loss)
    return {task.name: {"float32": before[task.name], "int8": after[task.name]} for task in trained.tasks}


@contextmanager
def _under_graph_key() -> Iterator[None]:
    """Name the option behind an error of the library."""
    try:
        yield
    except UserError as error:
        raise UserError(f"graph: {error}: set graph=none") from error


def _check_int8(task: str, sentences: int, before: float, after: float, allowed: float) -> None:
    """Print the accuracies (from 0 to 1) of a task before and after quantization.

    Raises:
        UserError: the difference is more than the points allowed.
    """
    print(
        f"{INT8_GRAPH}: accuracy of {task} on {sentences:,} test sentences {100 * after:.1f} %, "
        f"in single precision {100 * before:.1f} %"
    )
    cost = 100 * before - 100 * after
    if cost > allowed:
        raise UserError(
            f"graph=int8: it costs {task} {cost:.1f} points of test accuracy, and may cost {allowed}; "
            "take graph=onnx, or set max_int8_loss"
        )


def _accuracies(
    backend: Backend, sentences: Sequence[LabelledSentence], trained: TrainedRun, tokenizer: TextTokenizer
) -> dict[str, float]:
    """Return the share of labelled sentences that a graph gets right, by task; 1 where none is labelled."""
    runner = TextRunner(tokenizer, backend.width, backend)
    outputs = np.concatenate(list(runner.run(sentence.text for sentence in sentences)))  # (N, H + C of all tasks)
    accuracies: dict[str, float] = {}
    end = trained.model.encoder.embedding_size
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
        texts = [sentence.text for sentence in trained.sentences(choice)]
    elif Path(choice).is_file():
        with open_rows(choice, config.input_format, Dialect(config.encoding, config.quote, config.separator)) as reader:
            reader.check(config.text)
            texts = [text for text in reader.texts(config.text) if text.strip()]
    else:
        raise UserError(f"sentences: {choice!r} is no file; give one, or a split: {', '.join(_SPLITS)}")
    if not texts:
        raise UserError(f"sentences: {choice!r} holds none; set sentences=null")
    return texts


def _neighbors(texts: Sequence[str], trained: TrainedRun, tokenizer: TextTokenizer) -> Neighbors:
    """Embed the sentences that the bundle stores."""
    device = torch.device("cpu")
    precision = hardware.best_precision("cpu")
    embedder = Embedder(trained.model.encoder, tokenizer, precision, device)
    return Neighbors.from_embeddings(texts, embedder.embed(texts))


def _entry(name: str, labels: list[str], trained: TrainedRun) -> TaskEntry:
    """Describe a head, with those of its test metrics that are one number."""
    results: Mapping[str, Any] = trained.metrics.test.get(name, {})
    temperature = trained.temperatures.get(name)
    numbers = {metric: value for metric, value in results.items() if isinstance(value, int | float)}
    numbers.pop("temperature", None)
    return TaskEntry(name, labels, temperature, numbers)


def _made_with(trained: TrainedRun) -> dict[str, str]:
    return {
        "polyhead": polyhead.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "encoder": _encoder_name(trained.encoder),
        "run": trained.folder.resolve().name,
    }


def _encoder_name(encoder: PretrainedEncoder) -> str:
    """Return where an encoder came from; of a folder only its own name, since the path says whose machine it was."""
    if not encoder.pretrained:
        return "random weights"
    folder = Path(encoder.location)
    return folder.resolve().name if folder.is_dir() else encoder.location
