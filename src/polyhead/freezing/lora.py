"""LoRA: low-rank updates beside frozen weights, through PEFT. Knows nothing about training."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import nn

from polyhead.errors import ParameterError, check_parameters, did_you_mean, require_extra
from polyhead.freezing.plans import FreezePlan, FreezeSpec, Stage
from polyhead.models.encoder import Encoder
from polyhead.models.multitask import MultiTaskModel

ALL_LINEAR = "all-linear"
FACTOR_A = ".lora_A."
"""Part of the names of the weights A, by which they are known."""


@dataclass(frozen=True)
class LoRA(FreezePlan):
    r"""Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685); the heads are trained as well.

    A weight W (out, in) of a target becomes :math:`W + \frac{a}{r} B A`, of which A (r, in) and B (out, r) are trained;
    B starts at zero, so training starts from the pretrained encoder. Layers below the lowest adapter are frozen
    entirely, and their activations are stored.

    Args:
        rank: r, the width of the bottleneck.
        alpha: a; the update is scaled by a / r.
        targets: names of linear modules within a layer, or ``all-linear``.
        from_layer: the lowest layer with adapters, from 0.

    Raises:
        ParameterError: values out of range, all at once.
        UserError: PEFT is not installed.
    """

    rank: int = 8
    alpha: float = 16.0
    targets: str | Sequence[str] = "all-linear"
    from_layer: int = 0

    def __post_init__(self) -> None:
        check_parameters(
            ("rank", self.rank, self.rank >= 1, "1 or more"),
            ("alpha", self.alpha, 0 < self.alpha < inf, "above 0"),
            ("targets", self.targets, bool(self.targets), f"{ALL_LINEAR}, or a list of names"),
            ("from_layer", self.from_layer, self.from_layer >= 0, "0 or more"),
        )
        with require_extra("lora", "LoRA"):
            import peft  # noqa: F401 (takes seconds, and only this plan needs it)

    def prepare(self, model: MultiTaskModel) -> None:
        """Put the adapters into the encoder's layers.

        Raises:
            ParameterError: a rank above its width, a layer that the encoder does not have, or targets that match
                nothing in it.
        """
        from peft import LoraConfig, inject_adapter_in_model

        width = model.encoder.hidden_size
        rule = f"at most {width}, the width of this encoder; above that it saves nothing"
        check_parameters(("rank", self.rank, self.rank <= width, rule))
        names = self._target_names(model.encoder)
        config = LoraConfig(r=self.rank, lora_alpha=self.alpha, target_modules=names, lora_dropout=0.0)  # type: ignore[arg-type]
        # The list of layers has no config, from which PEFT would look up the family's own targets.
        inject_adapter_in_model(config, model.encoder.layers)

    def stages(self, model: MultiTaskModel) -> tuple[Stage, ...]:
        """Return the one stage: adapters and heads are trained."""
        return (Stage(0, FreezeSpec(["encoder"], ["encoder.adapters"])),)

    def _target_names(self, encoder: Encoder) -> list[str]:
        """Return the names of the linear modules to adapt, as seen from the list of layers: ``4.attention.query``."""
        last = len(encoder.layers) - 1
        rule = f"a layer of this encoder, 0 to {last}"
        check_parameters(("from_layer", self.from_layer, self.from_layer <= last, rule))
        linear = [name for name, module in encoder.layers.named_modules() if isinstance(module, nn.Linear)]
        adaptable = [name for name in linear if int(name.split(".")[0]) >= self.from_layer]
        if self.targets == ALL_LINEAR:
            return adaptable
        targets = [self.targets] if isinstance(self.targets, str) else self.targets
        _check_targets(targets, adaptable)
        return [name for name in adaptable if any(f".{name}".endswith(f".{target}") for target in targets)]


def merge_adapters(encoder: Encoder) -> None:
    """Add the updates to the weights they belong to, and remove the adapters.

    The sum is made in single precision, whatever the weights are in: half precision would round it twice. An encoder
    without adapters stays as it is.
    """
    for parent in list(encoder.modules()):
        for name, child in list(parent.named_children()):
            if hasattr(child, "get_base_layer"):
                setattr(parent, name, _merged(child))


def _check_targets(targets: Sequence[str], adaptable: Sequence[str]) -> None:
    paths = {name.split(".", 1)[1] for name in adaptable}
    last_names = {name.rsplit(".", 1)[1] for name in adaptable}
    valid = paths | last_names
    for target in targets:
        if target not in valid:
            hint = did_you_mean(target, [ALL_LINEAR, *valid])
            raise ParameterError(f"targets: no linear module of a layer is called {target!r}; {hint}")


def _merged(adapted: Any) -> nn.Linear:
    base: nn.Linear = adapted.get_base_layer()
    update = adapted.get_delta_weight("default").float()
    with torch.no_grad():
        base.weight.copy_(base.weight.float() + update)
    return base
