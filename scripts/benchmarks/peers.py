"""The peers: sentence-transformers and Hugging Face's Trainer, as their users run them."""

import tempfile
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from benchmarks import contests
from benchmarks.measuring import Contestant
from benchmarks.settings import Settings
from polyhead.batch import Batch
from polyhead.encoder import Encoder
from polyhead.freezing import Freezing
from polyhead.losses import task_losses
from polyhead.model import MultiTaskModel
from polyhead.pretrained import EncoderSource


class SentenceTransformersPeer:
    """``SentenceTransformer.encode`` at its defaults, on the very weights of our encoder."""

    def __init__(
        self, encoder: Encoder, tokenizer: PreTrainedTokenizerBase, source: EncoderSource, device: torch.device
    ) -> None:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.base.modules.transformer import Transformer
        from sentence_transformers.sentence_transformer.modules.pooling import Pooling

        def model() -> SentenceTransformer:
            with tempfile.TemporaryDirectory() as folder:
                encoder.transformer.save_pretrained(folder)  # type: ignore[operator]
                tokenizer.save_pretrained(folder)
                transformer = Transformer(folder, max_seq_length=source.max_length)
            return SentenceTransformer(modules=[transformer, Pooling(encoder.hidden_size)], device=str(device))

        self.models = {False: model(), True: model().bfloat16()}

    def encode(self, texts: list[str], half: bool) -> Any:
        """Return the embeddings (N, H) in single precision."""
        return self.models[half].encode(texts, convert_to_tensor=True, show_progress_bar=False).float().cpu().numpy()


class TrainerModel(nn.Module):
    """Our model behind the signature that the Trainer calls."""

    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the summed loss; ``labels`` (B, T) holds a column a task."""
        by_task = dict(zip(self.model.heads, labels.unbind(dim=1), strict=True))
        losses, _ = task_losses(self.model(Batch(input_ids, attention_mask, by_task)), by_task)
        return {"loss": losses.sum()}


def hugging_face(settings: Settings, frozen: Freezing, half: bool) -> Contestant:
    """Return a contestant that trains with the Trainer: same model, data, batch size, steps, rates and clipping."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    def contestant(seed: int) -> tuple[float, dict[str, float]]:
        module, data, evaluator = contests.build(settings, frozen, "32-true", seed, settings.epochs, None)
        tokenizer, tasks = data.tokenizer, data.tasks
        rows = []
        for sentence in data.source.sentences("train"):
            encoded = tokenizer(sentence.text, truncation=True, max_length=data.max_length, return_token_type_ids=False)
            rows.append({**encoded, "labels": [task.index(sentence.labels.get(task.name)) for task in tasks]})
        steps = -(-len(rows) // settings.batch_size) * settings.epochs
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder,
                per_device_train_batch_size=settings.batch_size,
                num_train_epochs=settings.epochs,
                max_grad_norm=1.0,
                bf16=half,
                use_cpu=settings.device == "cpu",
                seed=seed,
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                logging_strategy="steps",
                remove_unused_columns=False,
            )
            trainer = Trainer(
                TrainerModel(module.model),
                arguments,
                train_dataset=rows,
                data_collator=DataCollatorWithPadding(tokenizer),
                optimizers=module.optimization.build(module.model, module.weighting, steps, fused=True),
            )
            runtime = trainer.train().metrics["train_runtime"]
        module.to("cpu")
        return len(rows) * settings.epochs / runtime, contests.accuracies(module, data, evaluator)

    return contestant
