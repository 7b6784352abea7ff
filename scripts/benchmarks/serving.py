"""The contest ``serve``: texts to embeddings and both tasks' probabilities, by every backend and by the peers."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measuring import Contestant, Outcome, compete
from benchmarks.settings import Settings
from benchmarks.workload import TASKS, device_of, open_encoder, texts_of
from polyhead.deployment.backends import GRAPH, INT8_GRAPH
from polyhead.deployment.bundle.folder import write_model
from polyhead.deployment.bundle.graph import quantize, write_graph
from polyhead.deployment.bundle.manifest import Manifest, TaskEntry, seal
from polyhead.deployment.predictor import Predictor
from polyhead.hardware import keep_freed_memory
from polyhead.models.multitask import MultiTaskModel

_SAMPLE = 1000  # texts on which the peers' heads are fitted
_BACKENDS = (
    ("torch", "32-true"),
    ("torch", "bf16-true"),
    ("onnx", "32-true"),
    ("onnx-int8", "32-true"),
    ("openvino", "32-true"),
    ("openvino", "bf16-true"),
)


def serve(settings: Settings) -> Outcome:
    """Measure predicting texts of mixed length with all heads, loading not counted."""
    with tempfile.TemporaryDirectory() as folder:
        _write_models(settings, Path(folder))
        contestants: dict[str, Contestant] = {
            "sentence-transformers + two scikit-learn heads": partial(_sentence_transformers, settings, folder),
            "transformers pipeline, a model a task": partial(_pipelines, settings, folder, 1),
            "transformers pipeline, a model a task, batches of 32": partial(_pipelines, settings, folder, 32),
        }
        for backend, precision in _BACKENDS:
            contestants[f"polyhead, {backend}, {precision}"] = partial(_polyhead, settings, folder, backend, precision)
        outcome = compete("serve", "sentences", contestants, settings.repeats, apart=True)
    outcome.notes.append(
        "random heads of 6 and 3 classes on the same encoder for all; min cosine to polyhead's 32-true"
    )
    return outcome


def write_bundle(settings: Settings, folder: Path, graphs: bool = False) -> MultiTaskModel:
    """Write a bundle of the encoder and heads that are random, so that texts need no labels, and return its model."""
    source = open_encoder(settings)
    torch.manual_seed(0)
    model = MultiTaskModel(source.load(), TASKS, dropout=0.0).eval().requires_grad_(False)
    folder.mkdir()
    write_model(folder, model, source.load_tokenizer(), source.max_length)
    if graphs:
        write_graph(folder / GRAPH, model, source.max_length)
        quantize(folder / GRAPH, folder / INT8_GRAPH)
    entries = [TaskEntry(task.name, list(task.labels), None, {}) for task in TASKS]
    seal(folder, Manifest(entries, source.pooling, source.max_length, {}))
    return model


def _write_models(settings: Settings, folder: Path) -> None:
    """Write a bundle with graphs, the peers' models with the same encoder, and the reference embeddings."""
    bundle = folder / "bundle"
    model = write_bundle(settings, bundle, graphs=True)
    _write_pipelines(model, folder, [len(task.labels) for task in TASKS], open_encoder(settings).load_tokenizer())
    embeddings = Predictor.load(bundle, "torch", "32-true").predict(texts_of(settings)).embeddings
    np.save(folder / "reference.npy", embeddings)


def _write_pipelines(model: MultiTaskModel, folder: Path, classes: list[int], tokenizer: Any) -> None:
    from transformers import AutoModelForSequenceClassification

    transformer: Any = model.encoder.transformer
    for index, count in enumerate(classes):
        config = type(transformer.config).from_dict(transformer.config.to_dict() | {"num_labels": count})
        classifier = AutoModelForSequenceClassification.from_config(config)
        classifier.base_model.load_state_dict(transformer.state_dict(), strict=False)  # its pooler stays random
        classifier.save_pretrained(folder / f"pipeline{index}")
        tokenizer.save_pretrained(folder / f"pipeline{index}")


def _polyhead(settings: Settings, folder: str, backend: str, precision: str, _: int) -> tuple[float, dict[str, float]]:
    """Predict with a backend of ours."""
    keep_freed_memory()
    predictor = Predictor.load(Path(folder, "bundle"), backend, precision, settings.device)
    return _measured(lambda texts: predictor.predict(texts).embeddings, settings, folder)


def _sentence_transformers(settings: Settings, folder: str, _: int) -> tuple[float, dict[str, float]]:
    """Embed with ``encode`` at its defaults, and classify with two logistic regressions."""
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    encoder = SentenceTransformer(str(Path(folder, "bundle")), device=str(device_of(settings)))
    sample = encoder.encode(texts_of(settings)[:_SAMPLE])
    heads = []
    for task in TASKS:
        labels = np.arange(len(sample)) % len(task.labels)
        heads.append(LogisticRegression(max_iter=200).fit(sample, labels))

    def predict(texts: list[str]) -> NDArray[np.float32]:
        embeddings: NDArray[np.float32] = encoder.encode(texts)
        for head in heads:
            head.predict_proba(embeddings)
        return embeddings

    return _measured(predict, settings, folder)


def _pipelines(settings: Settings, folder: str, batch_size: int, _: int) -> tuple[float, dict[str, float]]:
    """Run a stock text-classification pipeline for each task."""
    from transformers import pipeline
    from transformers.utils import logging

    logging.disable_progress_bar()
    classifiers: list[Any] = [
        pipeline("text-classification", model=f"{folder}/pipeline{index}", device=device_of(settings))
        for index in range(len(TASKS))
    ]

    def predict(texts: list[str]) -> None:
        for classifier in classifiers:
            classifier(texts, truncation=True, batch_size=batch_size)

    return _measured(predict, settings, folder)


def _measured(
    predict: Callable[[list[str]], NDArray[np.float32] | None], settings: Settings, folder: str
) -> tuple[float, dict[str, float]]:
    """Time predicting the texts twice: compiled backends prepare for each shape of a batch, and servers meet it again.

    Returns:
        Texts a second of the second time; that of the first time and, where there are embeddings, how near they are.
    """
    texts, rates = texts_of(settings), []
    for _ in range(2):
        started = time.perf_counter()
        embeddings = predict(texts)
        rates.append(len(texts) / (time.perf_counter() - started))
    figures = {"first pass": rates[0]}
    if embeddings is not None:
        ours, reference = torch.from_numpy(embeddings), torch.from_numpy(np.load(Path(folder, "reference.npy")))
        figures["min cosine"] = torch.cosine_similarity(ours, reference).min().item()
    return rates[1], figures
