"""Freezing: which parameters are not trained, and from when on. Knows nothing about optimizers or trainers.

A plan cuts training into stages; each stage freezes its own parts. The stage is a function of the epoch alone, so a
resumed run is in the stage it would have been in.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from torch import nn

from polyhead.errors import UserError, did_you_mean
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.parts import layer_groups, parameters_named, valid_names


class FreezePlan(ABC):
    """What is frozen in which epoch."""

    def prepare(self, model: MultiTaskModel) -> None:  # noqa: B027 (nothing to do is the rule)
        """Change the model's structure, where the plan needs that; most need nothing."""

    @abstractmethod
    def stages(self, model: MultiTaskModel) -> tuple["Stage", ...]:
        """Return the stages, in the order of their epochs.

        Raises:
            UserError: the plan does not fit the model.
        """

    def checked_stages(self, model: MultiTaskModel) -> tuple["Stage", ...]:
        """Return the stages once they have proven to fit the model.

        Raises:
            UserError: unknown parts, epochs that do not rise from 0, rates that are not positive, or, among several
                stages, one with nothing to train; all at once.
        """
        stages = self.stages(model)
        problems = [problem for stage in stages for problem in stage.freezing.unknown(model)]
        epochs = [stage.epoch for stage in stages]
        if epochs[0] != 0 or any(after <= before for before, after in pairwise(epochs)):
            listed = ", ".join(map(str, epochs))
            problems.append(f"freeze: stages from the epochs {listed} on given; they must rise, the first from 0")
        problems += [
            f"freeze: learning rates times {stage.lr_scale:g} from epoch {stage.epoch} on; give a factor above 0"
            for stage in stages
            if stage.lr_scale <= 0
        ]
        if not problems and len(stages) > 1:
            everything = {id(parameter) for parameter in model.parameters()}
            problems += [
                f"freeze: nothing is trained from epoch {stage.epoch} on; thaw a part there, or leave the stage out"
                for stage in stages
                if everything <= stage.freezing.frozen_parameters(model)
            ]
        if problems:
            raise UserError("\n".join(dict.fromkeys(problems)))
        return stages


@dataclass(frozen=True)
class FreezeSpec(FreezePlan):
    """The parameters of the model that stay as they are, as a plan of a single stage.

    Frozen means three things: no gradient (``requires_grad`` is off), evaluation mode (no dropout, also while the
    rest trains) and no place in the optimizer. Evaluation mode goes by units (embeddings, each layer, each head): a
    unit with anything to train has its dropout.

    Args:
        frozen: names of parts, see :mod:`polyhead.models.parts`; none trains the entire network.
        trained: names of parts that are trained all the same, though ``frozen`` covers them.

    Raises:
        UserError: a text in place of a list.
    """

    frozen: Sequence[str]
    trained: Sequence[str] = ()

    def __post_init__(self) -> None:
        for key in ("frozen", "trained"):
            given = getattr(self, key)
            if isinstance(given, str):
                raise UserError(f"freeze.{key}: the text {given!r} given; write a list, as [{given}]")

    @classmethod
    def lower_layers(cls, count: int) -> Self:
        """Freeze the embeddings and the lowest ``count`` layers.

        Raises:
            UserError: a count below 1.
        """
        _refuse_below_one(count, otherwise="embeddings")
        return cls(("encoder.embeddings", f"encoder.layers[:{count}]"))

    @classmethod
    def upper_layers(cls, count: int) -> Self:
        """Freeze the uppermost ``count`` layers.

        Raises:
            UserError: a count below 1.
        """
        _refuse_below_one(count, otherwise="none")
        return cls((f"encoder.layers[-{count}:]",))

    def stages(self, model: MultiTaskModel) -> tuple["Stage", ...]:
        """Return the one stage."""
        return (Stage(0, self),)

    def apply(self, model: MultiTaskModel) -> None:
        """Freeze the parameters, thaw all others, and put all that is not frozen into training mode.

        Raises:
            UserError: a name that the model does not have; the model is untouched then.
        """
        if problems := self.unknown(model):
            raise UserError("\n".join(problems))
        frozen = self.frozen_parameters(model)
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) not in frozen)
            if id(parameter) in frozen:
                parameter.grad = None  # what an optimizer sees no gradient of, it leaves alone
        model.train()
        eval_frozen_modules(model)

    def frozen_parameters(self, model: MultiTaskModel) -> set[int]:
        """Return the identities of the frozen parameters."""
        frozen, trained = (
            {id(parameter) for name in names for parameter in parameters_named(model, name)}
            for names in (self.frozen, self.trained)
        )
        return frozen - trained

    def unknown(self, model: MultiTaskModel) -> list[str]:
        """Say which names the model does not have, in a line with the valid ones; empty if it has all."""
        problems = []
        for key, names in (("frozen", self.frozen), ("trained", self.trained)):
            unknown = [name for name in names if not parameters_named(model, name)]
            if unknown:
                given = ", ".join(map(repr, unknown))
                valid = did_you_mean(unknown[0], valid_names(model))
                problems.append(f"freeze.{key}: the model has no {given}; {valid}")
        return problems


@dataclass(frozen=True)
class Stage:
    """A part of training in which the same parameters are frozen.

    Args:
        epoch: its first, from 0.
        freezing: what is frozen.
        lr_scale: factor on all learning rates.
        restart: whether the schedule of the learning rates begins anew here, to end with the stage before the next
            restart; else it goes on, and what is newly thawed alone warms up.
    """

    epoch: int
    freezing: FreezeSpec
    lr_scale: float = 1.0
    restart: bool = False


def _refuse_below_one(count: int, otherwise: str) -> None:
    if count < 1:
        raise UserError(f"freeze.count: {count} given; freeze at least 1 layer, or take freeze={otherwise}")


def stage_index(stages: Sequence[Stage], epoch: int) -> int:
    """Return which stage an epoch belongs to."""
    return max(index for index, stage in enumerate(stages) if stage.epoch <= epoch)


def eval_frozen_modules(model: MultiTaskModel) -> None:
    """Put the units with nothing to train into evaluation mode, after something called ``model.train()``."""
    for modules in layer_groups(model).values():
        if not any(parameter.requires_grad for module in modules for parameter in module.parameters()):
            for module in modules:
                module.eval()


def count_trained(model: MultiTaskModel, stages: Sequence[Stage]) -> tuple[int, int]:
    """Return how many parameters are trained in any stage, and how many there are."""
    frozen = set.intersection(*(stage.freezing.frozen_parameters(model) for stage in stages))
    sizes = {id(parameter): parameter.numel() for parameter in model.parameters()}
    return sum(size for key, size in sizes.items() if key not in frozen), sum(sizes.values())


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """Return how many parameters are trained and how many there are."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in module.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)
