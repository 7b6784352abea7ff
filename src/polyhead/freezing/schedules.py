"""Unfreezing schedules: plans that unfreeze parts of the model during training. Knows nothing about steps or rates.

Epochs count from 0, as on the progress bar.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from polyhead.errors import ParameterError, check_parameters
from polyhead.freezing.plans import FreezePlan, FreezeSpec, Stage, unknown_parts
from polyhead.models.multitask import MultiTaskModel


@dataclass(frozen=True)
class Gradual(FreezePlan):
    """Gradual unfreezing (Howard and Ruder 2018, ULMFiT, arXiv 1801.06146, section 3.3).

    The heads are trained first; then the encoder is unfrozen from the top down, a group at a time. A newly unfrozen
    group warms up from a small learning rate while the others continue.

    Args:
        groups: number of groups that the embeddings and the layers are cut into, as evenly as possible; the paper has
            one per layer.
        epochs: epochs per group, and of the heads alone.

    Raises:
        ParameterError: values below 1, all at once.
    """

    groups: int = 2
    epochs: int = 1

    def __post_init__(self) -> None:
        check_parameters(
            ("groups", self.groups, self.groups >= 1, "1 or more"),
            ("epochs", self.epochs, self.epochs >= 1, "1 or more"),
        )

    def stages(self, model: MultiTaskModel) -> tuple[Stage, ...]:
        """Return the stage of the heads and one for each group.

        Raises:
            ParameterError: more groups than there are layers and embeddings.
        """
        depth = len(model.encoder.layers)
        rule = f"1 to {depth + 1}, this encoder has {depth} layers and the embeddings"
        check_parameters(("groups", self.groups, self.groups <= depth + 1, rule))
        heads_alone = Stage(0, FreezeSpec(["encoder"]), probe=True)
        unfrozen = [self._stage(group, depth) for group in range(1, self.groups + 1)]
        return (heads_alone, *unfrozen)

    def _stage(self, group: int, depth: int) -> Stage:
        """Return the stage in which the uppermost ``group`` groups are trained."""
        frozen_groups = self.groups - group
        below = round((depth + 1) * frozen_groups / self.groups)  # frozen: the embeddings and below - 1 layers
        frozen = []
        if below > 0:
            frozen.append("encoder.embeddings")
        if below > 1:
            frozen.append(f"encoder.layers[:{below - 1}]")
        return Stage(group * self.epochs, FreezeSpec(frozen))


@dataclass(frozen=True)
class UnfreezeSchedule(FreezePlan):
    """A list of the parts to unfreeze and when.

    A newly unfrozen part warms up from a small learning rate while the others continue.

    Args:
        frozen: names of the parts that are frozen at first, see :mod:`polyhead.models.parts`.
        unfreeze: ``{epoch: 2, parts: [encoder.layers[-2:]]}`` for each change, in the order of the epochs.

    Raises:
        ParameterError: an entry of another form.
    """

    frozen: Sequence[str]
    unfreeze: Sequence[Mapping[str, Any]]

    def __post_init__(self) -> None:
        check_parameters(
            *(
                ("unfreeze", entry, _is_change(entry), "of the form {epoch: 2, parts: [encoder.layers[-2:]]}")
                for entry in self.unfreeze
            )
        )

    def stages(self, model: MultiTaskModel) -> tuple[Stage, ...]:
        """Return the first stage and one for each entry.

        Raises:
            ParameterError: names that the model does not have.
        """
        listed = [name for entry in self.unfreeze for name in entry["parts"]]
        if problems := unknown_parts(model, "frozen", self.frozen) + unknown_parts(model, "unfreeze", listed):
            raise ParameterError("\n".join(problems))
        stages, unfrozen = [Stage(0, FreezeSpec(self.frozen))], []
        for entry in self.unfreeze:
            unfrozen += entry["parts"]
            stages.append(Stage(entry["epoch"], FreezeSpec(self.frozen, tuple(unfrozen))))
        return tuple(stages)


@dataclass(frozen=True)
class ProbeThenFineTune(FreezePlan):
    """Linear probing, then fine-tuning (LP-FT, Kumar et al. 2022, arXiv 2202.10054).

    Heads that fit the pretrained embeddings change the encoder less than random ones, so it keeps more of its
    knowledge. Each of the two stages has a learning-rate schedule of its own.

    Args:
        probe_epochs: epochs of the heads alone; cheap, because the encoder's embeddings are stored.
        lr_scale: factor on all learning rates while the whole network trains.

    Raises:
        ParameterError: fewer than 1 epoch, or a factor that is not above 0.
    """

    probe_epochs: int = 1
    lr_scale: float = 0.5

    def __post_init__(self) -> None:
        check_parameters(
            ("probe_epochs", self.probe_epochs, self.probe_epochs >= 1, "1 or more"),
            ("lr_scale", self.lr_scale, 0 < self.lr_scale < inf, "above 0"),
        )

    def stages(self, model: MultiTaskModel) -> tuple[Stage, ...]:
        """Return the two stages."""
        probe = Stage(0, FreezeSpec(["encoder"]), probe=True)
        fine_tune = Stage(self.probe_epochs, FreezeSpec([]), lr_scale=self.lr_scale, restart=True)
        return probe, fine_tune


def _is_change(entry: object) -> bool:
    """Return whether an entry of ``unfreeze`` has an epoch and a list of parts, and nothing else."""
    if not isinstance(entry, Mapping) or {*entry} != {"epoch", "parts"}:
        return False
    epoch, parts = entry["epoch"], entry["parts"]
    is_epoch = isinstance(epoch, int) and not isinstance(epoch, bool)
    return is_epoch and isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts)
