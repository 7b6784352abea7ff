"""The LightningModule, optimizer and schedule, metrics, fit-restore-test, callbacks, TensorBoard."""

from typing import TYPE_CHECKING

from polyhead import lazy_exports

if TYPE_CHECKING:
    from polyhead.training.auto_epochs import AutoEpochs
    from polyhead.training.calibration import Calibration
    from polyhead.training.embedding_health import EmbeddingHealth
    from polyhead.training.fit import FitResult, fit_and_test
    from polyhead.training.metrics import TaskMetrics
    from polyhead.training.module import MultiTaskTraining
    from polyhead.training.optimizer import Optimization
    from polyhead.training.solved_heads import SolvedHeads

__all__ = [
    "AutoEpochs",
    "Calibration",
    "EmbeddingHealth",
    "FitResult",
    "MultiTaskTraining",
    "Optimization",
    "SolvedHeads",
    "TaskMetrics",
    "fit_and_test",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "AutoEpochs": "auto_epochs",
        "Calibration": "calibration",
        "EmbeddingHealth": "embedding_health",
        "FitResult": "fit",
        "fit_and_test": "fit",
        "TaskMetrics": "metrics",
        "MultiTaskTraining": "module",
        "Optimization": "optimizer",
        "SolvedHeads": "solved_heads",
    },
)
