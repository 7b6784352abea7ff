"""Tokenization: texts -> token ids, special tokens included. Knows nothing about batches or models.

Shapes: N sentences, M tokens of all sentences together, R windows of them.
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice, takewhile
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.data.windows import cut_windows
from polyhead.errors import UserError
from polyhead.sources.base import LabelledSentence, second_text
from polyhead.tasks import Task, is_labelled

if TYPE_CHECKING:  # the token cache uses the container alone, and transformers takes seconds to import
    from transformers import PreTrainedTokenizerBase

Item = TypeVar("Item")

CHUNK = 4096
"""Texts tokenized at a time: bounds memory, and is enough to keep all cores busy."""


class TextTokenizer:
    """Texts -> token ids, after a prompt and cut to a number of tokens.

    It works by a copy: the tokenizer given stays as it is, and later changes to it have no effect here. Several threads
    may share it.

    Args:
        tokenizer: of any model.
        max_length: longest text in tokens, special ones and those of the prompt included; longer ones are cut on the
            tokenizer's side.
        prompt: stands before each text.
        windows: of a text, at most, each of ``max_length`` tokens, see :func:`polyhead.data.windows.cut_windows`; what
            is longer is cut. 1 cuts after the first.

    Attributes:
        padding: id of the token that fills up shorter texts.
        window: as that of :class:`TokenizedSentences`.
    """

    def __init__(
        self, tokenizer: "PreTrainedTokenizerBase", max_length: int, prompt: str = "", windows: int = 1
    ) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.prompt = prompt
        self.windows = windows
        self.window = max_length if windows > 1 else None
        self.padding: int = tokenizer.pad_token_id or 0
        self._backend = copy.deepcopy(tokenizer.backend_tokenizer)
        self._backend.no_padding()
        if windows > 1:
            self._backend.no_truncation()
        else:
            self._backend.enable_truncation(max_length, direction=tokenizer.truncation_side)
        self._prompt_ids = self._backend.encode(prompt, add_special_tokens=False).ids if prompt else []

    @property
    def limit(self) -> str:
        """What a text can have at most, in words."""
        tokens = f"{self.max_length} tokens"
        return tokens if self.windows == 1 else f"{self.windows} windows of {tokens}"

    @property
    def advice(self) -> str:
        """How more of long texts can be read, in words."""
        return "encoder.long=windows reads all" if self.windows == 1 else "encoder.windows=N reads more"

    def tokenize(self, texts: Iterable[str]) -> TokenizedSentences:
        """Tokenize any number of texts, in their order; the result has no labels."""
        tokens = TokenizedSentences.concatenate(map(self._tokenize_chunk, _chunks(texts)))
        return replace(tokens, window=self.window)

    def settings(self) -> str:
        """Return all that decides the token ids of a text, for the keys of caches."""
        backend = json.loads(self.tokenizer.backend_tokenizer.to_str())
        backend |= {"truncation": None, "padding": None}  # left by the last call, and without effect here
        settings: list[object] = [self.max_length, backend, *([self.prompt] if self.prompt else [])]
        if self.windows > 1:
            settings += ["windows", self.windows]
        if self.tokenizer.truncation_side != "right":
            settings.append(self.tokenizer.truncation_side)
        return repr(settings)

    def tokenize_labeled(
        self, sentences: Iterable[LabelledSentence], tasks: Sequence[Task]
    ) -> Iterator[TokenizedSentences]:
        """Tokenize sentences with their labels, some thousand at a time, so that not all need be in memory.

        Second texts are read where a task is about two.

        Raises:
            UserError: a label that its task does not have, or one of two texts where a row has one.
        """
        with_seconds = any(task.kind.is_pair for task in tasks)
        for chunk in _chunks(sentences):
            tokens = self._tokenize_chunk([sentence.text for sentence in chunk])
            labels = {task.name: task.targets([one.labels.get(task.name) for one in chunk]) for task in tasks}
            seconds = self._tokenize_seconds(chunk) if with_seconds else None
            if seconds is not None:
                _check_pairs(seconds, labels, tasks)
            cut = tokens.truncated + (0 if seconds is None else seconds.truncated)
            yield TokenizedSentences(tokens.ids, tokens.offsets, labels, cut, seconds=seconds)

    def _tokenize_seconds(self, chunk: Sequence[LabelledSentence]) -> TokenizedSentences:
        """Return the second texts of rows, without a token where there is none."""
        texts = [second_text(sentence) for sentence in chunk]
        tokens = self._tokenize_chunk([text for text in texts if text is not None])
        lengths = np.zeros(len(texts), dtype=np.int64)
        lengths[[text is not None for text in texts]] = tokens.lengths
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
        return TokenizedSentences(tokens.ids, offsets, truncated=tokens.truncated)

    def _tokenize_chunk(self, texts: list[str]) -> TokenizedSentences:
        if self.prompt:
            texts = [self.prompt + text for text in texts]
        # The backend itself: a call of the tokenizer would make character offsets, masks and lists as well.
        encodings = self._backend.encode_batch_fast(texts)
        if self.windows == 1:
            ids = [encoding.ids for encoding in encodings]
            truncated = sum(bool(encoding.overflowing) for encoding in encodings)
        else:
            cut = [self._cut(encoding) for encoding in encodings]
            ids = [windows for windows, _ in cut]
            truncated = sum(more for _, more in cut)
        return TokenizedSentences(
            ids=np.fromiter(chain.from_iterable(ids), dtype=np.int32),
            offsets=np.cumsum([0, *map(len, ids)], dtype=np.int64),
            truncated=truncated,
        )

    def _cut(self, encoding: Any) -> tuple[list[int], bool]:
        """Cut a text into windows, and return their ids and whether it has more than are taken."""
        ids: list[int] = encoding.ids
        if len(ids) <= self.max_length:
            return ids, False
        special = np.asarray(encoding.special_tokens_mask, dtype=bool)
        before, after = int(special.argmin()), int(special[::-1].argmin())
        prompt = zip(self._prompt_ids, ids[before:], strict=False)
        before += len(list(takewhile(lambda pair: pair[0] == pair[1], prompt)))
        from_the_end = self.tokenizer.truncation_side == "left"
        return cut_windows(ids, before, after, self.max_length, self.windows, from_the_end)


def _check_pairs(seconds: TokenizedSentences, labels: Mapping[str, NDArray[Any]], tasks: Sequence[Task]) -> None:
    """Refuse labels of tasks about two texts in rows with one."""
    for task in [task for task in tasks if task.kind.is_pair]:
        lacking = np.flatnonzero(is_labelled(labels[task.name]) & (seconds.lengths == 0))
        if len(lacking):
            raise UserError(f"tasks.{task.name}: {len(lacking):,} sentences have a label for it, and no second text")


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk
