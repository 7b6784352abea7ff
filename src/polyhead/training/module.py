"""Training: the LightningModule that joins model, losses, weighting, freezing and evaluation.

Knows nothing about where data and weights come from, nor about what TensorBoard shows.
Shapes: T tasks, X texts of a batch, H hidden units.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim import Optimizer

from polyhead.data.batch import Batch
from polyhead.data.datamodule import SentenceData
from polyhead.data.loader import TrainingLoader
from polyhead.errors import UserError
from polyhead.freezing.plans import FreezePlan, eval_frozen_modules, stage_index
from polyhead.freezing.probe_stage import takes_steps, without_probe
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.distillation import Distillation
from polyhead.objectives.embedding_loss import EmbeddingLoss
from polyhead.objectives.gradient_conflict import Conflict, copy_per_task, gradients_at
from polyhead.objectives.losses import MultiTaskLoss, check_finite
from polyhead.objectives.weighting import Aggregation, Weighting, surrogate_loss
from polyhead.tasks import Task
from polyhead.training.checkpoints import FORMAT, of_all_processes
from polyhead.training.epochs import continue_from_here, epoch_is_complete, reopen_epoch, steps_per_epoch
from polyhead.training.evaluation import MultiTaskEvaluation
from polyhead.training.gradient_clipping import clip_gradients
from polyhead.training.metrics import scalars
from polyhead.training.optimizer import Optimization
from polyhead.training.sharding import ShardedStrategy
from polyhead.training.stage_change import follow_stage
from polyhead.training.step_losses import step_losses

log = logging.getLogger(__name__)


class MultiTaskTraining(MultiTaskEvaluation):
    """Trains and evaluates a multi-task model.

    Args:
        model: encoder and heads.
        tasks: what the heads predict, in the order of the weighting's losses.
        weighting: losses (T,) -> loss ().
        freeze_plan: which parameters are frozen in which epoch; its first stage is entered here.
        optimization: optimizer and schedule for the rest.
        loss: the loss of each task; None is cross-entropy.
        watch_conflict: whether to log how the tasks' gradients at the shared embedding agree.
        heads_solved: whether the heads are solved before training; a first stage that is their probe is left out.
        embedding_loss: holds the embeddings to the targets of the training batches; None where they have none.
        distillation: adds the distance from a teacher's answers, where the training batches have these.

    Attributes:
        stage: the stage of freezing that the model is in.
        stages: all of them.
        takes_steps: whether anything is trained by steps of an optimizer.

    Raises:
        UserError: the plan does not fit the model.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        tasks: Sequence[Task],
        weighting: Weighting,
        freeze_plan: FreezePlan,
        optimization: Optimization,
        loss: MultiTaskLoss | None = None,
        watch_conflict: bool = False,
        heads_solved: bool = False,
        embedding_loss: EmbeddingLoss | None = None,
        distillation: Distillation | None = None,
    ) -> None:
        super().__init__(model, tasks)
        freeze_plan.prepare(model)
        stages = freeze_plan.checked_stages(model)
        self.stages = without_probe(stages) if heads_solved else stages
        if len(self.stages) < len(stages):
            log.info("heads are solved; the epochs that would train them alone (%d) are left out", stages[1].epoch)
        self.takes_steps = takes_steps(model, self.stages, heads_solved)
        self.stage = self.stages[0]
        self.stage.freezing.apply(model)
        self.weighting = weighting
        self.optimization = optimization
        self.loss = loss or MultiTaskLoss(0.0, 0.0, 0.0, tasks)
        self.embedding_loss, self.distillation = embedding_loss, distillation
        self.watch_conflict = watch_conflict
        self.conflict = Conflict([task.name for task in self.tasks])
        self.seed = torch.initial_seed()  # as the entry set it

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but the frozen parts, which stay in evaluation mode."""
        super().train(mode)
        eval_frozen_modules(self.model)
        return self

    def enter(self, epoch: int) -> bool:
        """Freeze what the stage of ``epoch`` freezes, and return whether that is another stage than before."""
        stage = self.stages[stage_index(self.stages, epoch)]
        changed = stage is not self.stage
        if changed:
            self.stage = stage
            stage.freezing.apply(self.model)
        return changed

    def on_train_start(self) -> None:
        """Continue within the epoch in which a checkpoint was written, or with the next.

        The schedule needs the number of steps, so Lightning makes the loader before it has read the checkpoint, and
        does not give it its state afterwards; the loader's state follows from the trainer's progress, though.
        """
        continue_from_here(self.trainer, in_stages=len(self.stages) > 1)
        loader = self.trainer.train_dataloader
        if isinstance(loader, TrainingLoader):
            loader.load_state_dict(loader.state_dict())
        self._log_if_nothing_shared()

    def on_train_epoch_start(self) -> None:
        """Enter the epoch's stage; distributed training and stored features follow it."""
        if not self.enter(self.trainer.current_epoch):
            return
        follow_stage(self.trainer.strategy, self, self.stage)
        cast(SentenceData, self.trainer.datamodule).refresh_activations()  # type: ignore[attr-defined]
        self._log_if_nothing_shared()

    def _log_if_nothing_shared(self) -> None:
        if self.weighting.needs_gradients and not any(p.requires_grad for p in self.model.encoder.parameters()):
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
        every = steps_per_epoch(self.trainer)
        optimizer, schedule = self.optimization.build(
            self.model, self.weighting, self.stages, int(steps), every, fused=not self._scales_gradients
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
        if gradient_clip_val and isinstance(self.trainer.strategy, ShardedStrategy):
            self.trainer.strategy.clip(optimizer, gradient_clip_val, gradient_clip_algorithm == "value")
        elif gradient_clip_val and not self._scales_gradients:
            clip_gradients(optimizer, gradient_clip_val, "value" if gradient_clip_algorithm == "value" else "norm")
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted loss () of a batch, and log it, each task's own and the weights."""
        embeddings = self.model.embed(batch)  # (X, H)
        aggregation = self._aggregation_for(embeddings)
        # Where the encoder gets the aggregated gradient, the heads' own backward passes end at a copy of its output.
        head_inputs = embeddings.detach().requires_grad_() if aggregation else embeddings
        copies = copy_per_task(head_inputs, len(self.tasks))  # (T, X, H)
        names = [task.name for task in self.tasks]
        step = step_losses(self.model, names, self.loss, self.distillation, batch, copies)
        losses, labelled = step.losses, step.labelled
        self.update_metrics("training", batch, step.logits, step.of_labels, step.rows)
        check_finite(losses.detach(), self.tasks, self.global_step, batch.rows)
        gradients = self._gradients_at(copies, losses)  # (T, X x H)
        total: Tensor = self.weighting(losses, labelled, gradients)
        if aggregation and gradients is not None:
            total = total + surrogate_loss(aggregation, self.model.encoder, embeddings, gradients, labelled)
        curves = self.conflict(gradients, labelled) if self._watches and gradients is not None else {}
        if self.embedding_loss is not None and batch.targets is not None and embeddings.requires_grad:
            drift = self.embedding_loss.at_widths(embeddings, batch.targets, self.model.dimensions)
            total, curves = total + self.embedding_loss.weight * drift, {**curves, "train/drift": drift.detach()}
        self._log_step(total.detach(), losses.detach(), curves, len(batch))
        return total

    def _aggregation_for(self, embeddings: Tensor) -> Aggregation | None:
        """Return the weighting if it gives the encoder a gradient of its own making, and the encoder is trained."""
        return self.weighting if embeddings.requires_grad and isinstance(self.weighting, Aggregation) else None

    @property
    def _watches(self) -> bool:
        return self.watch_conflict and len(self.tasks) > 1

    def _gradients_at(self, copies: Tensor, losses: Tensor) -> Tensor | None:
        """Return each task's gradient at the embeddings, where anything shared is trained and someone looks at it."""
        wanted = self._watches or self.weighting.needs_gradients
        return gradients_at(copies, losses) if wanted and copies.requires_grad else None

    def _log_step(self, total: Tensor, losses: Tensor, curves: Mapping[str, Tensor], sentences: int) -> None:
        logged = {"train/loss": total, **curves}
        for task, loss, weight in zip(self.tasks, losses, self.weighting.weights().detach(), strict=True):
            logged[f"train/{task.name}/loss"] = loss
            logged[f"weights/{task.name}"] = weight
        self.log_dict(logged, batch_size=sentences)
        # The progress bar has one line of a terminal, whatever tasks there are.
        self.log("loss", total, prog_bar=True, logger=False, batch_size=sentences)

    def on_train_epoch_end(self) -> None:
        """Log the metrics over the epoch's training batches, as they were when each was trained on."""
        self.results["training"] = self.compute_metrics("training")
        logged = scalars("train", self.results["training"])
        # The loss is logged step by step already.
        self.log_dict({name: value for name, value in logged.items() if not name.endswith("/loss")})
        if epoch_is_complete(self.trainer):
            self.weighting.end_epoch()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write the format, the validation metrics of the weights, and the training metrics of the epoch so far."""
        checkpoint["polyhead_format"] = FORMAT
        checkpoint["results"] = {"validation": self.results.get("validation")}
        if "optimizer_states" in checkpoint:
            checkpoint["training_metrics"] = of_all_processes(self.progress("training"), self.trainer.world_size)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue within the epoch in which training ended, with its metrics so far."""
        reopen_epoch(checkpoint)
        progress = checkpoint.get("training_metrics", [])  # an older version, or other processes, wrote none that fit
        if len(progress) == self.trainer.world_size:
            self.resume("training", progress[self.global_rank])
