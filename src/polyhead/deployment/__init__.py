"""A trained model elsewhere: bundle, backends, Predictor, server."""

from typing import TYPE_CHECKING

from polyhead import lazy_exports

if TYPE_CHECKING:
    from polyhead.deployment.backends import BACKENDS, Backend, open_backend
    from polyhead.deployment.predictions import Prediction, Predictions
    from polyhead.deployment.predictor import Predictor

__all__ = [
    "BACKENDS",
    "Backend",
    "Prediction",
    "Predictions",
    "Predictor",
    "open_backend",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "BACKENDS": "backends",
        "Backend": "backends",
        "open_backend": "backends",
        "Prediction": "predictions",
        "Predictions": "predictions",
        "Predictor": "predictor",
    },
)
