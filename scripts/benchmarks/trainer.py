"""The peer in training: Hugging Face's Trainer, as its users run it."""

import tempfile
from typing import Any

from torch import Tensor, nn

from benchmarks import training_run
from benchmarks.measurement import Measurement
from benchmarks.settings import Settings
from polyhead.data.batch import Batch
from polyhead.data.datamodule import SentenceData
from polyhead.freezing.plans import FreezeSpec
from polyhead.models.dropout import FastDropout
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.losses import cross_entropy_per_task


class TrainerModel(nn.Module):
    """Our model behind the signature that the Trainer calls, with torch's own dropout."""

    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        for parent in list(model.modules()):
            for name, child in parent.named_children():
                if isinstance(child, FastDropout):
                    setattr(parent, name, nn.Dropout(child.p).train(child.training))
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the summed loss; ``labels`` (B, T) holds a column per task."""
        by_task = dict(zip(self.model.heads, labels.unbind(dim=1), strict=True))
        logits = self.model(Batch(input_ids, attention_mask, by_task))
        losses, _ = cross_entropy_per_task(logits, by_task)
        return {"loss": losses.sum()}


def hugging_face(settings: Settings, frozen: FreezeSpec, options: dict[str, Any], seed: int) -> Measurement:
    """Train with the Trainer: same model, data, batch size, steps, learning rates, schedule and clipping.

    Args:
        settings: of the benchmark.
        frozen: the parts that are not trained.
        options: further arguments of ``TrainingArguments``.
        seed: of the run.
    """
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    module, data, evaluator = training_run.build(settings, frozen, "32-true", seed, settings.epochs)
    rows = _tokenized_rows(data)
    steps = -(-len(rows) // settings.batch_size) * settings.epochs
    optimizers = module.optimization.build(
        module.model, module.weighting, module.stages, steps, steps_per_epoch=steps, fused=True
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=settings.batch_size,
            num_train_epochs=settings.epochs,
            max_grad_norm=1.0,
            use_cpu=settings.device == "cpu",
            seed=seed,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            **options,
        )
        trainer = Trainer(
            TrainerModel(module.model),
            arguments,
            train_dataset=rows,
            data_collator=DataCollatorWithPadding(data.tokenizer),
            optimizers=optimizers,
        )
        seconds = trainer.train().metrics["train_runtime"]
    module.to("cpu")
    figures = training_run.accuracies_on_test(module, data, evaluator)
    return Measurement(len(rows) * settings.epochs, seconds, {"steps": trainer.state.global_step, **figures})


def _tokenized_rows(data: SentenceData) -> list[dict[str, Any]]:
    """Return the training sentences as the Trainer takes them: token ids, mask and a label per task."""
    rows = []
    for sentence in data.source.sentences("train"):
        limit = data.text_tokenizer.max_length
        row = data.tokenizer(sentence.text, truncation=True, max_length=limit, return_token_type_ids=False)
        labels = [task.index(sentence.labels.get(task.name)) for task in data.tasks]
        rows.append({**row, "labels": labels})
    return rows
