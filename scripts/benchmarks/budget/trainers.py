"""The peers of the benchmark ``budget`` that train an encoder by a trainer: Hugging Face's, sentence-transformers'."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.budget.job import Answer, Job, regression_on

_EVALUATED = 128  # sentences per batch of predictions
_ENCODER_LR, _HEAD_LR, _WARMUP = 1e-4, 1e-3, 0.1  # of the Trainer: those of ours
_EMBEDDING_LR = 5e-5  # of sentence-transformers' trainer


def tuned_embeddings(job: Job) -> Answer:
    """Learn by sentence-transformers' trainer, the classes drawn together, then by logistic regression."""
    import datasets
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import (
        BatchAllTripletLoss,
        BatchHardTripletLossDistanceFunction,
    )
    from sentence_transformers.sentence_transformer.training_args import BatchSamplers

    texts, labels = job.read(job.train)
    encoder = SentenceTransformer(job.encoder, device=job.device)
    started = time.perf_counter()
    names = sorted(set(labels))
    rows = datasets.Dataset.from_dict({"text": texts, "label": [names.index(label) for label in labels]})
    arguments = SentenceTransformerTrainingArguments(
        **_trainer_arguments(job),
        learning_rate=_EMBEDDING_LR,
        warmup_steps=_WARMUP,
        batch_sampler=BatchSamplers.GROUP_BY_LABEL,
    )
    loss = BatchAllTripletLoss(encoder, BatchHardTripletLossDistanceFunction.cosine_distance, margin=0.5)
    SentenceTransformerTrainer(model=encoder, args=arguments, train_dataset=rows, loss=loss).train()
    return regression_on(encoder, job, started)


def trainer(job: Job) -> Answer:
    """Learn by Hugging Face's Trainer: sentences grouped by length, fused AdamW, bf16 where that is native."""
    import torch
    from torch import Tensor, nn
    from transformers import (
        AutoModel,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        get_linear_schedule_with_warmup,
        set_seed,
    )

    class MeanPooledClassifier(nn.Module):
        """An encoder, the mean over its tokens, and a linear head."""

        def __init__(self, folder: str, classes: int) -> None:
            super().__init__()
            self.encoder = AutoModel.from_pretrained(folder)
            self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(self.encoder.config.hidden_size, classes))

        def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
            """Return the loss and the logits (B, C)."""
            states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(states.dtype)
            logits = self.head((states * mask).sum(dim=1) / mask.sum(dim=1))
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    set_seed(job.seed)
    tokenizer = AutoTokenizer.from_pretrained(job.encoder)
    texts, labels = job.read(job.train)
    names = sorted(set(labels))
    model = MeanPooledClassifier(job.encoder, len(names))

    def rows(texts: Sequence[str], labels: Sequence[str]) -> list[dict[str, Any]]:
        tokens = tokenizer(list(texts), truncation=True, return_token_type_ids=False)
        return [
            {"input_ids": ids, "attention_mask": mask, "labels": names.index(label) if label in names else 0}
            for ids, mask, label in zip(tokens["input_ids"], tokens["attention_mask"], labels, strict=True)
        ]

    started = time.perf_counter()
    groups = [
        {"params": list(model.encoder.parameters()), "lr": _ENCODER_LR},
        {"params": list(model.head.parameters()), "lr": _HEAD_LR},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    steps = -(-len(texts) // job.batch_size) * job.epochs
    schedule = get_linear_schedule_with_warmup(optimizer, int(_WARMUP * steps), steps)
    peer = Trainer(
        model,
        TrainingArguments(**_trainer_arguments(job), train_sampling_strategy="group_by_length"),
        train_dataset=rows(texts, labels),
        data_collator=DataCollatorWithPadding(tokenizer),
        optimizers=(optimizer, schedule),
    )
    peer.train()
    seconds = time.perf_counter() - started
    peer.args.train_sampling_strategy = "random"  # else it groups the test sentences, too, and answers in that order
    logits = peer.predict(rows(*job.read(job.test))).predictions  # type: ignore[arg-type]  # it takes any sequence
    return [names[index] for index in np.argmax(logits, axis=1)], seconds


def _trainer_arguments(job: Job) -> dict[str, Any]:
    """Return arguments of both trainers, which put their batches together themselves: workers would take its cores."""
    return {
        "output_dir": job.static + "-trainer",
        "per_device_train_batch_size": job.batch_size,
        "per_device_eval_batch_size": _EVALUATED,
        "num_train_epochs": job.epochs,
        "use_cpu": not job.gpu,
        "bf16": job.bf16,
        "seed": job.seed,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }
