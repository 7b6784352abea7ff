"""SetFit with its defaults, as two benchmarks train it. Imports nothing of Polyhead: a peer's start counts."""

from collections.abc import Sequence
from typing import Any

_PAIRS = 20  # num_iterations: pairs of each kind and sentence


def train_set_fit(model: Any, texts: Sequence[str], labels: Sequence[Any], seed: int, folder: str) -> None:
    """Train a ``SetFitModel`` in place, without saving or showing anything.

    Args:
        model: as SetFit loads it.
        texts: to learn from.
        labels: of each text.
        seed: of training.
        folder: in which SetFit may write.
    """
    import datasets
    import setfit  # type: ignore[import-not-found]

    arguments = setfit.TrainingArguments(
        folder,
        num_iterations=_PAIRS,
        seed=seed,
        show_progress_bar=False,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
    )
    rows = datasets.Dataset.from_dict({"text": texts, "label": labels})
    setfit.Trainer(model=model, args=arguments, train_dataset=rows).train()
