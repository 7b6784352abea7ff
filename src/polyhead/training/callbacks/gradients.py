"""Gradients: how large they are in each part of the model. Knows nothing about how they came about."""

from collections.abc import Iterator

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from polyhead.errors import check_parameters
from polyhead.models.multitask import MultiTaskModel
from polyhead.training.module import MultiTaskTraining
from polyhead.training.sharding import full


class GradientNorms(Callback):
    """Logs the gradients' norm of the embeddings, of each layer and of each head, before they are clipped.

    Args:
        every_n_steps: optimizer steps between two records; the Trainer's ``log_every_n_steps``, else some are lost.

    Raises:
        ParameterError: a number below 1.
    """

    def __init__(self, every_n_steps: int = 10) -> None:
        check_parameters(("every_n_steps", every_n_steps, every_n_steps >= 1, "1 or more"))
        self.every_n_steps = every_n_steps

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        """Log the norms."""
        due = (trainer.global_step + 1) % self.every_n_steps == 0
        if due and isinstance(pl_module, MultiTaskTraining):
            pl_module.log_dict(dict(gradient_norms(pl_module.model)))


def gradient_norms(model: MultiTaskModel) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield a name and the norm () of the gradients for each part of the model that has any."""
    for name, modules in _parts(model):
        parameters = [parameter for module in modules for parameter in module.parameters()]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if gradients:
            yield f"gradients/{name}", full(get_total_norm(gradients))


def _parts(model: MultiTaskModel) -> Iterator[tuple[str, list[nn.Module]]]:
    yield "encoder.embeddings", list(model.encoder.embeddings)
    for number, layer in enumerate(model.encoder.layers):
        yield f"encoder.layers.{number:02}", [layer]
    for task, head in model.heads.items():
        yield f"heads.{task}", [head]
