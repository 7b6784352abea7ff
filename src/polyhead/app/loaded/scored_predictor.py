"""Scored predictor: texts -> probabilities and embeddings, of a run or a bundle alike. Knows nothing about files.

Shapes: B texts of a batch, S tokens, H units of an embedding, C classes of all tasks together.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from polyhead.app.loaded.scored_model import ScoredModel
from polyhead.deployment.predictions import Predictions
from polyhead.freezing.lora import merge_adapters
from polyhead.inference.length_batches import inference_copy
from polyhead.inference.packed_linear import pack_linear_layers
from polyhead.inference.text_runner import TextRunner
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
        self.encoder = inference_copy(scored.model.encoder, scored.precision, device)
        pack_linear_layers(self.encoder)
        self.device = device
        width = self.encoder.embedding_size + sum(task.width for task in self.tasks)
        self.runner = TextRunner(scored.tokenizer, width, self._outputs)

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Predict texts, in the order given."""
        outputs = np.concatenate([np.zeros((0, self.runner.width), dtype=np.float32), *self.runner.run(texts)])
        return Predictions.of_outputs(self.tasks, outputs, self.fits)

    def _outputs(self, ids: Tensor) -> Tensor:
        """Map ids (B, S), nothing padded, to embeddings and logits (B, H + C)."""
        with torch.inference_mode():
            embeddings = self.encoder(ids.to(self.device)).float()
            logits = self.model.classify(embeddings)
            return torch.cat([embeddings, *(logits[task.name] for task in self.tasks)], dim=1)
