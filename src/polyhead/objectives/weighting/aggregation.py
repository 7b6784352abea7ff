"""Gradients of the tasks -> one gradient for the encoder that they share."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from polyhead.errors import check_parameters
from polyhead.objectives.weighting.base import Weighting
from polyhead.objectives.weighting.torchjd import NO_SETTINGS, torchjd_rule

log = logging.getLogger(__name__)

LEVELS = ("embedding", "parameters")


class Aggregation(Weighting):
    """An aggregator of TorchJD on the tasks' gradients; the heads learn from their own losses, unweighted.

    At the shared embedding each task's gradient costs one head, and the encoder is walked backward once, with the
    aggregated gradient. Textbooks aggregate at the shared parameters, which walks the encoder once a task.

    ``PCGrad`` (Yu et al. 2020, arXiv 2001.06782), ``CAGrad`` (Liu et al. 2021, arXiv 2110.14048), ``MGDA`` (Desideri
    2012; Sener and Koltun 2018, arXiv 1810.04650), ``NashMTL`` (Navon et al. 2022, arXiv 2202.01017), ``IMTLG`` (Liu
    et al. 2021, ICLR), ``UPGrad`` (Quinton and Rey 2024, arXiv 2406.16232), ``AlignedMTL`` (Senushkin et al. 2023,
    arXiv 2305.19000), ``GradDrop`` (Chen et al. 2020, arXiv 2010.06808), and the others of ``torchjd.aggregation``. A
    mean is multiplied by the number of tasks with labels, so that it is as large as the plain sum's gradient.

    Args:
        tasks: names, in the order in which losses come.
        aggregator: name of a class in ``torchjd.aggregation``.
        settings: its arguments.
        level: ``embedding`` or ``parameters``.
        gives_mean: whether the aggregator gives a mean of gradients instead of a sum.

    Raises:
        ParameterError: an unknown level.
        UserError: TorchJD is not installed, or has no such rule; see
            :func:`polyhead.objectives.weighting.torchjd.torchjd_rule`.
    """

    needs_gradients: ClassVar[bool] = True

    def __init__(
        self,
        tasks: Sequence[str],
        aggregator: str,
        settings: Mapping[str, Any] = NO_SETTINGS,
        level: str = "embedding",
        gives_mean: bool = False,
    ) -> None:
        super().__init__(tasks)
        check_parameters(("level", level, level in LEVELS, f"one of {', '.join(LEVELS)}"))
        self.aggregator = torchjd_rule("aggregator", aggregator, settings, len(self.tasks))
        self.level = level
        self.gives_mean = gives_mean
        self._told = False

    def weigh(self, losses: Tensor, labelled: Tensor, gradients: Tensor | None) -> Tensor:
        """Return ones (T,): without a shared gradient to aggregate, all losses count alike."""
        return torch.ones_like(losses)

    def aggregate(self, gradients: Tensor, labelled: Tensor) -> Tensor:
        """Return one gradient (N,) for those of the tasks with labels (T, N); a single one stays as it is."""
        with torch.autocast(gradients.device.type, enabled=False):  # half precision is for layers, not for this
            present = gradients[labelled].float()
            # An aggregator with a state keeps it for all tasks; some of them alone would not fit it.
            fits_state = len(present) == len(self.tasks) or not self._stateful_modules()
            if len(present) < 2 or not fits_state or not present.any():
                if not fits_state:
                    self._tell_lacking(labelled)
                return present.sum(dim=0)
            combined: Tensor = self.aggregator(present)
            if self.gives_mean:
                combined = len(present) * combined
            self._note_effective_weights(present, combined, labelled)
            return combined

    def _tell_lacking(self, labelled: Tensor) -> None:
        """Log once that steps without labels of some task do not balance."""
        if not self._told:
            self._told = True
            lacking = ", ".join(name for name, has in zip(self.tasks, labelled.tolist(), strict=True) if not has)
            rule = type(self.aggregator).__name__
            told = "weighting: %s balances all tasks or none; steps without labels, as one of %s, take the sum"
            log.warning(told, rule, lacking)

    def _note_effective_weights(self, present: Tensor, combined: Tensor, labelled: Tensor) -> None:
        """Keep the least-squares weights of the rows: they express the aggregate in terms of losses."""
        gram = present @ present.T
        projections = present @ combined
        weights = torch.linalg.lstsq(gram.double().cpu(), projections.double().cpu()).solution
        effective = self.effective.clone()
        effective[labelled] = weights.to(effective)
        self.effective = effective.nan_to_num()

    def get_extra_state(self) -> dict[str, dict[str, Any]]:
        """Return the state of a stateful aggregator, as tensors and plain values."""
        return {name: _plain_state(module) for name, module in self._stateful_modules().items()}

    def set_extra_state(self, state: dict[str, dict[str, Any]]) -> None:
        """Restore the state of a stateful aggregator."""
        for name, module in self._stateful_modules().items():
            for key, value in state[name].items():
                is_array = isinstance(getattr(module, key, None), np.ndarray)
                setattr(module, key, value.numpy() if is_array else value)
            if hasattr(module, "_init_optim_problem"):  # Nash-MTL makes its solver in its first step alone
                cast(Any, module)._init_optim_problem()

    def _stateful_modules(self) -> dict[str, nn.Module]:
        return {name: module for name, module in self.aggregator.named_modules() if _is_stateful(module)}


def _is_stateful(module: nn.Module) -> bool:
    return any(base.__name__ == "Stateful" for base in type(module).__mro__)  # the class itself is not public


def _plain_state(module: nn.Module) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for key, value in vars(module).items():
        if isinstance(value, np.ndarray):
            state[key] = torch.from_numpy(value.copy())
        elif isinstance(value, Tensor | int | float | tuple) and key != "training":
            state[key] = value
    return state


def surrogate_loss(
    aggregation: Aggregation, encoder: nn.Module, embeddings: Tensor, gradients: Tensor, labelled: Tensor
) -> Tensor:
    """Return a loss whose value is 0 and whose gradient at the encoder is the aggregate of the tasks' gradients.

    The product of a tensor x and a constant gradient g has the gradient g with respect to x; subtracting the detached
    product (``x - x.detach()``) makes the value 0 and leaves that gradient as it is. Added to the sum of the losses,
    it changes no figure in the log, and a single backward pass brings the aggregate to the encoder, so that gradient
    accumulation, mixed precision, clipping and DDP work as for any loss.

    Args:
        aggregation: combines the tasks' gradients.
        encoder: the module that the tasks share.
        embeddings: its output (B, H).
        gradients: of each task's loss at the embeddings (T, B x H).
        labelled: whether the batch has a label for the task (T,).
    """
    if aggregation.level == "embedding":
        combined = aggregation.aggregate(gradients, labelled).view_as(embeddings)
        product = (embeddings * combined).sum()
    else:
        product = _parameter_product(aggregation, encoder, embeddings, gradients, labelled)
    return product - product.detach()


def _parameter_product(
    aggregation: Aggregation, encoder: nn.Module, embeddings: Tensor, gradients: Tensor, labelled: Tensor
) -> Tensor:
    """Return the product () of the encoder's parameters with the aggregate of the tasks' gradients at them."""
    parameters = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    rows = []
    for gradient in gradients:  # a backward pass through the encoder per task
        slopes = torch.autograd.grad(embeddings, parameters, gradient.view_as(embeddings), retain_graph=True)
        rows.append(torch.cat([slope.flatten() for slope in slopes]))
    combined = aggregation.aggregate(torch.stack(rows), labelled)  # (all parameters,)
    parts = torch.split(combined, [parameter.numel() for parameter in parameters])
    products = [(p * part.view_as(p)).sum() for p, part in zip(parameters, parts, strict=True)]
    return torch.stack(products).sum()
