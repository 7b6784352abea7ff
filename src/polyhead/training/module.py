"""Training: the LightningModule that joins model, losses, weighting, freezing and metrics.

Knows nothing about where data and weights come from, nor about what TensorBoard shows. Shapes: T tasks.
"""

import logging
from collections.abc import Sequence
from typing import Any, Self, cast

import lightning as L
import torch
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from polyhead.data.batch import Batch
from polyhead.data.datamodule import SentenceData
from polyhead.data.loader import TrainingLoader
from polyhead.errors import UserError
from polyhead.freezing.plans import FreezePlan, eval_frozen_modules, stage_index
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.gradient_conflict import Conflict, gradients_at
from polyhead.objectives.losses import MultiTaskLoss, check_finite, cross_entropy_per_task
from polyhead.objectives.weighting import Aggregation, Weighting, surrogate_loss
from polyhead.tasks import Task
from polyhead.training.calibration import Calibration
from polyhead.training.metrics import Results, TaskMetrics, scalars
from polyhead.training.optimizer import Optimization

log = logging.getLogger(__name__)


class MultiTaskTraining(L.LightningModule):
    """Trains and evaluates a multi-task model.

    Args:
        model: encoder and heads.
        tasks: what the heads predict, in the order of the weighting's losses.
        weighting: losses (T,) -> scalar.
        freezing: which parts of the model stay as they are, in which epoch; its first stage is entered here.
        optimization: optimizer and schedule for the rest.
        losses: what is minimised for each task; None is cross-entropy.
        watch_conflict: whether to log how the tasks' gradients at the shared embedding agree.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        tasks: Sequence[Task],
        weighting: Weighting,
        freezing: FreezePlan,
        optimization: Optimization,
        losses: MultiTaskLoss | None = None,
        watch_conflict: bool = False,
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
        self.losses = losses or MultiTaskLoss(0.0, 0.0, 0.0, tasks)
        self.watch_conflict = watch_conflict
        self.conflict = Conflict([task.name for task in self.tasks])
        self.seed = torch.initial_seed()  # as the entry set it
        self.results: dict[str, Results] = {}
        self.test_set = "test"  # what the test batches are of: the name under which their metrics are kept and logged
        self.metrics = nn.ModuleDict(
            {
                f"{split}_{task.name}": TaskMetrics(task)
                for split in ("training", "validation", "test")
                for task in self.tasks
            }
        )

        self.calibration = nn.ModuleDict({task.name: Calibration(task) for task in self.tasks})

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but the frozen parts, which stay in evaluation mode."""
        super().train(mode)
        eval_frozen_modules(self.model)
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
        self._tell_of_stepping_aside()

    def on_train_epoch_start(self) -> None:
        """Enter the epoch's stage; distributed training and stored features follow it."""
        if not self.enter(self.trainer.current_epoch):
            return
        if isinstance(self.trainer.strategy, DDPStrategy):
            # DDP looks at requires_grad once, when it wraps the model: what thaws later would never be averaged.
            self.trainer.strategy.model = self
            self.trainer.strategy.configure_ddp()
        cast(SentenceData, self.trainer.datamodule).refresh_features()  # type: ignore[attr-defined]
        self._tell_of_stepping_aside()

    def _tell_of_stepping_aside(self) -> None:
        shared = any(parameter.requires_grad for parameter in self.model.encoder.parameters())
        if self.weighting.needs_gradients and not shared:
            log.info("weighting: nothing that tasks share is trained from here on; all losses count alike")

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
        if self.trainer.num_training_batches == float("inf"):  # with max_steps alone Lightning has not looked yet
            self.trainer.fit_loop.setup_data()
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
        embeddings = self.model.embed(batch)  # (B, H)
        shared = embeddings.requires_grad
        aggregation = self.weighting if shared and isinstance(self.weighting, Aggregation) else None
        # Where the encoder gets another gradient than the heads' losses give, these end at a copy of its output.
        point = embeddings.detach().requires_grad_() if aggregation else embeddings
        losses, labelled = self._measure("training", batch, self.model.classify(point))
        check_finite(losses.detach(), self.tasks, self.global_step, batch.rows)
        gradients = None  # (T, B x H)
        if shared and (self.watch_conflict or self.weighting.needs_gradients):
            gradients = gradients_at(point, losses)
        total = cast(Tensor, self.weighting(losses, labelled, gradients))
        if aggregation and gradients is not None:
            total = total + surrogate_loss(aggregation, self.model.encoder, embeddings, gradients, labelled)
        by_task = dict(zip((task.name for task in self.tasks), losses.detach(), strict=True))
        weights = dict(zip(by_task, self.weighting.weights().detach(), strict=True))
        logged = {f"train/{name}/loss": loss for name, loss in by_task.items()}
        logged |= {f"weights/{name}": weight for name, weight in weights.items()}
        if self.watch_conflict and gradients is not None:
            logged |= self.conflict(gradients, labelled)
        self.log_dict(logged | {"train/loss": total.detach()}, batch_size=len(batch))
        # The bar has a line of a terminal: short names there, full ones for the logger.
        bar = {f"{name} loss": loss for name, loss in by_task.items()}
        self.log_dict(bar, prog_bar=True, logger=False, batch_size=len(batch))
        return total

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Take a validation batch into the metrics."""
        self._measure("validation", batch, self.model(batch))

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Take a test batch into the metrics, and return its logits (B, C) of each task to whoever looks at them."""
        logits: dict[str, Tensor] = self.model(batch)
        self._measure("test", batch, logits)
        return logits

    def on_train_epoch_end(self) -> None:
        """Log the metrics over the epoch's training batches, as they were when each was trained on."""
        self._log_results("training", "train")
        self.weighting.end_epoch()

    def on_validation_epoch_end(self) -> None:
        """Fit the temperatures, and log the validation metrics."""
        for calibration in self.calibration.values():
            cast(Calibration, calibration).fit()
        self._log_results("validation")

    def on_test_epoch_end(self) -> None:
        """Log the test metrics."""
        self._log_results("test", self.test_set)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the validation metrics beside the weights that gave them."""
        checkpoint["results"] = {"validation": self.results.get("validation")}

    def _measure(self, split: str, batch: Batch, logits: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        # Only training minimises what it is told to: scores on the others compare across runs.
        losses, rows = (self.losses if split == "training" else cross_entropy_per_task)(logits, batch.labels)
        for task, loss, count in zip(self.tasks, losses.detach(), rows, strict=True):
            metrics = cast(TaskMetrics, self.metrics[f"{split}_{task.name}"])
            metrics.update(logits[task.name].detach(), batch.labels[task.name], loss, count)
            if split != "training":
                cast(Calibration, self.calibration[task.name]).update(logits[task.name], batch.labels[task.name])
        return losses, rows > 0

    def _log_results(self, split: str, name: str | None = None) -> None:
        computed = {task.name: cast(TaskMetrics, self.metrics[f"{split}_{task.name}"]).compute() for task in self.tasks}
        # A task without a labelled row was not measured: a metric of nothing would only mislead.
        computed = {task: values for task, values in computed.items() if any(map(any, values["confusion"]))}
        if split != "training":
            for task, values in computed.items():
                values |= cast(Calibration, self.calibration[task]).compute()
            for calibration in self.calibration.values():
                cast(Calibration, calibration).reset()
        self.results[self.test_set if split == "test" else split] = computed
        logged = scalars(name or split, computed)
        if split == "training":  # the loss stands on the dashboard step by step already
            logged = {key: value for key, value in logged.items() if not key.endswith("/loss")}
        self.log_dict(logged)
