"""A tiny training run without Hydra: model, data and a quiet Trainer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from support.fakes import FakeSource, word_tokenizer

from polyhead.data.datamodule import SentenceData
from polyhead.data.samplers import LoaderSettings
from polyhead.data.tokenization import TextTokenizer
from polyhead.freezing.plans import FreezePlan, FreezeSpec
from polyhead.models.dropout import FastDropout
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.weighting import Equal, Weighting
from polyhead.tasks import Task
from polyhead.training.module import MultiTaskTraining
from polyhead.training.optimizer import Optimization

OPTIMIZATION = Optimization(
    encoder_lr=1e-2, head_lr=1e-2, layer_decay=1.0, weight_decay=0.01, betas=(0.9, 0.999), eps=1e-8, warmup=0.1
)


def make_data(tasks: Sequence[Task], train: int = 48, **source: Any) -> SentenceData:
    batching = LoaderSettings(batch_size=8, evaluation_batch_size=16, bucket_batches=4, seed=0, workers=0)
    sizes = {"train": train, "validation": 24, "test": 24}
    return SentenceData(FakeSource(sizes, **source), tasks, TextTokenizer(word_tokenizer(), 16), batching)


def make_module(
    model: MultiTaskModel,
    tasks: Sequence[Task],
    frozen: Sequence[str] | FreezePlan = (),
    weighting: Weighting | None = None,
    optimization: Optimization = OPTIMIZATION,
) -> MultiTaskTraining:
    plan = frozen if isinstance(frozen, FreezePlan) else FreezeSpec(frozen)
    rule = weighting or Equal([task.name for task in tasks])
    return MultiTaskTraining(model, tasks, rule, plan, optimization)


def make_trainer(folder: Path, **settings: Any) -> L.Trainer:
    defaults = {
        "accelerator": "cpu",
        "max_epochs": 2,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
        "gradient_clip_val": 1.0,
        "default_root_dir": folder,
        "log_every_n_steps": 1,
    }
    return L.Trainer(**defaults | settings)


def without_dropout(model):
    """Return the model, none of whose units drops out from here on."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout | FastDropout):
            module.p = 0.0
    return model


class FirstStep(Callback):
    """Keeps the batches of the first optimizer step, and the gradients that it is taken with."""

    def __init__(self):
        self.batches, self.gradients = [], None

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if self.gradients is None:
            self.batches.append(batch)

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        if self.gradients is None:
            named = pl_module.model.named_parameters()
            self.gradients = {name: p.grad.clone() for name, p in named if p.grad is not None}
