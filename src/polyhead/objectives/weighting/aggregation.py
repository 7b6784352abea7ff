"""Gradients of the tasks -> one gradient for what they share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from polyhead.errors import UserError
from polyhead.objectives.weighting.base import Weighting
from polyhead.objectives.weighting.torchjd import torchjd_rule

LEVELS = ("embedding", "parameters")


class Aggregation(Weighting):
    """An aggregator of TorchJD on the tasks' gradients; the heads learn from their own losses, unweighted.

    At the shared embedding each task's gradient costs one head, and the encoder is walked backward once, with the
    aggregated gradient. Textbooks aggregate at the shared parameters, which walks the encoder once a task.

    ``PCGrad`` (Yu et al. 2020, arXiv 2001.06782), ``CAGrad`` (Liu et al. 2021, arXiv 2110.14048), ``MGDA`` (Desideri
    2012; Sener and Koltun 2018, arXiv 1810.04650), ``NashMTL`` (Navon et al. 2022, arXiv 2202.01017), ``IMTLG`` (Liu
    et al. 2021, ICLR), ``UPGrad`` (Quinton and Rey 2024, arXiv 2406.16232), ``AlignedMTL`` (Senushkin et al. 2023,
    arXiv 2305.19000), ``GradDrop`` (Chen et al. 2020, arXiv 2010.06808), and what else ``torchjd.aggregation`` has. A
    mean is multiplied by the number of tasks with labels, so that it is as large as the plain sum's gradient.

    Args:
        tasks: names, in the order in which losses come.
        aggregator: name of a class in ``torchjd.aggregation``.
        settings: its arguments.
        level: ``embedding`` or ``parameters``.
        gives_mean: whether the aggregator gives a mean of gradients instead of a sum.

    Raises:
        UserError: an unknown level, or see :func:`polyhead.objectives.weighting.torchjd.torchjd_rule`.
    """

    needs_gradients: ClassVar[bool] = True

    def __init__(
        self, tasks: Sequence[str], aggregator: str, settings: Mapping[str, Any], level: str, gives_mean: bool
    ) -> None:
        super().__init__(tasks)
        if level not in LEVELS:
            raise UserError(f"weighting.level: {level!r} given; it must be one of {', '.join(LEVELS)}")
        self.aggregator = torchjd_rule("aggregation", "Aggregator", aggregator, settings, len(self.tasks))
        self.level, self.gives_mean = level, gives_mean

    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        """Return ones (T,): without a shared gradient to aggregate, all losses count alike."""
        return torch.ones_like(losses)

    def aggregate(self, gradients: Tensor, labelled: Tensor) -> Tensor:
        """Return one gradient (N,) for those of the tasks with labels (T, N); a single one stays as it is."""
        with torch.autocast(gradients.device.type, enabled=False):  # half precision is for layers, not for this
            return self._combine(gradients[labelled].float(), labelled)

    def _combine(self, present: Tensor, labelled: Tensor) -> Tensor:
        # An aggregator with a state keeps it for all tasks; without some of them there is nothing it could go on from.
        complete = len(present) == len(self.tasks) or not any(True for _ in self._stateful())
        if len(present) < 2 or not complete or not present.any():
            return present.sum(dim=0)
        combined: Tensor = (len(present) if self.gives_mean else 1) * self.aggregator(present)
        # The least-squares weights of the rows say what the aggregator did in terms of losses.
        gram = present @ present.T
        weights = torch.linalg.lstsq(gram.double().cpu(), (present @ combined).double().cpu()).solution
        effective = self.effective.clone()
        effective[labelled] = weights.to(effective)
        self.effective = effective.nan_to_num(0.0)
        return combined

    def get_extra_state(self) -> dict[str, dict[str, Any]]:
        """Return what a stateful aggregator has learned so far, as tensors and plain values."""
        return {
            name: {
                key: torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value
                for key, value in vars(module).items()
                if isinstance(value, Tensor | np.ndarray | int | float | tuple) and key != "training"
            }
            for name, module in self._stateful()
        }

    def set_extra_state(self, state: dict[str, dict[str, Any]]) -> None:
        """Give a stateful aggregator its state back."""
        for name, module in self._stateful():
            for key, value in state[name].items():
                is_array = isinstance(getattr(module, key, None), np.ndarray)
                setattr(module, key, value.numpy() if is_array else value)
            if hasattr(module, "_init_optim_problem"):  # Nash-MTL makes its solver in its first step alone
                cast(Any, module)._init_optim_problem()

    def _stateful(self) -> Iterator[tuple[str, nn.Module]]:
        for name, module in self.aggregator.named_modules():
            if any(base.__name__ == "Stateful" for base in type(module).__mro__):
                yield name, module


def surrogate_loss(
    aggregation: Aggregation, encoder: nn.Module, embeddings: Tensor, gradients: Tensor, labelled: Tensor
) -> Tensor:
    """Return 0 with the aggregated gradient behind it: added to a loss, its backward pass brings that to the encoder.

    So accumulation, mixed precision, clipping and DDP go on as they do for any loss.

    Args:
        aggregation: combines the tasks' gradients.
        encoder: what the tasks share.
        embeddings: its output (B, H).
        gradients: of each task's loss at the embeddings (T, B x H).
        labelled: whether the batch has a label for the task (T,).
    """
    if aggregation.level == "embedding":
        product = (embeddings * aggregation.aggregate(gradients, labelled).view_as(embeddings)).sum()
    else:
        parameters = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
        rows = []
        for gradient in gradients:  # the encoder is walked once a task
            slopes = torch.autograd.grad(embeddings, parameters, gradient.view_as(embeddings), retain_graph=True)
            rows.append(torch.cat([slope.flatten() for slope in slopes]))
        combined = aggregation.aggregate(torch.stack(rows), labelled)
        parts = torch.split(combined, [parameter.numel() for parameter in parameters])
        terms = [(p * part.view_as(p)).sum() for p, part in zip(parameters, parts, strict=True)]
        product = torch.stack(terms).sum()
    return product - product.detach()
