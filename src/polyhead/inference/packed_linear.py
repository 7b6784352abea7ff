"""Packed linear layers: weights laid out once for a processor's matrix products. Knows nothing about encoders.

For inference only. oneDNN, which comes with torch, multiplies packed weights without a copy per call; in single
precision it is also twice as fast as torch's default library on processors that are not Intel's. The operators are
those that ``torch.compile`` uses when it freezes a model.
"""

from functools import cache

import torch
from torch import Tensor, nn

_EXPECTED_ROWS = 2048  # tokens per batch for which the layout is chosen; other numbers work as well


class PackedLinear(nn.Module):
    """An ``nn.Linear`` with a packed weight and without gradients.

    Args:
        linear: the layer to copy, on a processor, in float32 or bfloat16; it stays as it is.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, _EXPECTED_ROWS)
        self.bias = None if linear.bias is None else linear.bias.detach()
        self.shape = tuple(weight.shape)

    def forward(self, states: Tensor) -> Tensor:
        """Map states (..., input width) to (..., output width)."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(states, self.packed, self.bias, "none", [], "")
        return product

    def extra_repr(self) -> str:
        """Return the widths, for ``repr``."""
        return f"in_features={self.shape[1]}, out_features={self.shape[0]}"


@cache
def can_pack(dtype: torch.dtype = torch.float32) -> bool:
    """Return whether this build of torch has the operators, and this processor what they need for ``dtype``.

    For bfloat16 they need instructions that processors without AVX-512 seldom have, while torch's own products do not.
    """
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")):
        return False
    with torch.inference_mode():
        try:
            PackedLinear(nn.Linear(8, 8, dtype=dtype))(torch.zeros(8, 8, dtype=dtype))
        except RuntimeError:  # "bf16 path needs the cpu support ..."
            return False
    return True


def pack_linear_layers(module: nn.Module) -> None:
    """Replace the linear layers below ``module`` by packed ones.

    Layers on other devices than the processor stay as they are, and so do those that cannot be packed here
    (:func:`can_pack`), and the two matrices of a low-rank adapter, whose weights PEFT looks at.
    """
    for path, parent in list(module.named_modules()):
        if ".lora_" in path:
            continue
        for name, child in parent.named_children():
            if type(child) is nn.Linear and child.weight.device.type == "cpu" and can_pack(child.weight.dtype):
                setattr(parent, name, PackedLinear(child))
