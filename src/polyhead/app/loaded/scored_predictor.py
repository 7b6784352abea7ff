"""Scored predictor: texts -> probabilities and embeddings, of a run or a bundle alike. Knows nothing about files.

Shapes: N texts, H hidden units, W logits of a task.
"""

from collections.abc import Sequence

import numpy as np
import torch

from polyhead.app.loaded.scored_model import ScoredModel
from polyhead.deployment.predictions import Predictions
from polyhead.freezing.lora import merge_adapters
from polyhead.inference.embedder import Embedder
from polyhead.tasks import of_one_text


class ScoredPredictor:
    """Predicts all tasks about one text of a run or a bundle in one pass, calibrated as its metrics are.

    Args:
        scored: the model; adapters of its encoder are merged.
        device: where to compute.
    """

    def __init__(self, scored: ScoredModel, device: torch.device) -> None:
        merge_adapters(scored.model.encoder)
        self.tasks = of_one_text(scored.tasks)
        self.fits = scored.fits
        self.model = scored.model.to(device)
        self.embedder = Embedder(scored.model.encoder, scored.tokenizer, scored.precision, device)
        self.device = device

    @property
    def truncated(self) -> int:
        """Number of texts that were cut so far."""
        return self.embedder.truncated

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Predict texts, in the order given."""
        nothing = np.zeros((0, self.embedder.runner.width), dtype=np.float32)
        embeddings = np.concatenate([nothing, *self.embedder.embed(texts)])  # (N, H)
        with torch.inference_mode():
            found = self.model.classify(torch.from_numpy(embeddings).to(self.device))  # (N, W) each
        logits = {task.name: found[task.name].cpu().numpy() for task in self.tasks}
        return Predictions.of_logits(self.tasks, embeddings, logits, self.fits)
