"""Sharding: training whose weights, gradients and moments are spread over the processes (FSDP2).

In a fit the module trains a copy of its model, each layer of which is whole only while it computes. The model itself
stays whole in the processor's memory: what is frozen is computed with it, and it has the trained weights again once the
fit is over, so that evaluation, export and all else know nothing of shards. Checkpoints are those of one process.
"""

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from polyhead.freezing.plans import Stage
from polyhead.models.multitask import MultiTaskModel

_VIEWS = "FSDP2-wrapped module .* returned a view tensor"  # no layer writes into what another gave it


class ShardedStrategy(ModelParallelStrategy):
    """Spreads a multi-task model over all processes in a fit: each encoder layer by itself, and the rest together."""

    def __init__(self) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False)
        self._whole: list[MultiTaskModel] = []  # a list: it is no part of the module while it waits

    def setup_environment(self) -> None:
        """Join the processes; all of them share the rows."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    def setup(self, trainer: "L.Trainer") -> None:
        """Put the copy that is spread in the place of the model, where a fit begins, and set all else up.

        Lightning's own would have the module spread itself; this one need not know.
        """
        fits = trainer.state.fn == TrainerFn.FITTING
        if fits:
            module = cast(Any, self.lightning_module)
            self._whole = [module.model]
            module.model = self._spread(module.model)
        cast(Accelerator, self.accelerator).setup(trainer)
        self.model = self.precision_plugin.convert_module(cast(nn.Module, self.model))
        self.model_to_device()
        self.barrier()
        if fits:
            self.setup_optimizers(trainer)
        self.setup_precision_plugin()

    def _spread(self, whole: MultiTaskModel) -> MultiTaskModel:
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method  # takes seconds to import

        model = copy.deepcopy(whole).to(self.root_device)
        mesh = self.device_mesh["data_parallel"]
        for layer in model.encoder.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
        for method in ("embed", "classify_task"):  # training calls these, and never the model itself
            register_fsdp_forward_method(model, method)
        warnings.filterwarnings("ignore", message=_VIEWS)
        return model

    def gather(self) -> None:
        """Put the whole model, with the trained weights, back into its place; all processes call this after a fit."""
        module = cast(Any, self.lightning_module)
        self._copy_to_whole(module.model)
        module.model = self._whole.pop()

    def enter(self, stage: Stage) -> None:
        """Have the whole model follow the copy into a stage of freezing: frozen activations are computed with it."""
        whole = self._whole[0]
        self._copy_to_whole(cast(Any, self.lightning_module).model)
        stage.freezing.apply(whole)

    def _copy_to_whole(self, spread: MultiTaskModel) -> None:
        state = spread.state_dict()
        with torch.no_grad():
            for name, tensor in self._whole[0].state_dict().items():
                tensor.copy_(full(state[name]))

    def training_step(self, *arguments: Any, **named: Any) -> Any:
        """Take a step; what a weighting has learned is that of the first process, as DDP has it."""
        for buffer in cast(Any, self.lightning_module).weighting.buffers():
            torch.distributed.broadcast(buffer, 0)
        return super().training_step(*arguments, **named)

    def post_backward(self, closure_loss: Tensor) -> None:
        """Average the gradients of what is not spread: the parameters of a weighting."""
        for parameter in cast(Any, self.lightning_module).weighting.parameters():
            if parameter.grad is not None:
                torch.distributed.all_reduce(parameter.grad)
                parameter.grad /= self.world_size

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return the state of the module with whole tensors; of other processes than the first an empty one."""
        return self._for_first(cast(nn.Module, self.lightning_module).state_dict())

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return the state of an optimizer with whole tensors; of other processes than the first an empty one."""
        own = optimizer.optimizer if isinstance(optimizer, LightningOptimizer) else optimizer
        return self._for_first(own.state_dict())

    def _for_first(self, state: Mapping[str, Any]) -> dict[str, Any]:
        whole = _full_in(state, keep=self.is_global_zero)
        return whole if self.is_global_zero else {}

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Whether Lightning has the optimizer's state loaded; here it has."""
        return True

    def load_checkpoint(self, checkpoint_path: str | Path, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint, whole, in each process."""
        return self.checkpoint_io.load_checkpoint(checkpoint_path, weights_only=True)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Load the state of the module, of which each process takes its shards."""
        module = cast(nn.Module, self.lightning_module)
        ours = module.state_dict()
        state = {name: _like(tensor, ours.get(name)) for name, tensor in checkpoint["state_dict"].items()}
        module.load_state_dict(state, strict=strict)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Load the state of the optimizers, of which each process takes its shards."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            moments = {
                index: {name: _moment(value, parameters[index]) for name, value in entry.items()}
                for index, entry in state["state"].items()
            }
            optimizer.load_state_dict({**state, "state": moments})

    def clip(self, optimizer: Optimizer, limit: float, by_value: bool) -> None:
        """Clip the gradients: each number, or the norm of all of them together, over all shards."""
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        shards = [gradient.to_local() for gradient in gradients if isinstance(gradient, DTensor)]
        others = [gradient for gradient in gradients if not isinstance(gradient, DTensor)]
        if by_value:
            for gradient in [*shards, *others]:
                gradient.clamp_(-limit, limit)
            return
        squared = _norm(shards, self.root_device).square()
        torch.distributed.all_reduce(squared)
        norm = (squared + _norm(others, self.root_device).square()).sqrt()
        factor = (limit / (norm + 1e-6)).clamp(max=1.0)  # as torch.nn.utils.clip_grad_norm_ has it
        for gradient in [*shards, *others]:
            gradient.mul_(factor)


def full(tensor: Tensor) -> Tensor:
    """Return a tensor with the shards of all processes, which all have to ask for it; a whole one as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _norm(gradients: Sequence[Tensor], device: torch.device) -> Tensor:
    return get_total_norm(gradients) if gradients else torch.zeros((), device=device)


def _full_in(state: Any, keep: bool) -> Any:
    """Return nested state with whole tensors in the processor's memory; without those it is to forget, None."""
    if isinstance(state, DTensor):
        whole = full(state)
        return whole.cpu() if keep else None
    if isinstance(state, Mapping):
        return {key: _full_in(value, keep) for key, value in state.items()}
    return state


def _like(tensor: Any, ours: Any) -> Any:
    """Return a whole tensor spread as one of ours is."""
    if not isinstance(ours, DTensor):
        return tensor
    return distribute_tensor(tensor.to(ours.device), ours.device_mesh, ours.placements, src_data_rank=None)


def _moment(value: Any, parameter: Tensor) -> Any:
    """Return a moment of a parameter spread as that is; the count of steps as it is."""
    return _like(value, parameter) if isinstance(value, Tensor) and value.shape == parameter.shape else value
