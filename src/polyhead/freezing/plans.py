"""Freeze plans: which parameters are not trained, in which epochs. Knows nothing about optimizers or trainers.

A plan cuts training into stages; each stage freezes its own parts. The stage is a function of the epoch alone, so a
resumed run is in the stage that it would have been in.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import Self

from torch import nn

from polyhead.errors import ParameterError, check_parameters, did_you_mean
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.parts import layer_groups, parameters_named, valid_names


class FreezePlan(ABC):
    """Which parts of a model are frozen in which epoch."""

    def prepare(self, model: MultiTaskModel) -> None:  # noqa: B027 (most plans have nothing to do here)
        """Change the structure of the model, if the plan needs that.

        Raises:
            UserError: the plan does not fit the model.
        """

    @abstractmethod
    def stages(self, model: MultiTaskModel) -> tuple["Stage", ...]:
        """Return the stages, in the order of their epochs.

        Raises:
            UserError: the plan does not fit the model.
        """

    def checked_stages(self, model: MultiTaskModel) -> tuple["Stage", ...]:
        """Return the stages after checking them against the model.

        Raises:
            UserError: the plan does not fit the model.
            ParameterError: unknown parts, epochs that do not rise from 0, or, among several stages, one with nothing
                to train; all at once.
        """
        stages = self.stages(model)
        problems = [problem for stage in stages for problem in stage.freezing.unknown(model)]
        problems += _epoch_problems(stages)
        if not problems and len(stages) > 1:
            problems += _idle_stage_problems(stages, model)
        if problems:
            distinct = dict.fromkeys(problems)  # several stages may name the same unknown part
            raise ParameterError("\n".join(distinct))
        return stages


@dataclass(frozen=True)
class FreezeSpec(FreezePlan):
    """The parameters that stay as they are, as a plan of a single stage.

    Frozen means three things: no gradient (``requires_grad`` is off), evaluation mode (no dropout, even while the
    other parts train) and no place in the optimizer. Evaluation mode is set by layer group (the embeddings, each layer,
    each head): a group with a trained parameter keeps its dropout.

    >>> FreezeSpec.lower_layers(2)
    FreezeSpec(frozen=('encoder.embeddings', 'encoder.layers[:2]'), trained=())

    Args:
        frozen: names of parts, see :mod:`polyhead.models.parts`; an empty list trains the entire network.
        trained: names of parts that are trained although ``frozen`` covers them.

    Raises:
        ParameterError: what is no list.
    """

    frozen: Sequence[str]
    trained: Sequence[str] = ()

    def __post_init__(self) -> None:
        names = ("frozen", "trained")
        given = [(name, getattr(self, name)) for name in names]
        check_parameters(*((name, value, _is_list(value), f"a list, as [{value}]") for name, value in given))

    @classmethod
    def lower_layers(cls, count: int) -> Self:
        """Freeze the embeddings and the lowest ``count`` layers.

        Raises:
            ParameterError: a count below 1.
        """
        check_parameters(("count", count, count >= 1, "1 or more (or freeze encoder.embeddings alone)"))
        return cls(("encoder.embeddings", f"encoder.layers[:{count}]"))

    @classmethod
    def upper_layers(cls, count: int) -> Self:
        """Freeze the uppermost ``count`` layers.

        Raises:
            ParameterError: a count below 1.
        """
        check_parameters(("count", count, count >= 1, "1 or more (or freeze nothing)"))
        return cls((f"encoder.layers[-{count}:]",))

    def stages(self, model: MultiTaskModel) -> tuple["Stage", ...]:
        """Return the one stage."""
        return (Stage(0, self),)

    def apply(self, model: MultiTaskModel) -> None:
        """Freeze the parameters, unfreeze all others, and put every group with a trained parameter into training mode.

        Raises:
            ParameterError: a name that the model does not have; the model is untouched then.
        """
        if problems := self.unknown(model):
            raise ParameterError("\n".join(problems))
        frozen = self.frozen_parameters(model)
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) not in frozen)
            if id(parameter) in frozen:
                parameter.grad = None  # an optimizer skips parameters without a gradient
        model.train()
        eval_frozen_modules(model)

    def frozen_parameters(self, model: MultiTaskModel) -> set[int]:
        """Return the identities (``id``) of the frozen parameters."""
        return _identities(model, self.frozen) - _identities(model, self.trained)

    def unknown(self, model: MultiTaskModel) -> list[str]:
        """Return a line for each parameter with names that the model does not have; none if it has all."""
        return unknown_parts(model, "frozen", self.frozen) + unknown_parts(model, "trained", self.trained)


@dataclass(frozen=True)
class Stage:
    """A part of training in which the same parameters are frozen.

    Args:
        epoch: its first epoch, from 0.
        freezing: the parameters that are frozen.
        lr_scale: factor on all learning rates.
        restart: whether the learning-rate schedule begins again here and ends before the next restart; otherwise it
            continues, and only newly unfrozen parts warm up.
        probe: whether it is there for the heads alone to settle; where they are solved it is left out.

    Raises:
        ParameterError: a factor that is not above 0.
    """

    epoch: int
    freezing: FreezeSpec
    lr_scale: float = 1.0
    restart: bool = False
    probe: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        check_parameters(("lr_scale", self.lr_scale, 0 < self.lr_scale < inf, "above 0"))


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def unknown_parts(model: MultiTaskModel, parameter: str, names: Iterable[str]) -> list[str]:
    """Return a line that lists the names which the model does not have, and the valid ones; no line if it has all.

    Args:
        model: the model whose parts are named.
        parameter: of the plan, in which the names stand.
        names: of parts, see :mod:`polyhead.models.parts`.
    """
    unknown = [name for name in names if not parameters_named(model, name)]
    if not unknown:
        return []
    given = ", ".join(map(repr, unknown))
    return [f"{parameter}: the model has no {given}; {did_you_mean(unknown[0], valid_names(model))}"]


def stage_index(stages: Sequence[Stage], epoch: int) -> int:
    """Return the index of the stage that an epoch belongs to."""
    return max(index for index, stage in enumerate(stages) if stage.epoch <= epoch)


def eval_frozen_modules(model: MultiTaskModel) -> None:
    """Put the layer groups without a trained parameter into evaluation mode; others keep their mode.

    ``model.train()`` sets the mode of all of them, so this has to follow it.
    """
    for modules in layer_groups(model).values():
        parameters = [parameter for module in modules for parameter in module.parameters()]
        if not any(parameter.requires_grad for parameter in parameters):
            for module in modules:
                module.eval()


def count_trained(model: MultiTaskModel, stages: Sequence[Stage]) -> tuple[int, int]:
    """Return the number of parameters that are trained in at least one stage, and the number of all."""
    frozen = never_trained(model, stages)
    trained = [parameter.numel() for parameter in model.parameters() if id(parameter) not in frozen]
    return sum(trained), sum(parameter.numel() for parameter in model.parameters())


def never_trained(model: MultiTaskModel, stages: Sequence[Stage]) -> set[int]:
    """Return the identities (``id``) of the parameters that are frozen in all stages."""
    return set.intersection(*(stage.freezing.frozen_parameters(model) for stage in stages))


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """Return the number of parameters that are trained now, and the number of all."""
    trained = [parameter.numel() for parameter in module.parameters() if parameter.requires_grad]
    return sum(trained), sum(parameter.numel() for parameter in module.parameters())


def _identities(model: MultiTaskModel, names: Iterable[str]) -> set[int]:
    return {id(parameter) for name in names for parameter in parameters_named(model, name)}


def _epoch_problems(stages: Sequence[Stage]) -> list[str]:
    epochs = [stage.epoch for stage in stages]
    rising = all(before < after for before, after in pairwise(epochs))
    if rising and epochs[:1] == [0]:
        return []
    listed = ", ".join(map(str, epochs))
    return [f"stages: from the epochs {listed} on given; they must rise, the first from 0"]


def _idle_stage_problems(stages: Sequence[Stage], model: MultiTaskModel) -> list[str]:
    everything = {id(parameter) for parameter in model.parameters()}
    idle = [stage for stage in stages if everything <= stage.freezing.frozen_parameters(model)]
    return [
        f"stages: nothing is trained from epoch {stage.epoch} on; unfreeze a part there, or leave the stage out"
        for stage in idle
    ]
