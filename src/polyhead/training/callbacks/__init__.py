"""Callbacks that watch a Trainer at work, write down what they see, and may end it; none changes a step."""

from typing import TYPE_CHECKING

from polyhead import lazy_exports

if TYPE_CHECKING:
    from polyhead.training.callbacks.best import BestCheckpoint
    from polyhead.training.callbacks.gallery import TestGallery
    from polyhead.training.callbacks.gradients import GradientNorms
    from polyhead.training.callbacks.interruption import SaveOnInterruption
    from polyhead.training.callbacks.last import LastCheckpoint
    from polyhead.training.callbacks.mistakes import Mistakes
    from polyhead.training.callbacks.pictures import ConfusionMatrices, ReliabilityDiagrams
    from polyhead.training.callbacks.predictions import PredictionRecorder
    from polyhead.training.callbacks.progress import ProgressBar
    from polyhead.training.callbacks.stopping import LastStageStopping
    from polyhead.training.callbacks.throughput import Throughput

__all__ = [
    "BestCheckpoint",
    "ConfusionMatrices",
    "GradientNorms",
    "LastCheckpoint",
    "LastStageStopping",
    "Mistakes",
    "PredictionRecorder",
    "ProgressBar",
    "ReliabilityDiagrams",
    "SaveOnInterruption",
    "TestGallery",
    "Throughput",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "BestCheckpoint": "best",
        "ConfusionMatrices": "pictures",
        "GradientNorms": "gradients",
        "LastCheckpoint": "last",
        "LastStageStopping": "stopping",
        "Mistakes": "mistakes",
        "PredictionRecorder": "predictions",
        "ProgressBar": "progress",
        "ReliabilityDiagrams": "pictures",
        "SaveOnInterruption": "interruption",
        "TestGallery": "gallery",
        "Throughput": "throughput",
    },
)
