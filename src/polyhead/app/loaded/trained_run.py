"""A trained run: its model, its tasks and sentences, and what validation said. Knows nothing about how it is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from polyhead.app.config.builder import build
from polyhead.app.loaded.sentence_digest import sentence_digest
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.deployment.bundle.scores import scores_from_plain
from polyhead.errors import UserError, parameters_under
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.runs.contents import Provenance, RunMetrics
from polyhead.runs.folder import RunFolder
from polyhead.sources.base import LabelledSentence, Source
from polyhead.tasks import Task
from polyhead.training.validation_scores import ValidationScores


@dataclass(frozen=True)
class TrainedRun:
    """A finished run.

    Args:
        folder: of the run.
        config: its resolved configuration.
        tasks: what the heads predict.
        encoder: where the encoder came from before it was trained.
        model: with the best weights by validation, in evaluation mode.
        metrics: what it measured.
    """

    folder: Path
    config: DictConfig
    tasks: tuple[Task, ...]
    encoder: PretrainedEncoder
    model: MultiTaskModel
    metrics: RunMetrics

    @cached_property
    def source(self) -> Source:
        """The run's data, checked once: tables have their splits only then."""
        source: Source = build(self.config.data, "data")
        with parameters_under("data"):
            source.check([task for task in self.tasks if task.name not in self._kept])
        return source

    @property
    def _kept(self) -> Sequence[str]:
        """The tasks whose heads the run took from its start and has no labels for, whatever validation said of them."""
        return list(self.config.keep_heads) if self.config.get("start") else []

    def sentences(self, split: str) -> list[LabelledSentence]:
        """Return the sentences of a split of the run.

        Raises:
            UserError: there is no such split, or another version held out others, and the model learned from these.
        """
        if not self.source.has(split):
            raise UserError(f"data: {str(self.folder)!r} had no {split} sentences; do without them, or train with some")
        found = list(self.source.sentences(split))
        noted = Provenance.read(RunFolder(self.folder)).data.get(split)
        if noted is not None and self.source.is_held_out(split) and noted != self._digest(found):
            raise UserError(
                f"data: the {split} sentences that are held out here are not those of {str(self.folder)!r}, which "
                f"learned from some: files changed, or another version held them out; train again, or give its files"
            )
        return found

    def _digest(self, sentences: Sequence[LabelledSentence]) -> str:
        """Return the digest of sentences as a run notes it."""
        chunks = self.encoder.load_text_tokenizer().tokenize_labeled(sentences, self.tasks)
        return sentence_digest(TokenizedSentences.concatenate(chunks, [task.name for task in self.tasks]))

    @property
    def fits(self) -> Mapping[str, Mapping[str, Any]]:
        """What validation fitted by task, as kinds take it; nothing of a task whose kind fits nothing."""
        known: Mapping[str, Any] = {**self.metrics.validation, **self.metrics.kept_heads}  # kept as they were there
        found: dict[str, dict[str, Any]] = {}
        for task in self.tasks:
            results = known.get(task.name, {})
            if task.kind.fits and task.kind.fits in results:
                found[task.name] = {task.kind.fits: results[task.kind.fits]}
                task.kind.check_fit(task.labels, found[task.name])
        return found

    @property
    def scores(self) -> dict[str, ValidationScores]:
        """What validation says of the probabilities, by task; runs of 0.1.0 do not say it.

        Raises:
            UserError: values that no validation gives.
        """
        measured = {**self.metrics.validation, **self.metrics.kept_heads}
        found = {task: results.get("scores") for task, results in measured.items()}
        try:
            return scores_from_plain({task: values for task, values in found.items() if values}, self.tasks)
        except UserError as error:
            path = str(self.folder / RunMetrics.file_name)
            raise UserError(f"{path!r} has scores that cannot be used ({error}); run train.py again") from error
