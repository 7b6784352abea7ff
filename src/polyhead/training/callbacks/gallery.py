"""Gallery: single test sentences as a tested model sees them, for TensorBoard. Knows nothing about training.

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
from polyhead.errors import check_parameters
from polyhead.tasks import MISSING, Task
from polyhead.training.loggers import loggers_of
from polyhead.training.module import MultiTaskTraining


class TestGallery(Callback):
    """Shows the test set ``test``: precision-recall curves of single labels, and embeddings to walk through.

    Args:
        sentences: M, the most embeddings to keep; 500 of width 384 take 2 MB per run, 0 keeps none.

    Raises:
        ParameterError: a number below 0.
    """

    __test__ = False  # pytest takes a name that begins like this for a test

    def __init__(self, sentences: int = 500) -> None:
        check_parameters(("sentences", sentences, sentences >= 0, "0 or more"))
        self.sentences = sentences
        self._seen: list[tuple[list[int], Tensor, dict[str, Tensor]]] = []
        self._embeddings = torch.empty(0)
        self._hook: RemovableHandle | None = None

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen to the inputs of the heads: they are computed already, in their precision."""
        self._seen = []
        if isinstance(pl_module, MultiTaskTraining) and pl_module.evaluated_split == "test":
            for task in pl_module.model.one_text_heads[:1]:  # those of pairs are given two embeddings
                self._hook = pl_module.model.heads[task].register_forward_pre_hook(self._note)

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
        if isinstance(pl_module, MultiTaskTraining) and pl_module.evaluated_split == "test":
            kept = sum(len(embeddings) for _, embeddings, _ in self._seen)
            embeddings = self._embeddings[: self.sentences - kept].float().cpu()
            classes = [task.name for task in pl_module.tasks if task.kind.fits == "temperature"]
            probabilities = {task: outputs[task].float().softmax(1).cpu() for task in classes}
            self._seen.append((batch.rows.tolist(), embeddings, probabilities))

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the kept sentences, the first process's share of them."""
        if self._hook is not None:
            self._hook.remove()
        data = getattr(trainer, "datamodule", None)
        if not (isinstance(pl_module, MultiTaskTraining) and isinstance(data, SentenceData) and self._seen):
            return
        for logger in loggers_of(trainer, TensorBoardLogger):
            shown = _Shown(data, self._seen)
            tasks = [task for task in pl_module.tasks if task.name in shown.probabilities]
            for task in tasks:
                shown.curves(logger.experiment, task, trainer.global_step)
            shown.embeddings(logger.experiment, tasks, trainer.global_step)
        self._seen = []


class _Shown:
    """The sentences of a test, in the order in which they were seen."""

    def __init__(self, data: SentenceData, seen: Sequence[tuple[list[int], Tensor, dict[str, Tensor]]]) -> None:
        self.data = data
        self.split = data.split("test")
        self.rows = [row for rows, _, _ in seen for row in rows]
        self.index = {row: index for index, row in enumerate(self.rows)}
        kept = [(rows[: len(embeddings)], embeddings) for rows, embeddings, _ in seen if len(embeddings)]
        self.kept_rows = [row for rows, _ in kept for row in rows]
        self.kept_embeddings = torch.cat([embeddings for _, embeddings in kept]) if kept else None  # (M, H)
        self.probabilities = {task: torch.cat([p[task] for _, _, p in seen]) for task in seen[0][2]}  # (N, C)

    def text(self, row: int) -> str:
        """Return a sentence as the tokenizer read it, on one line."""
        start, end = self.split.sentences.offsets[row : row + 2]
        text = str(self.data.tokenizer.decode(self.split.sentences.ids[start:end], skip_special_tokens=True))
        return " ".join(text.split())

    def labels(self, task: Task) -> Tensor:
        """Return the labels (N,) of the rows seen."""
        return torch.from_numpy(self.split.labels[task.name])[self.rows]

    def curves(self, writer: Any, task: Task, step: int) -> None:
        """Draw a precision-recall curve for each class."""
        labels = self.labels(task)
        known = labels != MISSING
        if not known.any():
            return
        probabilities = self.probabilities[task.name][known]
        for index, label in enumerate(task.labels):
            truth = labels[known] == index
            writer.add_pr_curve(f"test/{task.name}/{label}", truth, probabilities[:, index], step)

    def embeddings(self, writer: Any, tasks: Sequence[Task], step: int) -> None:
        """Write the kept embeddings with their sentences, labels and whether each head was right, to color them by."""
        if self.kept_embeddings is None:
            return
        header = ["sentence"]
        for task in tasks:
            header += [task.name, f"{task.name} predicted"]
        header += [f"{task.name} right" for task in tasks]
        metadata = [self._facts(row, tasks) for row in self.kept_rows]
        writer.add_embedding(self.kept_embeddings, metadata, tag="test", metadata_header=header, global_step=step)

    def _facts(self, row: int, tasks: Sequence[Task]) -> list[str]:
        named, verdicts = [], []
        for task in tasks:
            label = int(self.split.labels[task.name][row])
            predicted = int(self.probabilities[task.name][self.index[row]].argmax())
            if label == MISSING:
                named.append("none")
                verdicts.append("unlabelled")
            else:
                named.append(task.labels[label])
                verdicts.append("right" if label == predicted else "wrong")
            named.append(task.labels[predicted])
        return [self.text(row), *named, *verdicts]
