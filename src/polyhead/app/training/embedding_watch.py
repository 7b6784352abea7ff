"""Embedding watch: what a run does about its embedding: holding it to what it was, or to a teacher's, and measuring."""

import copy
import logging
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polyhead.app.training.components import RunComponents
from polyhead.app.training.teacher import Teacher, to_width
from polyhead.data.datamodule import SentenceData
from polyhead.data.dataset import TokenizedSplit
from polyhead.freezing.frozen_activations import FrozenActivations
from polyhead.training.dimension_scores import dimension_scores
from polyhead.training.embedding_health import (
    ScoredPairs,
    agreement,
    effective_rank,
    pair_correlation,
    uniformity,
)
from polyhead.training.module import MultiTaskTraining

log = logging.getLogger(__name__)


class EmbeddingWatch:
    """The embedding of a run, from its start to its end. Make it when the encoder is as it starts.

    With a teacher it is held to the teacher's, and compared with that in place of the start. The training sentences get
    the answers of the teacher's heads, too.

    Args:
        parts: of the run.
        module: with the encoder as it starts.
        data: the sentences; those of training get targets, where the embedding is held.
        device: where embeddings are computed.
        measures: whether this process is to measure the embedding, too.
    """

    def __init__(
        self, parts: RunComponents, module: MultiTaskTraining, data: SentenceData, device: torch.device, measures: bool
    ) -> None:
        self.parts, self.data, self.device = parts, data, device
        self.model, self.encoder = module.model, module.model.encoder
        self.moves = _moves(module)
        self.before: dict[str, Tensor] = {}
        held = parts.keep_embedding is not None
        if held and not self.moves:
            log.warning("keep_embedding: without effect, since nothing of the encoder is trained")
        if self.moves and not held and parts.kept_names:
            log.warning(
                "keep_heads: %s without labels here, while the encoder is trained: what they answer will change; "
                "freeze=backbone keeps it, keep_embedding=cosine most of it",
                ", ".join(parts.kept_names),
            )
        before = self.encoder if parts.teacher is None else parts.teacher.encoder
        frozen = FrozenActivations(before, None, parts.precision, parts.activation_cache, device)
        if parts.teacher is not None:
            self._learn_from(parts.teacher, frozen, held and self.moves)
        elif held and self.moves:
            train = data.split("train")
            train.targets = frozen.embed(train)
            if train.second is not None:
                train.second.targets = frozen.embed(train.second)
            log.info("embedding: held to what the encoder gives at the start, over %s sentences", f"{len(train):,}")
        self.pairs: ScoredPairs | None = None
        self.split, self.most = "", 0  # whose sentences are embedded before and after, and how many at most
        if measures and parts.health is not None:
            self.pairs = parts.health.read_pairs()
            if self.moves:
                self.split = "validation" if data.source.has("validation") else "train"
                self.most = parts.health.sentences
            self.before = self._embed(frozen, parts.teacher)

    def _learn_from(self, teacher: Teacher, frozen: FrozenActivations, held: bool) -> None:
        """Give the training sentences the answers of a teacher, and its embeddings as targets where these are held."""
        train = self.data.split("train")
        embeddings = frozen.embed(teacher.tokenize(self.data, "train"))
        train.answers = teacher.answers(embeddings, self.parts.tasks)
        what = [f"answers for {', '.join(train.answers)}"]
        if held:
            train.targets = to_width(embeddings, self.encoder.embedding_size)
            what.append("embedding")
        log.info("teacher: %s; %s over %s sentences", teacher.folder, " and ".join(what), f"{len(train):,}")
        if new := [task.name for task in self.parts.tasks if task.name not in train.answers]:
            log.info("teacher: it has no head for %s, which learns from labels alone", ", ".join(new))

    def measured(self, test: bool) -> dict[str, Any]:
        """Return :meth:`health`, and the results at each width below the whole, under the names of ``RunMetrics``.

        Args:
            test: False leaves the test sets alone.
        """
        return {"health": self.health(), "dimensions": self._dimension_scores(test)}

    def _dimension_scores(self, test: bool) -> dict[str, Any]:
        if not self.model.dimensions[1:]:
            return {}
        frozen = FrozenActivations(self.encoder, None, self.parts.precision, None, self.device)
        splits = {}
        for name in ("validation", *(self.data.source.test_sets if test else ())):
            if self.data.source.has(name):
                split = self.data.split(name)
                splits[name] = (*_with_seconds(frozen, split), split.all_labels())
        model = copy.deepcopy(self.model).cpu().eval()
        batch = self.parts.loader.evaluation_batch_size
        return dimension_scores(model, self.parts.tasks, splits, model.dimensions[1:], batch)

    def health(self) -> dict[str, float]:
        """Return how the embedding is, and how it was at the start, by the names that ``metrics.json`` has.

        Where nothing of the encoder was trained it is as it was, and nothing is computed but the correlation of pairs.
        """
        if self.parts.health is None:
            return {}
        if not self.moves:
            log.info("embedding: as it was, since nothing of the encoder is trained")
            return {"agreement": 1.0, "lowest_agreement": 1.0, **self._correlations(self.before, self.before)}
        # Nobody will read these again: they are not stored.
        after = self._embed(FrozenActivations(self.encoder, None, self.parts.precision, None, self.device), None)
        measured = _measured(self.before, after)
        if self.parts.teacher is not None:  # a student agrees with its teacher, and its start means nothing
            measured = {_of_teacher(name): value for name, value in measured.items()}
        return {**measured, **self._correlations(self.before, after)}

    def _embed(self, frozen: FrozenActivations, teacher: Teacher | None) -> dict[str, Tensor]:
        """Return the embeddings of the validation sentences (N, W) and of the pairs' sentences (P, W), as they are.

        Args:
            frozen: whose embeddings.
            teacher: whose encoder it has; None for the run's own.
        """
        texts = {} if self.pairs is None else {"first": self.pairs.first, "second": self.pairs.second}
        tokenizer = self.data.text_tokenizer if teacher is None else teacher.tokenizer
        passing = replace(frozen, cache=None)  # a few sentences, no split of the data
        found = {
            name: passing.embed(TokenizedSplit(tokenizer.tokenize(some), tokenizer.padding))
            for name, some in texts.items()
        }
        if not self.split:
            return found
        split = self.data.split(self.split) if teacher is None else teacher.tokenize(self.data, self.split)
        return {**found, "sentences": frozen.embed(_some(split, self.most))}

    def _correlations(self, before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, float]:
        if self.pairs is None:
            return {}
        scores = self.pairs.scores
        then, now = (pair_correlation(side["first"], side["second"], scores) for side in (before, after))
        return {"pairs": len(scores), "spearman_before": then, "spearman": now}


def _with_seconds(frozen: FrozenActivations, split: TokenizedSplit) -> tuple[Tensor, Tensor | None]:
    """Return the embeddings of all texts of a split (X, W), second ones behind, and the sentences that have one."""
    embeddings = frozen.embed(split)
    if split.second is None:
        return embeddings, None
    return torch.cat([embeddings, frozen.embed(split.second)]), torch.from_numpy(split.with_second)


def _measured(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, float]:
    old, new = before["sentences"], after["sentences"]
    if len(old) < 2:  # one sentence has no neighbor
        return {}
    mean, lowest = agreement(old, new)
    return {
        "sentences": len(old),
        "agreement": mean,
        "lowest_agreement": lowest,
        "uniformity_before": uniformity(old),
        "uniformity": uniformity(new),
        "effective_rank_before": effective_rank(old),
        "effective_rank": effective_rank(new),
    }


def _of_teacher(name: str) -> str:
    return name.replace("agreement", "teacher_agreement")


def _moves(module: MultiTaskTraining) -> bool:
    """Return whether any of the encoder is trained, in any stage."""
    if not module.takes_steps:
        return False
    parameters = {id(parameter) for parameter in module.model.encoder.parameters()}
    return any(parameters - stage.freezing.frozen_parameters(module.model) for stage in module.stages)


def _some(split: TokenizedSplit, limit: int) -> TokenizedSplit:
    """Return ``limit`` sentences of a split, spread evenly; itself where it has no more."""
    if len(split) <= limit:
        return split
    return split.select(np.linspace(0, len(split) - 1, limit).astype(np.int64))
