"""Optimization: AdamW over parameter groups with proven coverage. Knows nothing about losses or trainers."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, NamedTuple

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from polyhead.errors import check_parameters
from polyhead.freezing.plans import Stage
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.parts import layer_groups
from polyhead.training.lr_schedule import lr_multiplier


@dataclass(frozen=True)
class Optimization:
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with one learning rate for the encoder and one for the rest.

    Args:
        encoder_lr: peak learning rate of the encoder.
        head_lr: peak learning rate of the heads, and of a weighting that learns.
        layer_decay: factor on the rate of each layer against the one above it, embeddings lowest (discriminative
            fine-tuning, Howard and Ruder 2018, arXiv 1801.06146); 1 gives all of them ``encoder_lr``.
        weight_decay: decoupled decay of weight matrices; biases, norms and weightings are not decayed.
        betas: decay rates of the running means of the gradient and of its square.
        eps: added to the denominator.
        warmup: share of all steps over which the rates rise, or, above 1, a number of steps; they fall linearly to 0
            over the rest.

    Raises:
        ParameterError: values out of range, all at once.
    """

    encoder_lr: float = 0.0001
    head_lr: float = 0.001
    layer_decay: float = 1.0
    weight_decay: float = 0.01
    betas: Sequence[float] = (0.9, 0.999)
    eps: float = 1e-8
    warmup: float = 0.1

    def __post_init__(self) -> None:
        betas_allowed = len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas)
        check_parameters(
            (
                "encoder_lr",
                self.encoder_lr,
                0 < self.encoder_lr < inf,
                "above 0; to leave the encoder as it is, freeze it",
            ),
            ("head_lr", self.head_lr, 0 < self.head_lr < inf, "above 0"),
            ("layer_decay", self.layer_decay, 0 < self.layer_decay <= 1, "above 0 and at most 1; 1 is no decay"),
            ("weight_decay", self.weight_decay, 0 <= self.weight_decay < inf, "0 or more"),
            ("betas", self.betas, betas_allowed, "two numbers in [0, 1)"),
            ("eps", self.eps, 0 < self.eps < inf, "above 0"),
            (
                "warmup",
                self.warmup,
                0 <= self.warmup <= 1 or (1 < self.warmup < inf and self.warmup == int(self.warmup)),
                "in [0, 1], a share of the training steps, or a whole number of steps above 1",
            ),
        )

    def build(
        self,
        model: MultiTaskModel,
        weighting: nn.Module,
        stages: Sequence[Stage],
        steps: int,
        steps_per_epoch: int,
        fused: bool,
    ) -> tuple[AdamW, LambdaLR]:
        """Build the optimizer over all that is trained in any stage, and the schedule of its rates.

        Parameters that are frozen in a stage have no gradient there, and an optimizer leaves such parameters alone:
        no decay, no momentum.

        Args:
            model: its encoder and heads.
            weighting: its parameters, if it has any.
            stages: of freezing.
            steps: optimizer steps of the whole training.
            steps_per_epoch: optimizer steps per epoch.
            fused: whether to update all parameters in one kernel; the same arithmetic, faster.
        """
        groups = self.parameter_groups(model, weighting, stages)
        starts = [stage.epoch * steps_per_epoch for stage in stages]
        multipliers: list[Callable[[int], float]] = []
        for group in groups:
            trained = group.pop("trained")
            multipliers.append(partial(lr_multiplier, stages, starts, trained, steps, self.warmup))
        optimizer = AdamW(groups, betas=(self.betas[0], self.betas[1]), eps=self.eps, fused=fused)
        return optimizer, LambdaLR(optimizer, multipliers)

    def parameter_groups(
        self, model: MultiTaskModel, weighting: nn.Module, stages: Sequence[Stage]
    ) -> list[dict[str, Any]]:
        """Sort the parameters that any stage trains into named groups for AdamW.

        The parameters of a group are of one part (the encoder, a head, the weighting), have the same peak rate and
        decay, and are trained in the same stages. Lightning logs a curve of the learning rate under a group's name.

        Returns:
            Groups with ``name``, ``params``, ``lr``, ``weight_decay``, and ``trained``: for each stage, whether the
            group is trained in it.

        Raises:
            RuntimeError: see :func:`prove_coverage`.
        """
        frozen = [stage.freezing.frozen_parameters(model) for stage in stages]
        grouped = self._sort_by_kind(model, weighting, frozen)
        encoder_parts = {name for name in layer_groups(model) if name.startswith("encoder")}
        names = _distinct([_group_name(kind, members, encoder_parts) for kind, members in grouped.items()])
        groups = [
            {
                "name": name,
                "params": members.parameters,
                "lr": kind.lr,
                "weight_decay": kind.weight_decay,
                "trained": kind.trained,
            }
            for name, (kind, members) in zip(names, grouped.items(), strict=True)
        ]
        prove_coverage(groups, [model, weighting], set.intersection(*frozen))
        return groups

    def _sort_by_kind(
        self, model: MultiTaskModel, weighting: nn.Module, frozen: Sequence[set[int]]
    ) -> dict["_Kind", "_Members"]:
        """Gather the parameters by kind, without those that are frozen in all stages."""
        grouped: dict[_Kind, _Members] = {}
        for layer_group, modules in [*layer_groups(model).items(), ("weighting", [weighting])]:
            part = "encoder" if layer_group.startswith("encoder") else layer_group
            lr = self.peak_lr(model, layer_group)
            for parameter in _parameters_of(modules):
                trained = tuple(id(parameter) not in ids for ids in frozen)
                if not any(trained):
                    continue
                decay = self.weight_decay if parameter.ndim > 1 else 0.0  # biases, norms, weightings have none
                kind = _Kind(part, lr, decay, trained)
                members = grouped.setdefault(kind, _Members([], []))
                members.layer_groups.append(layer_group)
                members.parameters.append(parameter)
        return grouped

    def peak_lr(self, model: MultiTaskModel, layer_group: str) -> float:
        """Return the peak learning rate of a layer group of the model, or of the ``weighting``."""
        if not layer_group.startswith("encoder"):
            return self.head_lr
        depth = len(model.encoder.layers)
        bottom_up = ["encoder.embeddings", *(f"encoder.layers[{index}]" for index in range(depth))]
        # Above the last layer there may be a norm, which has the rate of that layer.
        layers_above = depth - bottom_up.index(layer_group) if layer_group in bottom_up else 0
        return float(self.encoder_lr * self.layer_decay**layers_above)


class _Kind(NamedTuple):
    """The properties that the parameters of a group have in common."""

    part: str
    lr: float
    weight_decay: float
    trained: tuple[bool, ...]


class _Members(NamedTuple):
    """The parameters of a group, and which layer group each is from."""

    layer_groups: list[str]
    parameters: list[nn.Parameter]


def _parameters_of(modules: Iterable[nn.Module]) -> list[nn.Parameter]:
    return [parameter for module in modules for parameter in module.parameters()]


def _group_name(kind: _Kind, members: _Members, encoder_parts: Collection[str]) -> str:
    """Name a group after its part; after its first and last layer group if it holds some of the encoder's alone."""
    name = kind.part
    if kind.part == "encoder" and set(members.layer_groups) != set(encoder_parts):
        first, last = members.layer_groups[0], members.layer_groups[-1]
        name = first if first == last else f"{first}..{last.removeprefix('encoder.')}"
    if kind.weight_decay > 0 or kind.part == "weighting":
        return name
    return f"{name}.no_decay"


def _distinct(names: Iterable[str]) -> list[str]:
    """Number the names that were there before: ``a``, ``a#2``, ``a#3``."""
    distinct = []
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return distinct


def prove_coverage(groups: Iterable[dict[str, Any]], modules: Iterable[nn.Module], frozen: Collection[int]) -> None:
    """Check that the groups hold every parameter that is ever trained exactly once, and no other.

    Parameters are distinguished by identity: fresh norms and zero biases are equal in value without being the same.

    Args:
        groups: of an optimizer.
        modules: whose parameters they should hold.
        frozen: identities of the parameters that are frozen from the first to the last step.

    Raises:
        RuntimeError: a parameter is missing, stands twice, or is frozen; a defect of the grouping, not of the user.
    """
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    repeated = len(grouped) - len(set(grouped))
    if repeated:
        raise RuntimeError(f"{repeated} parameters stand in two optimizer groups")
    trained = {id(parameter) for parameter in _parameters_of(modules)} - set(frozen)
    missing = len(trained - set(grouped))
    extra = len(set(grouped) - trained)
    if missing or extra:
        raise RuntimeError(f"optimizer groups lack {missing} trainable parameters and hold {extra} frozen ones")
