"""The peer in training: Hugging Face's Trainer, as its users run it."""

import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import training_run
from benchmarks.measurement import Measurement
from benchmarks.second_half import HuggingFaceSecondHalf
from benchmarks.settings import Settings
from polyhead.data.batch import Batch
from polyhead.data.tokenization import TextTokenizer
from polyhead.freezing.plans import FreezeSpec
from polyhead.models.dropout import FastDropout
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.losses import cross_entropy_per_task
from polyhead.sources.base import LabelledSentence
from polyhead.tasks import Task

_PREDICTED = 64  # sentences per batch


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
    rows = _tokenized(data.source.sentences("train"), data.tasks, data.text_tokenizer)
    steps = -(-len(rows) // settings.batch_size) * settings.epochs
    optimizers = module.optimization.build(
        module.model, module.weighting, module.stages, steps, steps_per_epoch=steps, fused=True
    )
    clock = HuggingFaceSecondHalf()
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
            callbacks=[clock],
        )
        seconds = trainer.train().metrics["train_runtime"]
    module.to("cpu")
    figures = {"steps": trainer.state.global_step, **clock.figures(settings.batch_size)}
    figures |= training_run.accuracies_on_test(module, data, evaluator)
    return Measurement(len(rows) * settings.epochs, seconds, figures)


def train_with_defaults(
    model: MultiTaskModel,
    tasks: Sequence[Task],
    tokenizer: TextTokenizer,
    sentences: Sequence[LabelledSentence],
    settings: Settings,
    seed: int,
) -> float:
    """Train a model in place with the defaults of ``TrainingArguments``, and return the seconds."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            use_cpu=settings.device == "cpu",
            seed=seed,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        trainer = Trainer(
            TrainerModel(model),
            arguments,
            train_dataset=_tokenized(sentences, tasks, tokenizer),
            data_collator=DataCollatorWithPadding(tokenizer.tokenizer),
        )
        return float(trainer.train().metrics["train_runtime"])


@torch.inference_mode()
def predict_plainly(
    model: MultiTaskModel, tasks: Sequence[Task], tokenizer: TextTokenizer, sentences: Sequence[LabelledSentence]
) -> dict[str, list[str]]:
    """Return the most probable label of each sentence by task, a batch of padded sentences at a time."""
    from transformers import DataCollatorWithPadding

    model.eval()
    device = next(model.parameters()).device
    collate = DataCollatorWithPadding(tokenizer.tokenizer)
    rows = _tokenized(sentences, (), tokenizer)
    found: dict[str, list[str]] = {task.name: [] for task in tasks}
    for start in range(0, len(rows), _PREDICTED):
        batch = collate(rows[start : start + _PREDICTED])
        logits = model(Batch(batch["input_ids"].to(device), batch["attention_mask"].to(device), {}))
        for task in tasks:
            found[task.name] += [task.labels[index] for index in logits[task.name].argmax(dim=1).tolist()]
    return found


def _tokenized(
    sentences: Iterable[LabelledSentence], tasks: Sequence[Task], tokenizer: TextTokenizer
) -> list[dict[str, Any]]:
    """Return sentences as the Trainer takes them: token ids, mask and a label per task."""
    rows = []
    for sentence in sentences:
        row = tokenizer.tokenizer(
            sentence.text, truncation=True, max_length=tokenizer.max_length, return_token_type_ids=False
        )
        labels = [task.index(sentence.labels.get(task.name)) for task in tasks]
        rows.append({**row, "labels": labels} if tasks else {**row})
    return rows
