"""A run's data: its sentences as batches, their digests, and whether they are those of the run that it continues."""

import logging
from collections.abc import Callable, Collection

import lightning as L

from polyhead.app.loaded.encoder_record import check_encoder, resolve_encoder
from polyhead.app.loaded.sentence_digest import sentence_digest
from polyhead.app.training.components import RunComponents
from polyhead.data.datamodule import Attach, SentenceData
from polyhead.errors import UserError
from polyhead.runs.contents import Provenance
from polyhead.runs.folder import RunFolder

log = logging.getLogger(__name__)

LEARNED_FROM = ("train", "validation")
"""The splits whose sentences decide what a run learns."""


def make_data(parts: RunComponents, run: str, activations: Callable[[], Attach | None] | None = None) -> SentenceData:
    """Describe the sentences of the run in the folder ``run``; see :class:`SentenceData`."""
    tokenizer, about = parts.encoder.load_text_tokenizer(), parts.describe(run)
    if tokenizer.prompt:
        log.info("encoder: %r stands before each sentence", tokenizer.prompt)
    return SentenceData(parts.source, parts.tasks, tokenizer, parts.loader, activations, parts.token_cache, about)


def data_digests(data: SentenceData) -> dict[str, str]:
    """Return a hash of the sentences, as token ids, the labels and the weights of each split that was read.

    That of shards is of their names, sizes and ends.
    """
    names = [*(name for name in LEARNED_FROM if name in data.splits), *data.splits]
    return {name: _digest(data, name) for name in dict.fromkeys(names)}


def _digest(data: SentenceData, name: str) -> str:
    if data.source.shards(name) is not None:
        return str(data.source.fingerprint(name))
    return sentence_digest(data.splits[name].sentences, data.splits[name].weights)


def changed_splits(parts: RunComponents, run: RunFolder, splits: Collection[str] | None = None) -> list[str]:
    """Return the splits whose sentences or labels are not those that a run had, as far as it noted them.

    Weights are not needed.

    Args:
        parts: of the run that would have the sentences of now.
        run: the folder of a run of the same configuration.
        splits: those to look at; None for all.
    """
    noted = Provenance.read(run).data
    names = [name for name in noted if splits is None or name in splits]
    if not names:
        return []
    data = make_data(parts, str(run.folder))
    for name in names:
        data.split(name)
    found = data_digests(data)
    return [name for name in names if found[name] != noted[name]]


def check_same_data(parts: RunComponents, stopped: RunFolder, splits: Collection[str] | None = LEARNED_FROM) -> None:
    """Check that encoder and sentences are those that a run had, as far as it noted them; see :func:`changed_splits`.

    Raises:
        UserError: they are others.
    """
    check_encoder(stopped, parts.encoder, resolve_models(parts), "resume")
    if others := changed_splits(parts, stopped, splits):
        raise UserError(
            f"resume: the {' and '.join(others)} sentences are not those that {str(stopped.folder)!r} had; "
            "give it the files as they were, or train anew"
        )


def resolve_models(parts: RunComponents) -> dict[str, str]:
    """Return what a run notes of the encoder that it begins with, and of its teacher."""
    return {**resolve_encoder(parts.encoder), **(parts.teacher.noted() if parts.teacher else {})}


class DataNotes(L.Callback):
    """Notes the digests of the sentences once training has read them, for whoever continues the run.

    Args:
        note: takes the digests by split.
    """

    def __init__(self, note: Callable[[dict[str, str]], None]) -> None:
        self._note = note

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note them, in the first process."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if trainer.is_global_zero and isinstance(data, SentenceData):
            self._note(data_digests(data))
