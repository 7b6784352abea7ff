"""Gallery: what a tested model makes of single sentences, for TensorBoard. Knows nothing about training.

Shapes: N sentences of a test set, M of them shown, B of a batch, H hidden units, C classes.
"""

from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from polyhead.data.datamodule import SentenceData
from polyhead.tasks import Task
from polyhead.training.module import MultiTaskTraining


class TestGallery(Callback):
    """Shows the test set ``test``: precision-recall curves, and embeddings to walk through.

    Args:
        sentences: M, most embeddings to keep; 500 of width 384 take 2 MB a run, 0 keeps none.
    """

    __test__ = False  # pytest: a name that begins like a test is none

    def __init__(self, sentences: int) -> None:
        self.sentences = sentences
        self._seen: list[tuple[list[int], Tensor, dict[str, Tensor]]] = []
        self._embeddings = torch.empty(0)
        self._hook: RemovableHandle | None = None

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen to what the heads are given: it is computed already, in its precision."""
        self._seen = []
        if isinstance(pl_module, MultiTaskTraining) and pl_module.test_set == "test":
            head = next(iter(pl_module.model.heads.values()))
            self._hook = head.register_forward_pre_hook(self._note)

    def _note(self, _: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        self._embeddings = arguments[0]

    def on_test_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a batch's probabilities, and some of its embeddings."""
        if isinstance(pl_module, MultiTaskTraining) and pl_module.test_set == "test":
            kept = sum(len(embeddings) for _, embeddings, _ in self._seen)
            embeddings = self._embeddings[: self.sentences - kept].float().cpu()
            probabilities = {task: logits.float().softmax(1).cpu() for task, logits in outputs.items()}
            self._seen.append((batch.rows.tolist(), embeddings, probabilities))

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write what was kept, the first process's share of it."""
        if self._hook is not None:
            self._hook.remove()
        writers = [logger.experiment for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        data = getattr(trainer, "datamodule", None)
        if not (isinstance(pl_module, MultiTaskTraining) and isinstance(data, SentenceData) and self._seen):
            return
        for writer in writers if trainer.is_global_zero else []:
            shown = _Shown(data, self._seen)
            for task in pl_module.tasks:
                shown.curves(writer, task, trainer.global_step)
            shown.embeddings(writer, pl_module.tasks, trainer.global_step)
        self._seen = []


class _Shown:
    """The sentences of a test, in the order in which they were seen."""

    def __init__(self, data: SentenceData, seen: Sequence[tuple[list[int], Tensor, dict[str, Tensor]]]) -> None:
        self.data = data
        self.split = data.split("test")
        self.rows = [row for rows, _, _ in seen for row in rows]
        kept = [(rows[: len(embeddings)], embeddings) for rows, embeddings, _ in seen if len(embeddings)]
        self.kept_rows = [row for rows, _ in kept for row in rows]
        self.kept_embeddings = torch.cat([embeddings for _, embeddings in kept]) if kept else None  # (M, H)
        self.probabilities = {task: torch.cat([p[task] for _, _, p in seen]) for task in seen[0][2]}  # (N, C)

    def text(self, row: int) -> str:
        """Return a sentence as the tokenizer read it, on one line."""
        start, end = self.split.offsets[row : row + 2]
        return " ".join(str(self.data.tokenizer.decode(self.split.tokens[start:end], skip_special_tokens=True)).split())

    def labels(self, task: Task) -> Tensor:
        """Return the labels (N,) of the rows seen."""
        return torch.from_numpy(self.split.labels[task.name])[self.rows]

    def curves(self, writer: Any, task: Task, step: int) -> None:
        """Draw a precision-recall curve for each class."""
        labels, probabilities = self.labels(task), self.probabilities[task.name]
        known = labels >= 0
        for index, label in enumerate(task.labels):
            if known.any():
                truth = labels[known] == index
                writer.add_pr_curve(f"test/{task.name}/{label}", truth, probabilities[known, index], step)

    def embeddings(self, writer: Any, tasks: Sequence[Task], step: int) -> None:
        """Write the kept embeddings with their sentences, labels and whether each head was right, to colour them by."""
        if self.kept_embeddings is None:
            return
        header = ["sentence", *(name for task in tasks for name in (task.name, f"{task.name} predicted"))]
        header += [f"{task.name} right" for task in tasks]
        place = {row: index for index, row in enumerate(self.rows)}
        metadata = [self._facts(row, place[row], tasks) for row in self.kept_rows]
        writer.add_embedding(self.kept_embeddings, metadata, tag="test", metadata_header=header, global_step=step)

    def _facts(self, row: int, index: int, tasks: Sequence[Task]) -> list[str]:
        named, right = [], []
        for task in tasks:
            label, predicted = (
                int(self.split.labels[task.name][row]),
                int(self.probabilities[task.name][index].argmax()),
            )
            named += [task.labels[label] if label >= 0 else "none", task.labels[predicted]]
            right.append({True: "right", False: "wrong"}[label == predicted] if label >= 0 else "unlabelled")
        return [self.text(row), *named, *right]
