"""The benchmark ``serve``: texts to embeddings and both tasks' probabilities, by every backend and by the peers."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.bundle import write_bundle
from benchmarks.embedding import min_cosine
from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.settings import Settings
from benchmarks.workload import TASKS, device_of, open_encoder, texts_of
from polyhead.deployment.predictor import Predictor
from polyhead.hardware import keep_freed_memory
from polyhead.models.multitask import MultiTaskModel

Predict = Callable[[list[str]], tuple[int, NDArray[np.float32] | None]]
"""Predicts texts, for all tasks; returns the number of predictions per task, and embeddings where there are some."""

_SAMPLE = 1000  # texts on which the peers' heads are fitted
_BACKENDS = (
    ("torch", "32-true"),
    ("torch", "bf16-true"),
    ("onnx", "32-true"),
    ("onnx-int8", "32-true"),
    ("openvino", "32-true"),
    ("openvino", "bf16-true"),
)


def serve(settings: Settings) -> Comparison:
    """Measure predicting texts of mixed length with all heads, loading not counted."""
    with tempfile.TemporaryDirectory() as folder:
        _write_models(settings, Path(folder))
        runs: dict[str, Callable[[int], Measurement]] = {
            "sentence-transformers + two scikit-learn heads": partial(sentence_transformers, settings, folder),
            "transformers pipeline, a model per task": partial(pipelines, settings, folder, 1),
            "transformers pipeline, a model per task, batches of 32": partial(pipelines, settings, folder, 32),
        }
        baselines = {title: Baseline(run) for title, run in runs.items()}
        for backend, precision in _BACKENDS:
            run = partial(polyhead, settings, folder, backend, precision)
            baselines[f"polyhead, {backend}, {precision}"] = Baseline(run, bf16=precision == "bf16-true")
        comparison = compare("serve", "sentences", baselines, settings, apart=True)
    classes = " and ".join(str(len(task.labels)) for task in TASKS)
    comparison.notes.append(
        f"random heads of {classes} classes on the same encoder for all; min cosine to polyhead's 32-true"
    )
    return comparison


def _write_models(settings: Settings, folder: Path) -> None:
    """Write a bundle with graphs, the peers' models with the same encoder, and the reference embeddings."""
    bundle = folder / "bundle"
    model = write_bundle(settings, bundle, graphs=True)
    _write_pipelines(model, folder, open_encoder(settings).load_tokenizer())
    embeddings = Predictor.load(bundle, "torch", "32-true").predict(texts_of(settings)).embeddings
    np.save(folder / "reference.npy", embeddings)


def _write_pipelines(model: MultiTaskModel, folder: Path, tokenizer: Any) -> None:
    from transformers import AutoModelForSequenceClassification

    transformer: Any = model.encoder.transformer
    for task in TASKS:
        config = type(transformer.config).from_dict({**transformer.config.to_dict(), "num_labels": len(task.labels)})
        classifier = AutoModelForSequenceClassification.from_config(config)
        classifier.base_model.load_state_dict(transformer.state_dict(), strict=False)  # its pooler stays random
        classifier.save_pretrained(folder / f"pipeline_{task.name}")
        tokenizer.save_pretrained(folder / f"pipeline_{task.name}")


def polyhead(settings: Settings, folder: str, backend: str, precision: str, _: int) -> Measurement:
    """Predict with a backend of ours."""
    keep_freed_memory()
    predictor = Predictor.load(Path(folder, "bundle"), backend, precision, settings.device)

    def predict(texts: list[str]) -> tuple[int, NDArray[np.float32]]:
        predictions = predictor.predict(texts)
        return min(map(len, predictions.probabilities.values())), predictions.embeddings

    return _measure(predict, settings, folder)


def sentence_transformers(settings: Settings, folder: str, _: int) -> Measurement:
    """Embed with ``encode`` at its defaults, and classify with two logistic regressions."""
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    encoder = SentenceTransformer(str(Path(folder, "bundle")), device=str(device_of(settings)))
    sample = encoder.encode(texts_of(settings)[:_SAMPLE])
    heads = []
    for task in TASKS:
        labels = np.arange(len(sample)) % len(task.labels)
        heads.append(LogisticRegression(max_iter=200).fit(sample, labels))

    def predict(texts: list[str]) -> tuple[int, NDArray[np.float32]]:
        embeddings: NDArray[np.float32] = encoder.encode(texts)
        return min(len(head.predict_proba(embeddings)) for head in heads), embeddings

    return _measure(predict, settings, folder)


def pipelines(settings: Settings, folder: str, batch_size: int, _: int) -> Measurement:
    """Run a stock text-classification pipeline for each task."""
    from transformers import pipeline
    from transformers.utils import logging

    logging.disable_progress_bar()
    classifiers: list[Any] = [
        pipeline("text-classification", model=f"{folder}/pipeline_{task.name}", device=device_of(settings))
        for task in TASKS
    ]

    def predict(texts: list[str]) -> tuple[int, None]:
        answers = [classifier(texts, truncation=True, batch_size=batch_size) for classifier in classifiers]
        return min(map(len, answers)), None

    return _measure(predict, settings, folder)


def _measure(predict: Predict, settings: Settings, folder: str) -> Measurement:
    """Time predicting the texts twice: compiled backends prepare for each shape of a batch, and servers meet it again.

    Returns:
        The second time; with the rate of the first and, where there are embeddings, how near they are.
    """
    texts = texts_of(settings)
    passes = []
    for _ in range(2):
        started = time.perf_counter()
        predicted, embeddings = predict(texts)
        passes.append(Measurement(predicted, time.perf_counter() - started))
    first, second = passes
    figures = {"first pass": first.rate}
    if embeddings is not None:
        figures["min cosine"] = min_cosine(embeddings, np.load(Path(folder, "reference.npy")))
    return Measurement(second.units, second.seconds, figures)
