"""Table of scores against width: python docs/lab/shrink.py runs/PLAIN runs/MATRYOSHKA sizes=192,96,48

Heads read the first units of the embedding, whether a run was trained for that or not; figures are of the test split,
by what is fitted on validation at each width, and Spearman of pairs.csv beside this file, by those units alone. Each
run's files must be where its configuration says.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import torch
from torchmetrics.functional import spearman_corrcoef

from polyhead import hardware
from polyhead.app.loaded.trained import load_trained_run
from polyhead.data.dataset import TokenizedSplit
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.freezing.frozen_activations import FrozenActivations
from polyhead.inference.embedder import Embedder
from polyhead.storage.markdown import markdown_table
from polyhead.training.dimension_scores import dimension_scores

PAIRS = Path(__file__).with_name("pairs.csv")
SENTENCES = ("sentence1", "sentence2")  # its columns


def scores(run: Path, sizes: list[int]) -> list[list[str]]:
    """Return a row for each width: the run, the width, and the scores of each task."""
    trained = load_trained_run(run)
    model, tokenizer = trained.model, trained.encoder.load_text_tokenizer()
    precision = hardware.best_precision("cpu")
    frozen = FrozenActivations(model.encoder, None, precision, None, torch.device("cpu"))
    splits = {}
    for name in ("validation", "test"):
        chunks = tokenizer.tokenize_labeled(trained.sentences(name), trained.tasks)
        tokens = TokenizedSentences.concatenate(chunks, [task.name for task in trained.tasks])
        split = TokenizedSplit(tokens, tokenizer.padding)
        labels = {task.name: torch.from_numpy(split.labels[task.name].copy()).long() for task in trained.tasks}
        splits[name] = frozen.embed(split), None, labels
    embedder = Embedder(model.encoder, tokenizer, precision, torch.device("cpu"))
    found = dimension_scores(model, trained.tasks, splits, [model.encoder.embedding_size, *sizes])
    return [
        [
            run.name,
            size,
            *(f"{found[size]['test'][task.name]['accuracy']:.3f}" for task in trained.tasks),
            f"{spearman_of_pairs(embedder, int(size)):.3f}",
        ]
        for size in found
    ]


def spearman_of_pairs(embedder: Embedder, size: int) -> float:
    """Return how the cosines of the pairs of sentences, by the first units of the embedding, follow their scores."""
    with PAIRS.open(encoding="utf-8", newline="") as file:
        pairs = list(csv.DictReader(file))
    first, second = (
        np.concatenate([*embedder.embed([pair[key] for pair in pairs])]) for key in ("sentence1", "sentence2")
    )
    left, right = torch.from_numpy(first[:, :size]), torch.from_numpy(second[:, :size])
    scores = torch.tensor([float(pair["score"]) for pair in pairs])
    return float(spearman_corrcoef(torch.cosine_similarity(left, right), scores))


if __name__ == "__main__":
    *runs, chosen = sys.argv[1:]
    widths = [int(size) for size in chosen.removeprefix("sizes=").split(",")]
    rows = [row for run in runs for row in scores(Path(run), widths)]
    names = [task.name for task in load_trained_run(Path(runs[0])).tasks]
    print(markdown_table(["run", "width", *names, "Spearman"], rows))
