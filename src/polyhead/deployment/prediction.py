"""Prediction: what a model says of one text. Shapes: H units of an embedding."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction for one text.

    Args:
        labels: the answer of each task: the most probable class name, a number, or a list of class names.
        probabilities: of every class, by task and class name; tasks without classes have none.
        embedding: (H,).
    """

    labels: Mapping[str, Any]
    probabilities: Mapping[str, Mapping[str, float]]
    embedding: Floats
