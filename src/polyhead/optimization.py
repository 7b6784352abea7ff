"""Optimization: parameter groups with proven coverage, AdamW, and the learning-rate schedule.

Knows nothing about losses or trainers. Learning rates are per step; the schedule multiplies all of them.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from polyhead.errors import UserError
from polyhead.model import MultiTaskModel


@dataclass(frozen=True)
class Optimization:
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with one learning rate for the encoder and one for the rest.

    Args:
        encoder_lr: peak learning rate of the encoder.
        head_lr: peak learning rate of the heads, and of a weighting that learns.
        weight_decay: decoupled decay of weight matrices; biases, norms and weightings are not decayed.
        betas: decay rates of the running means of the gradient and of its square.
        eps: added to the denominator.
        warmup: share of all steps over which the rates rise; they fall linearly to 0 over the rest.

    Raises:
        UserError: values out of range, all at once.
    """

    encoder_lr: float
    head_lr: float
    weight_decay: float
    betas: Sequence[float]
    eps: float
    warmup: float

    def __post_init__(self) -> None:
        rules = [
            ("encoder_lr", self.encoder_lr > 0, "above 0; freeze=backbone leaves the encoder as it is"),
            ("head_lr", self.head_lr > 0, "above 0"),
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

    def build(self, model: MultiTaskModel, weighting: nn.Module, steps: int, fused: bool) -> tuple[AdamW, LambdaLR]:
        """Build the optimizer over all trainable parameters, and its schedule over ``steps`` optimizer steps.

        Args:
            model: its encoder and heads.
            weighting: its parameters, if it has any.
            steps: from the first to the last.
            fused: update all parameters in one kernel; the same arithmetic, faster.
        """
        groups = self.parameter_groups(model, weighting)
        prove_coverage(groups, [model, weighting])
        optimizer = AdamW(groups, betas=(self.betas[0], self.betas[1]), eps=self.eps, fused=fused)
        return optimizer, LambdaLR(optimizer, lambda step: linear_schedule(step, steps, self.warmup))

    def parameter_groups(self, model: MultiTaskModel, weighting: nn.Module) -> list[dict[str, Any]]:
        """Sort the trainable parameters into named groups: encoder, each head, weighting; with and without decay.

        Lightning shows the names as curves of their learning rate.
        """
        parts: dict[str, tuple[nn.Module, float]] = {"encoder": (model.encoder, self.encoder_lr)}
        parts |= {f"heads.{name}": (head, self.head_lr) for name, head in model.heads.items()}
        groups: list[dict[str, Any]] = []
        for name, (module, lr) in parts.items():
            trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
            matrices = [parameter for parameter in trained if parameter.ndim > 1]
            vectors = [parameter for parameter in trained if parameter.ndim <= 1]  # biases and norms
            groups.append({"name": name, "params": matrices, "lr": lr, "weight_decay": self.weight_decay})
            groups.append({"name": f"{name}.no_decay", "params": vectors, "lr": lr, "weight_decay": 0.0})
        learned = list(weighting.parameters())
        groups.append({"name": "weighting", "params": learned, "lr": self.head_lr, "weight_decay": 0.0})
        return [group for group in groups if group["params"]]


def prove_coverage(groups: Iterable[dict[str, Any]], modules: Iterable[nn.Module]) -> None:
    """Check that the groups hold every trainable parameter exactly once and no frozen one.

    Parameters are told apart by identity: fresh norms and zero biases are equal in value without being the same.

    Raises:
        RuntimeError: a parameter is missing, stands twice, or is frozen; a defect of the grouping, not of the user.
    """
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    trainable = {id(p) for module in modules for p in module.parameters() if p.requires_grad}
    if len(grouped) != len(set(grouped)):
        raise RuntimeError(f"{len(grouped) - len(set(grouped))} parameters stand in two optimizer groups")
    if set(grouped) != trainable:
        missing, frozen = len(trainable - set(grouped)), len(set(grouped) - trainable)
        raise RuntimeError(f"optimizer groups lack {missing} trainable parameters and hold {frozen} frozen ones")


def linear_schedule(step: int, steps: int, warmup: float) -> float:
    """Return the factor on the learning rates at ``step`` of ``steps``: a linear rise, then a linear fall to 0.

    The first step is not wasted on a rate of 0, nor is the last.
    """
    rise = math.ceil(warmup * steps)
    if step < rise:
        return (step + 1) / (rise + 1)
    return max(0.0, (steps - step) / max(1, steps - rise))
