"""Dropout: as torch's, with a quarter of the random draws on a processor. Knows nothing about models."""

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

_STEPS = 1 << 16


class FastDropout(nn.Module):
    """Zeroes elements with probability ``p`` in training and scales up the rest (Hinton et al. 2012, arXiv 1207.0580).

    On a processor torch draws one random number per element from a serial generator, which takes longer than the
    layer's own work; here one draw of 64 bits decides four elements. ``p`` is rounded to a multiple of 2^-16. On other
    devices torch's own dropout runs.

    Args:
        p: probability in [0, 1).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = round(p * _STEPS) / _STEPS

    def forward(self, states: Tensor) -> Tensor:
        """Return ``states`` with dropout, in any shape; unchanged in evaluation mode."""
        if not self.training or self.p == 0:
            return states
        if states.device.type != "cpu":
            return dropout(states, self.p)
        draws = torch.empty(-(-states.numel() // 4), dtype=torch.int64).random_(-(2**63), 2**63 - 1)
        uniform = draws.view(torch.int16)[: states.numel()].view(states.shape)  # -2^15 to 2^15 - 1
        keep = uniform >= int(self.p * _STEPS) - _STEPS // 2
        return states * keep.to(states.dtype).mul_(1 / (1 - self.p))

    def extra_repr(self) -> str:
        """Return the probability, for ``repr``."""
        return f"p={self.p}"


def use_fast_dropout(module: nn.Module) -> None:
    """Replace torch's dropout layers below ``module`` by :class:`FastDropout`, mode and probability kept."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout and child.p < 1:
                setattr(parent, name, FastDropout(child.p).train(child.training))


def set_dropout(module: nn.Module, p: float) -> None:
    """Give every dropout below ``module`` the probability ``p``, that of attention included.

    Families keep the latter in a layer or, as ModernBERT does, in a number of the attention's own.
    """
    for child in module.modules():
        if isinstance(child, nn.Dropout | FastDropout):
            child.p = FastDropout(p).p if isinstance(child, FastDropout) else p  # it keeps a rounded one
        for name, value in vars(child).items():
            if "dropout" in name and isinstance(value, float):
                setattr(child, name, p)
