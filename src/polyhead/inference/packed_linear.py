"""Packed linear layers: weights laid out once for a processor's matrix products. Knows nothing about encoders.

For inference only. oneDNN, which comes with torch, multiplies packed weights without a copy per call; in single
precision it is also twice as fast as torch's default library on processors that are not Intel's. The operators are
those that ``torch.compile`` uses when it freezes a model.
"""

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


def can_pack() -> bool:
    """Return whether this build of torch has the operators."""
    return bool(torch.backends.mkldnn.is_available()) and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")


def pack_linear_layers(module: nn.Module) -> None:
    """Replace the linear layers below ``module`` by packed ones.

    Layers on other devices than the processor stay as they are, and all do if this build of torch cannot pack. So do
    the two matrices of a low-rank adapter, whose weights PEFT looks at.
    """
    if not can_pack():
        return
    for path, parent in list(module.named_modules()):
        if ".lora_" in path:
            continue
        for name, child in parent.named_children():
            if type(child) is nn.Linear and child.weight.device.type == "cpu":
                setattr(parent, name, PackedLinear(child))
