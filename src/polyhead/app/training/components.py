"""Components: the objects that a configuration describes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyhead.app.training.start_point import StartPoint
from polyhead.app.training.teacher import Teacher
from polyhead.data.samplers import LoaderSettings
from polyhead.data.token_cache import TokenCache
from polyhead.freezing.activation_cache import ActivationCache
from polyhead.freezing.kept_heads import KeptHeads
from polyhead.freezing.plans import FreezePlan
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.objectives.distillation import Distillation
from polyhead.objectives.embedding_loss import EmbeddingLoss
from polyhead.objectives.losses import MultiTaskLoss
from polyhead.objectives.weighting import Weighting
from polyhead.runs.kept_head import KeptHead
from polyhead.sources.base import Source
from polyhead.tasks import Task
from polyhead.training.auto_epochs import TrainingLength
from polyhead.training.embedding_health import EmbeddingHealth
from polyhead.training.optimizer import Optimization
from polyhead.training.solved_heads import SolvedHeads

if TYPE_CHECKING:
    from polyhead.runs.soup import Soup


@dataclass(frozen=True)
class RunComponents:
    """All that a run is made of, but for weights and sentences."""

    tasks: tuple[Task, ...]
    source: Source
    loader: LoaderSettings
    token_cache: TokenCache
    encoder: PretrainedEncoder
    freeze_plan: FreezePlan
    loss: MultiTaskLoss
    weighting: Weighting
    optimization: Optimization
    activation_cache: ActivationCache | None
    heads: SolvedHeads | None
    health: EmbeddingHealth | None
    keep_embedding: EmbeddingLoss | None
    soup: "Soup | None"
    precision: str
    takes_steps: bool
    length: TrainingLength
    start: StartPoint | None
    teacher: Teacher | None
    distillation: Distillation | None

    @property
    def kept_names(self) -> Sequence[str]:
        """The tasks whose heads are kept as they are."""
        return self.freeze_plan.names if isinstance(self.freeze_plan, KeptHeads) else ()

    def kept_heads(self) -> dict[str, KeptHead]:
        """Return what the start says of the heads that are kept as they are."""
        known = self.start.calibration() if self.start and self.kept_names else {}
        return {name: known[name] for name in self.kept_names if name in known}

    def describe(self, run_dir: str) -> dict[str, str]:
        """Return what caches say of the entries that a run makes."""
        return {"encoder": self.encoder.location, "run": run_dir}
