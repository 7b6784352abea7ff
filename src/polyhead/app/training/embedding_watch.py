"""Embedding watch: what a run does about its embedding, as it is at the start: holding it, and measuring it."""

import logging
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from polyhead.app.training.components import RunComponents
from polyhead.data.datamodule import SentenceData
from polyhead.data.dataset import TokenizedSplit
from polyhead.freezing.frozen_activations import FrozenActivations
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
        self.encoder = module.model.encoder
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
        frozen = FrozenActivations(self.encoder, None, parts.precision, parts.activation_cache, device)
        if held and self.moves:
            train = data.split("train")
            train.targets = frozen.embed(train)
            if train.second is not None:
                train.second.targets = frozen.embed(train.second)
            log.info("embedding: held to what the encoder gives at the start, over %s sentences", f"{len(train):,}")
        self.pairs: ScoredPairs | None = None
        self.sentences: TokenizedSplit | None = None
        if measures and parts.health is not None:
            self.pairs = parts.health.read_pairs()
            split = "validation" if data.source.has("validation") else "train"
            self.sentences = _some(data.split(split), parts.health.sentences) if self.moves else None
            self.before = self._embed(frozen)

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
        after = self._embed(FrozenActivations(self.encoder, None, self.parts.precision, None, self.device))
        return {**_measured(self.before, after), **self._correlations(self.before, after)}

    def _embed(self, frozen: FrozenActivations) -> dict[str, Tensor]:
        """Return the embeddings of the validation sentences (N, W) and of the pairs' sentences (P, W), as they are."""
        texts = {} if self.pairs is None else {"first": self.pairs.first, "second": self.pairs.second}
        tokenizer = self.data.text_tokenizer
        passing = replace(frozen, cache=None)  # a few sentences, no split of the data
        found = {
            name: passing.embed(TokenizedSplit(tokenizer.tokenize(some), tokenizer.padding))
            for name, some in texts.items()
        }
        return found if self.sentences is None else {**found, "sentences": frozen.embed(self.sentences)}

    def _correlations(self, before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, float]:
        if self.pairs is None:
            return {}
        scores = self.pairs.scores
        then, now = (pair_correlation(side["first"], side["second"], scores) for side in (before, after))
        return {"pairs": len(scores), "spearman_before": then, "spearman": now}


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
