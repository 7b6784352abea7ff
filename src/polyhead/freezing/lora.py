"""Adapters: low-rank updates beside frozen weights, through PEFT. Knows nothing about training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from polyhead.errors import UserError, collect_errors, did_you_mean, require_extra
from polyhead.freezing.plans import FreezePlan, FreezeSpec, Stage
from polyhead.models.encoder import Encoder
from polyhead.models.multitask import MultiTaskModel

ALL_LINEAR = "all-linear"


@dataclass(frozen=True)
class LoRA(FreezePlan):
    r"""Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685), with the heads trained beside.

    A weight W (out, in) of a target becomes :math:`W + \frac{a}{r} B A`, of which A (r, in) and B (out, r) are trained;
    B starts at zero, so training starts from the pretrained encoder. Layers below the lowest adapter are frozen whole,
    and their states are stored.

    Args:
        rank: r, the width of the bottleneck.
        alpha: a, which over r scales the update.
        targets: names of linear modules within a layer, or ``all-linear``.
        from_layer: the lowest layer with adapters, from 0.

    Raises:
        UserError: values out of range, all at once, or PEFT is not installed.
    """

    rank: int
    alpha: float
    targets: str | Sequence[str]
    from_layer: int

    def __post_init__(self) -> None:
        problems = [
            f"freeze.{name}: {getattr(self, name)} given; it must be {rule}"
            for name, holds, rule in (
                ("rank", self.rank >= 1, "1 or more"),
                ("alpha", self.alpha > 0, "above 0"),
                ("from_layer", self.from_layer >= 0, "0 or more"),
            )
            if not holds
        ]
        with collect_errors(problems), require_extra("lora", "freeze=lora"):
            import peft  # noqa: F401 (takes seconds, and only this plan needs it)
        if problems:
            raise UserError("\n".join(problems))

    def prepare(self, model: MultiTaskModel) -> None:
        """Put the adapters into the encoder's layers.

        Raises:
            UserError: a layer that the encoder does not have, or targets that match nothing in it.
        """
        from peft import LoraConfig, inject_adapter_in_model

        encoder = model.encoder
        names = self._target_names(encoder)
        config = LoraConfig(r=self.rank, lora_alpha=self.alpha, target_modules=names, lora_dropout=0.0)  # type: ignore[arg-type]
        # Hidden behind a module without a config, which PEFT would ask for the family's own targets.
        inject_adapter_in_model(config, encoder.layers)

    def stages(self, model: MultiTaskModel) -> tuple[Stage, ...]:
        """Return the one stage: adapters and heads are trained."""
        return (Stage(0, FreezeSpec(["encoder"], ["encoder.adapters"])),)

    def _target_names(self, encoder: Encoder) -> list[str]:
        depth = len(encoder.layers)
        if self.from_layer >= depth:
            raise UserError(f"freeze.from_layer: {self.from_layer} given; this encoder has the layers 0 to {depth - 1}")
        linear = [name for name, module in encoder.layers.named_modules() if isinstance(module, nn.Linear)]
        adaptable = [name for name in linear if int(name.split(".")[0]) >= self.from_layer]
        if self.targets == ALL_LINEAR:
            return adaptable
        targets = [self.targets] if isinstance(self.targets, str) else self.targets
        valid = {name.split(".", 1)[1] for name in adaptable} | {name.rsplit(".", 1)[1] for name in adaptable}
        for target in targets:
            if target not in valid:
                raise UserError(
                    f"freeze.targets: no linear module of a layer is called {target!r}; "
                    f"{did_you_mean(target, [ALL_LINEAR, *valid])}"
                )
        return [name for name in adaptable if any(f".{name}".endswith(f".{target}") for target in targets)]


def merge_adapters(encoder: Encoder) -> None:
    """Add the updates to the weights they belong to and remove the adapters, in fp32 whatever the weights are in.

    Merging in half precision would round the sum. An encoder without adapters is left as it is.
    """
    for parent in list(encoder.modules()):
        for name, child in list(parent.named_children()):
            if not hasattr(child, "get_base_layer"):
                continue
            adapted: Any = child
            base: nn.Linear = adapted.get_base_layer()
            update = adapted.get_delta_weight("default").float()
            with torch.no_grad():
                base.weight.copy_(base.weight.float() + update)
            setattr(parent, name, base)
