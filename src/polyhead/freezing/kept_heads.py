"""Kept heads: a plan that freezes some heads throughout, whatever else another plan does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from polyhead.freezing.plans import FreezePlan, FreezeSpec, Stage
from polyhead.models.multitask import MultiTaskModel


@dataclass(frozen=True)
class KeptHeads(FreezePlan):
    """Freezes heads for which there are no labels: weight decay alone would change them.

    Args:
        plan: for all else.
        names: of the tasks whose heads stay as they are.
    """

    plan: FreezePlan
    names: Sequence[str]

    def prepare(self, model: MultiTaskModel) -> None:
        """Change the structure of the model as the plan does."""
        self.plan.prepare(model)

    def stages(self, model: MultiTaskModel) -> tuple[Stage, ...]:
        """Return the stages of the plan, each with these heads frozen."""
        heads = [f"heads.{name}" for name in self.names]
        return tuple(replace(stage, freezing=_Both(stage.freezing, heads)) for stage in self.plan.stages(model))


class _Both(FreezeSpec):
    """What a spec freezes, and some parts more, which it may not train."""

    def __init__(self, spec: FreezeSpec, more: Sequence[str]) -> None:
        super().__init__([*spec.frozen, *more], spec.trained)
        object.__setattr__(self, "_more", FreezeSpec(more))

    def frozen_parameters(self, model: MultiTaskModel) -> set[int]:
        """Return the identities (``id``) of the frozen parameters."""
        more: FreezeSpec = self._more  # type: ignore[attr-defined]
        return super().frozen_parameters(model) | more.frozen_parameters(model)
