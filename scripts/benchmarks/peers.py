"""The peers: sentence-transformers and Hugging Face's Trainer, as their users run them."""

import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks import encoding, training, workload
from benchmarks.settings import Settings
from polyhead.data.batch import Batch
from polyhead.freezing.plans import FreezeSpec
from polyhead.models.dropout import FastDropout
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.losses import cross_entropy_per_task


def sentence_transformers(settings: Settings, folder: str, half: bool, _: int) -> tuple[float, dict[str, float]]:
    """Embed the texts with ``SentenceTransformer.encode`` at its defaults."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer.modules.pooling import Pooling

    transformer = Transformer(folder, max_seq_length=workload.open_encoder(settings).max_length)
    width = transformer.get_embedding_dimension()
    model = SentenceTransformer(modules=[transformer, Pooling(width)], device=str(workload.device_of(settings)))
    if half:
        model = model.bfloat16()

    def embed(texts: list[str]) -> NDArray[np.float32]:
        embeddings: NDArray[np.float32] = model.encode(texts, convert_to_tensor=True).float().cpu().numpy()
        return embeddings

    return encoding.measured(embed, workload.texts_of(settings), folder)


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
        """Return the summed loss; ``labels`` (B, T) holds a column a task."""
        by_task = dict(zip(self.model.heads, labels.unbind(dim=1), strict=True))
        losses, _ = cross_entropy_per_task(self.model(Batch(input_ids, attention_mask, by_task)), by_task)
        return {"loss": losses.sum()}


def hugging_face(
    settings: Settings, frozen: FreezeSpec, options: dict[str, Any], seed: int
) -> tuple[float, dict[str, float]]:
    """Train with the Trainer: same model, data, batch size, steps, learning rates, schedule and clipping.

    Args:
        settings: of the benchmark.
        frozen: what is not trained.
        options: further arguments of ``TrainingArguments``.
        seed: of the run.
    """
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    module, data, evaluator = workload.build(settings, frozen, "32-true", seed, settings.epochs, None)
    tokenizer, tasks = data.tokenizer, data.tasks
    rows = []
    for sentence in data.source.sentences("train"):
        encoded = tokenizer(sentence.text, truncation=True, max_length=data.text_tokenizer.max_length, return_token_type_ids=False)
        rows.append({**encoded, "labels": [task.index(sentence.labels.get(task.name)) for task in tasks]})
    steps = -(-len(rows) // settings.batch_size) * settings.epochs
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
            data_collator=DataCollatorWithPadding(tokenizer),
            optimizers=module.optimization.build(
                module.model, module.weighting, module.stages, steps, steps_per_epoch=steps, fused=True
            ),
        )
        runtime = trainer.train().metrics["train_runtime"]
    module.to("cpu")
    return len(rows) * settings.epochs / runtime, training.accuracies(module, data, evaluator)
