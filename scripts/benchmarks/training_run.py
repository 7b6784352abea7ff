"""A training run as ``train.py`` makes it, without files."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import lightning as L

from benchmarks.settings import Settings
from benchmarks.workload import device_of, loader_settings, open_data, open_encoder
from polyhead.data.datamodule import SentenceData
from polyhead.errors import UserError
from polyhead.freezing.activation_cache import ActivationCache
from polyhead.freezing.frozen_activations import attach_frozen
from polyhead.freezing.plans import FreezeSpec
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.objectives.weighting import Aggregation, Equal
from polyhead.sources.base import Source
from polyhead.tasks import Task
from polyhead.training.module import MultiTaskTraining
from polyhead.training.optimizer import Optimization

OPTIMIZATION = Optimization(
    encoder_lr=1e-4, head_lr=1e-3, layer_decay=1.0, weight_decay=0.01, betas=(0.9, 0.999), eps=1e-8, warmup=0.1
)
EVERYTHING_TRAINED = FreezeSpec([])


def build(
    settings: Settings,
    frozen: FreezeSpec,
    precision: str,
    seed: int,
    epochs: int,
    cache: ActivationCache | None = None,
    rule: Mapping[str, Any] | None = None,
    watch_conflict: bool = False,
    data: tuple[Source, tuple[Task, ...]] | None = None,
    encoder: PretrainedEncoder | None = None,
) -> tuple[MultiTaskTraining, SentenceData, L.Trainer]:
    """Build a run.

    Args:
        settings: of the benchmark.
        frozen: the parts that are not trained.
        precision: of training.
        seed: of the run.
        epochs: of training.
        cache: of frozen activations; None computes them in every epoch.
        rule: arguments of gradient aggregation; None sums the losses.
        watch_conflict: whether to log how the tasks' gradients agree.
        data: sentences and tasks; None is those of the settings.
        encoder: None is that of the settings.

    Raises:
        UserError: the data have no task.
    """
    L.seed_everything(seed, verbose=False)
    corpus, tasks = data or open_data(settings)
    if not tasks:
        raise UserError(f"data={settings.data}: training needs a column category or sentiment with two classes or more")
    source = encoder or open_encoder(settings)
    model = MultiTaskModel(source.load(), tasks, dropout=0.1)
    names = [task.name for task in tasks]
    weighting = Aggregation(names, **rule) if rule else Equal(names)
    module = MultiTaskTraining(model, tasks, weighting, frozen, OPTIMIZATION, watch_conflict=watch_conflict)
    attach = partial(attach_frozen, model.encoder, precision, cache, device_of(settings)) if cache else None
    loaded = SentenceData(corpus, tasks, source.load_text_tokenizer(), loader_settings(settings, seed), attach)
    trainer = L.Trainer(
        accelerator=settings.device,
        devices=1,
        max_epochs=epochs,
        precision=precision,  # type: ignore[arg-type]
        gradient_clip_val=1.0,
        limit_val_batches=0,
        use_distributed_sampler=False,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    return module, loaded, trainer


def accuracies_on_test(module: MultiTaskTraining, data: SentenceData, trainer: L.Trainer) -> dict[str, float]:
    """Return the accuracy of each task on the test split."""
    trainer.test(module, data, verbose=False)
    return {f"{task} accuracy": values["accuracy"] for task, values in module.results["test"].items()}
