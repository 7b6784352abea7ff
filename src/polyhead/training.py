"""Training: the LightningModule that joins model, losses, weighting, freezing and metrics.

Knows nothing about where data and weights come from, nor about what TensorBoard shows. Shapes: T tasks.
"""

from collections.abc import Sequence
from typing import Any, Self, cast

import lightning as L
import torch
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from polyhead.batch import Batch
from polyhead.data import SentenceData
from polyhead.errors import UserError
from polyhead.freezing import Plan, hold, stage_index
from polyhead.loading import TrainingLoader
from polyhead.losses import task_losses
from polyhead.metrics import Results, TaskMetrics, scalars
from polyhead.model import MultiTaskModel
from polyhead.optimization import Optimization
from polyhead.tasks import Task
from polyhead.weighting import Weighting


class MultiTaskTraining(L.LightningModule):
    """Trains and evaluates a multi-task model.

    Args:
        model: encoder and heads.
        tasks: what the heads predict, in the order of the weighting's losses.
        weighting: losses (T,) -> scalar.
        freezing: which parts of the model stay as they are, in which epoch; its first stage is entered here.
        optimization: optimizer and schedule for the rest.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        tasks: Sequence[Task],
        weighting: Weighting,
        freezing: Plan,
        optimization: Optimization,
    ) -> None:
        super().__init__()
        freezing.prepare(model)
        self.stages = freezing.checked_stages(model)
        self.stage = self.stages[0]
        self.stage.freezing.apply(model)
        self.model = model
        self.tasks = tuple(tasks)
        self.weighting = weighting
        self.optimization = optimization
        self.seed = torch.initial_seed()  # as the entry set it
        self.results: dict[str, Results] = {}
        self.metrics = nn.ModuleDict(
            {
                f"{split}_{task.name}": TaskMetrics(task)
                for split in ("training", "validation", "test")
                for task in self.tasks
            }
        )

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but the frozen parts, which stay in evaluation mode."""
        super().train(mode)
        hold(self.model)
        return self

    def enter(self, epoch: int) -> bool:
        """Freeze and thaw what the stage of ``epoch`` asks for, and tell whether that was another stage."""
        stage = self.stages[stage_index(self.stages, epoch)]
        changed = stage is not self.stage
        if changed:
            self.stage = stage
            stage.freezing.apply(self.model)
        return changed

    def on_train_start(self) -> None:
        """Go on within the epoch in which a checkpoint was written.

        The schedule needs the number of steps, so Lightning makes the loader before it has read the checkpoint, and
        does not give it its state afterwards; the loader's state follows from the trainer's progress, though.
        """
        loader = self.trainer.train_dataloader
        if isinstance(loader, TrainingLoader):
            loader.load_state_dict(loader.state_dict())

    def on_train_epoch_start(self) -> None:
        """Enter the epoch's stage; distributed training and stored features follow it."""
        if not self.enter(self.trainer.current_epoch):
            return
        if isinstance(self.trainer.strategy, DDPStrategy):
            # DDP looks at requires_grad once, when it wraps the model: what thaws later would never be averaged.
            self.trainer.strategy.model = self
            self.trainer.strategy.configure_ddp()
        cast(SentenceData, self.trainer.datamodule).refresh_features()  # type: ignore[attr-defined]

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Make dropout a function of (seed, process, step), so that a resumed run draws what it would have drawn."""
        torch.manual_seed(hash((self.seed, self.global_rank, self.trainer.current_epoch, batch_idx)))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Build the optimizer and a schedule that moves with every step.

        Raises:
            UserError: training has no end, so the schedule has none to fall to.
        """
        steps = self.trainer.estimated_stepping_batches
        if steps == float("inf"):
            raise UserError("trainer.max_epochs: -1 given; the schedule needs an end, set max_epochs or max_steps")
        batches = int(self.trainer.num_training_batches)
        optimizer, schedule = self.optimization.build(
            self.model,
            self.weighting,
            self.stages,
            int(steps),
            steps_per_epoch=-(-batches // self.trainer.accumulate_grad_batches),
            fused=not self._scales_gradients,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @property
    def _scales_gradients(self) -> bool:
        return self.trainer.precision == "16-mixed"

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradients.

        Lightning refuses to clip for a fused optimizer under any mixed precision, because such an optimizer undoes the
        scaling of float16 gradients by itself. bfloat16 gradients are not scaled, so their norm is right as it is.
        """
        if gradient_clip_val and gradient_clip_algorithm in (None, "norm") and not self._scales_gradients:
            clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted loss of a batch, and log it, each task's own and the weights."""
        losses = self._losses("training", batch)
        total = cast(Tensor, self.weighting(*losses))
        by_task = dict(zip((task.name for task in self.tasks), losses[0].detach(), strict=True))
        weights = dict(zip(by_task, self.weighting.weights().detach(), strict=True))
        logged = {f"train/{name}/loss": loss for name, loss in by_task.items()}
        logged |= {f"weights/{name}": weight for name, weight in weights.items()}
        self.log_dict(logged | {"train/loss": total.detach()}, batch_size=len(batch))
        # The bar has a line of a terminal: short names there, full ones for the logger.
        bar = {f"{name} loss": loss for name, loss in by_task.items()}
        self.log_dict(bar, prog_bar=True, logger=False, batch_size=len(batch))
        return total

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Take a validation batch into the metrics."""
        self._losses("validation", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Take a test batch into the metrics."""
        self._losses("test", batch)

    def on_train_epoch_end(self) -> None:
        """Log the metrics over the epoch's training batches, as they were when each was trained on."""
        self._log_results("training", "train")

    def on_validation_epoch_end(self) -> None:
        """Log the validation metrics."""
        self._log_results("validation")

    def on_test_epoch_end(self) -> None:
        """Log the test metrics."""
        self._log_results("test")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the validation metrics beside the weights that gave them."""
        checkpoint["results"] = {"validation": self.results.get("validation")}

    def _losses(self, split: str, batch: Batch) -> tuple[Tensor, Tensor]:
        logits = self.model(batch)
        losses, rows = task_losses(logits, batch.labels)
        for task, loss, count in zip(self.tasks, losses.detach(), rows, strict=True):
            metrics = cast(TaskMetrics, self.metrics[f"{split}_{task.name}"])
            metrics.update(logits[task.name].detach(), batch.labels[task.name], loss, count)
        return losses, rows > 0

    def _log_results(self, split: str, name: str | None = None) -> None:
        computed = {task.name: cast(TaskMetrics, self.metrics[f"{split}_{task.name}"]).compute() for task in self.tasks}
        self.results[split] = computed
        logged = scalars(name or split, computed)
        if split == "training":  # the loss stands on the dashboard step by step already
            logged = {key: value for key, value in logged.items() if not key.endswith("/loss")}
        self.log_dict(logged)
