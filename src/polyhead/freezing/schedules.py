"""Schedules: plans that thaw parts of the model while training goes on. Knows nothing about steps or rates.

Epochs count from 0, as on the progress bar.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polyhead.errors import UserError
from polyhead.freezing.plans import FreezePlan, FreezeSpec, Stage
from polyhead.models.multitask import MultiTaskModel


@dataclass(frozen=True)
class Gradual(FreezePlan):
    """Gradual unfreezing (Howard and Ruder 2018, ULMFiT, arXiv 1801.06146, section 3.3).

    The heads are trained first; then the encoder thaws from the top down, a group at a time. What is newly thawed warms
    up from a small learning rate while the rest goes on.

    Args:
        groups: how many groups the embeddings and the layers are cut into, as even as can be; the paper has one a
            layer.
        epochs: of each group, and of the heads alone.

    Raises:
        UserError: values below 1.
    """

    groups: int
    epochs: int

    def __post_init__(self) -> None:
        problems = [
            f"freeze.{name}: {getattr(self, name)} given; it must be 1 or more"
            for name in ("groups", "epochs")
            if getattr(self, name) < 1
        ]
        if problems:
            raise UserError("\n".join(problems))

    def stages(self, model: MultiTaskModel) -> tuple[Stage, ...]:
        """Return the heads' stage and one for each group.

        Raises:
            UserError: more groups than there are layers and embeddings.
        """
        depth = len(model.encoder.layers)
        if self.groups > depth + 1:
            raise UserError(
                f"freeze.groups: {self.groups} given; this encoder has {depth} layers and the embeddings, "
                f"so give 1 to {depth + 1}"
            )
        stages = [Stage(0, FreezeSpec(["encoder"]))]
        for group in range(1, self.groups + 1):
            units = round((depth + 1) * (self.groups - group) / self.groups)  # still frozen, counted from the bottom
            layers = [f"encoder.layers[:{units - 1}]"] if units > 1 else []
            stages.append(Stage(group * self.epochs, FreezeSpec(["encoder.embeddings", *layers] if units else [])))
        return tuple(stages)


@dataclass(frozen=True)
class UnfreezeSchedule(FreezePlan):
    """A list of what thaws when. What is newly thawed warms up from a small learning rate while the rest goes on.

    Args:
        frozen: names of the parts that are frozen at first, see :mod:`polyhead.models.parts`.
        unfreeze: ``{epoch: 2, parts: [encoder.layers[-2:]]}`` for each change, in the order of the epochs.

    Raises:
        UserError: an entry without an epoch or parts.
    """

    frozen: Sequence[str]
    unfreeze: Sequence[Mapping[str, Any]]

    def __post_init__(self) -> None:
        for entry in self.unfreeze:
            fits = {*entry} == {"epoch", "parts"} and isinstance(entry["epoch"], int)
            if not fits or isinstance(entry["parts"], str):
                raise UserError(
                    f"freeze.unfreeze: {dict(entry)} given; write {{epoch: 2, parts: [encoder.layers[-2:]]}}"
                )

    def stages(self, model: MultiTaskModel) -> tuple[Stage, ...]:
        """Return a stage for the beginning and one for each entry."""
        stages, thawed = [Stage(0, FreezeSpec(self.frozen))], []
        for entry in self.unfreeze:
            thawed += entry["parts"]
            stages.append(Stage(entry["epoch"], FreezeSpec(self.frozen, tuple(thawed))))
        return tuple(stages)


@dataclass(frozen=True)
class ProbeThenFineTune(FreezePlan):
    """Linear probing, then fine-tuning (LP-FT, Kumar et al. 2022, arXiv 2202.10054).

    Heads that fit the pretrained embeddings pull less on the encoder than random ones, so that it keeps more of what it
    knows. Each of the two stages has a learning-rate schedule of its own.

    Args:
        probe_epochs: epochs of the heads alone; cheap, because the encoder's embeddings are stored.
        lr_scale: factor on all learning rates while the whole network trains.

    Raises:
        UserError: fewer than 1 epoch, or a factor that is not above 0.
    """

    probe_epochs: int
    lr_scale: float

    def __post_init__(self) -> None:
        problems = []
        if self.probe_epochs < 1:
            problems.append(f"freeze.probe_epochs: {self.probe_epochs} given; it must be 1 or more")
        if self.lr_scale <= 0:
            problems.append(f"freeze.lr_scale: {self.lr_scale} given; it must be above 0")
        if problems:
            raise UserError("\n".join(problems))

    def stages(self, model: MultiTaskModel) -> tuple[Stage, ...]:
        """Return the two stages."""
        probe = Stage(0, FreezeSpec(["encoder"]))
        return probe, Stage(self.probe_epochs, FreezeSpec([]), lr_scale=self.lr_scale, restart=True)
