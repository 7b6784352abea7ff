"""Gradient clipping. Knows the optimizer that takes the gradients, nothing of where they come from."""

from typing import Literal

from torch import Tensor
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm
from torch.optim import Optimizer

_EPSILON = 1e-6  # that of torch.nn.utils.clip_grad_norm_, so that both clip alike


def clip_gradients(optimizer: Optimizer, limit: float, algorithm: Literal["norm", "value"] = "norm") -> None:
    """Clip the gradients that the next step of an optimizer takes.

    A fused optimizer divides the gradients by its ``grad_scale`` as it reads them, which saves the pass over all
    gradients that :func:`torch.nn.utils.clip_grad_norm_` makes; until that step they stay as they are.

    Args:
        optimizer: all of whose parameters' gradients count together. Where it is fused, nothing else may use its
            ``grad_scale``, as a scaler of float16 gradients does.
        limit: largest norm of all gradients together, or largest size of each of their entries.
        algorithm: which of the two.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if algorithm == "value":
        clip_grad_value_(parameters, limit)
    elif optimizer.defaults.get("fused"):
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        optimizer.grad_scale = _divisor(get_total_norm(gradients), limit)  # type: ignore[attr-defined]
    else:
        clip_grad_norm_(parameters, limit)


def _divisor(norm: Tensor, limit: float) -> Tensor:
    """Return what gradients of a norm () are divided by to have ``limit`` at most: 1, or more."""
    return ((norm.float() + _EPSILON) / limit).clamp(min=1.0)
