"""A fake predictor whose answers say which model, of which version, computed them."""

from dataclasses import dataclass

import numpy as np
from support.servers import FakePredictor

from polyhead.deployment.predictions import Predictions


@dataclass
class TaggedPredictor(FakePredictor):
    """Answers with its tag and the length of the text."""

    tag: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.bundle.version = f"v{self.tag:g}"

    def predict(self, texts: list[str]) -> Predictions:
        """Return embeddings that tell the models apart."""
        found = super().predict(texts)
        embeddings = np.array([[self.tag, float(len(text))] for text in texts])
        return Predictions(found.tasks, found.probabilities, embeddings)
