"""Optimization: parameter groups with proven coverage, AdamW, and the learning-rate schedule.

Knows nothing about losses or trainers. Learning rates are per step; the schedule multiplies all of them.
"""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from polyhead.errors import UserError
from polyhead.freezing.plans import Stage
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.parts import layer_groups


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
        warmup: share of all steps over which the rates rise; they fall linearly to 0 over the rest.

    Raises:
        UserError: values out of range, all at once.
    """

    encoder_lr: float
    head_lr: float
    layer_decay: float
    weight_decay: float
    betas: Sequence[float]
    eps: float
    warmup: float

    def __post_init__(self) -> None:
        rules = [
            ("encoder_lr", self.encoder_lr > 0, "above 0; freeze=backbone leaves the encoder as it is"),
            ("head_lr", self.head_lr > 0, "above 0"),
            ("layer_decay", 0 < self.layer_decay <= 1, "above 0 and at most 1; 1 is no decay"),
            ("weight_decay", self.weight_decay >= 0, "0 or more"),
            (
                "betas",
                len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas),
                "two numbers in [0, 1)",
            ),
            ("eps", self.eps > 0, "above 0"),
            ("warmup", 0 <= self.warmup <= 1, "in [0, 1], a share of the training steps"),
        ]
        problems = [
            f"optimizer.{name}: {getattr(self, name)} given; it must be {rule}"
            for name, holds, rule in rules
            if not holds
        ]
        if problems:
            raise UserError("\n".join(problems))

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

        What is frozen for the time being has no gradient, and an optimizer leaves alone what has none: no decay, no
        momentum.

        Args:
            model: its encoder and heads.
            weighting: its parameters, if it has any.
            stages: of freezing.
            steps: optimizer steps from the first to the last.
            steps_per_epoch: optimizer steps.
            fused: update all parameters in one kernel; the same arithmetic, faster.
        """
        groups = self.parameter_groups(model, weighting, stages)
        starts = [stage.epoch * steps_per_epoch for stage in stages]
        factors: list[Callable[[int], float]] = [
            partial(lr_multiplier, stages, starts, group.pop("trained"), steps, self.warmup) for group in groups
        ]
        optimizer = AdamW(groups, betas=(self.betas[0], self.betas[1]), eps=self.eps, fused=fused)
        return optimizer, LambdaLR(optimizer, factors)

    def parameter_groups(
        self, model: MultiTaskModel, weighting: nn.Module, stages: Sequence[Stage]
    ) -> list[dict[str, Any]]:
        """Sort what is trained in any stage into named groups, by rate, decay and the stages in which it is trained.

        Lightning shows the names as curves of their learning rate; ``trained`` tells of each stage whether it is.

        Raises:
            RuntimeError: see :func:`prove_coverage`.
        """
        frozen = [stage.freezing.frozen_parameters(model) for stage in stages]
        grouped: dict[tuple[Any, ...], tuple[list[str], list[nn.Parameter]]] = {}
        for unit, modules in [*layer_groups(model).items(), ("weighting", [weighting])]:
            for parameter in (parameter for module in modules for parameter in module.parameters()):
                trained = tuple(id(parameter) not in ids for ids in frozen)
                if any(trained):
                    part = "encoder" if unit.startswith("encoder") else unit
                    decay = self.weight_decay if parameter.ndim > 1 else 0.0  # biases, norms, weightings have none
                    key = (part, self.peak_lr(model, unit), decay, trained)
                    names, parameters = grouped.setdefault(key, ([], []))
                    names.append(unit)
                    parameters.append(parameter)
        groups: list[dict[str, Any]] = []
        for (part, lr, decay, trained), (names, parameters) in grouped.items():
            name = _group_name(part, names, decay, [*layer_groups(model)])
            same = sum(group["name"] == name or group["name"].startswith(f"{name}#") for group in groups)
            name = f"{name}#{same + 1}" if same else name
            groups.append({"name": name, "params": parameters, "lr": lr, "weight_decay": decay, "trained": trained})
        prove_coverage(groups, [model, weighting], set.intersection(*frozen))
        return groups

    def peak_lr(self, model: MultiTaskModel, unit: str) -> float:
        """Return the peak learning rate of a unit of the model, or of the weighting."""
        if not unit.startswith("encoder"):
            return self.head_lr
        depth = len(model.encoder.layers)
        names = ["encoder.embeddings", *(f"encoder.layers[{index}]" for index in range(depth))]
        above = depth - names.index(unit) if unit in names else 0
        return float(self.encoder_lr * self.layer_decay**above)


def _group_name(part: str, names: Sequence[str], decay: float, order: Sequence[str]) -> str:
    """Name a group after its part, or after its first and last unit where it does not reach over all of the encoder."""
    if part == "encoder" and {*names} != {name for name in order if name.startswith(part)}:
        part = names[0] if names[0] == names[-1] else f"{names[0]}..{names[-1].removeprefix('encoder.')}"
    return part if decay or part == "weighting" else f"{part}.no_decay"


def prove_coverage(groups: Iterable[dict[str, Any]], modules: Iterable[nn.Module], frozen: Collection[int]) -> None:
    """Check that the groups hold every parameter that is ever trained exactly once, and no other.

    Parameters are told apart by identity: fresh norms and zero biases are equal in value without being the same.

    Args:
        groups: of an optimizer.
        modules: whose parameters they should hold.
        frozen: identities of the parameters that are frozen from the first to the last step.

    Raises:
        RuntimeError: a parameter is missing, stands twice, or is frozen; a defect of the grouping, not of the user.
    """
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    trained = {id(parameter) for module in modules for parameter in module.parameters()} - set(frozen)
    if len(grouped) != len(set(grouped)):
        raise RuntimeError(f"{len(grouped) - len(set(grouped))} parameters stand in two optimizer groups")
    if set(grouped) != trained:
        missing, extra = len(trained - set(grouped)), len(set(grouped) - trained)
        raise RuntimeError(f"optimizer groups lack {missing} trainable parameters and hold {extra} frozen ones")


def lr_multiplier(
    stages: Sequence[Stage], starts: Sequence[int], trained: Sequence[bool], steps: int, warmup: float, step: int
) -> float:
    """Return the factor on a group's learning rate at ``step``.

    Args:
        stages: of freezing.
        starts: first step of each stage.
        trained: whether the group is, for each stage.
        steps: of the whole training.
        warmup: share of a schedule over which the rate rises.
        step: from 0.
    """
    now = max(index for index, start in enumerate(starts) if start <= step)
    if not trained[now]:
        return 0.0
    restarts = [start for stage, start in zip(stages, starts, strict=True) if stage.restart or start == 0]
    begin = max(start for start in restarts if start <= step)
    end = min([start for start in restarts if start > step] + [steps])
    factor = linear_schedule(step - begin, end - begin, warmup)
    thawed = max(starts[i] for i in range(now + 1) if trained[i] and (i == 0 or not trained[i - 1]))
    rise = math.ceil(warmup * (end - begin))
    if thawed > begin and step - thawed < rise:
        factor *= (step - thawed + 1) / (rise + 1)
    return factor * stages[now].lr_scale


def linear_schedule(step: int, steps: int, warmup: float) -> float:
    """Return the factor on the learning rates at ``step`` of ``steps``: a linear rise, then a linear fall to 0.

    The first step is not wasted on a rate of 0, nor is the last.
    """
    rise = math.ceil(warmup * steps)
    if step < rise:
        return (step + 1) / (rise + 1)
    return max(0.0, (steps - step) / max(1, steps - rise))
