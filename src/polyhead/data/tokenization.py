"""Tokenization: texts -> token ids, special tokens included. Knows nothing about batches or models.

Shapes: N sentences, M tokens of all sentences together.
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from polyhead.sources.base import LabelledSentence
from polyhead.tasks import MISSING, Task

if TYPE_CHECKING:  # the token cache uses the container alone, and transformers takes seconds to import
    from transformers import PreTrainedTokenizerBase

Item = TypeVar("Item")

CHUNK = 4096
"""Texts tokenized at a time: bounds memory, and is enough to keep all cores busy."""


@dataclass(frozen=True, eq=False)
class TokenizedSentences:
    """The token ids of sentences, one sentence after the other, and their labels.

    Args:
        ids: token ids of all sentences (M,).
        offsets: where each sentence starts in ``ids``, and after the last one M (N + 1,).
        labels: class index of each sentence (N,) by task, ``polyhead.tasks.MISSING`` where it has no label.
        truncated: how many of the sentences were cut.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    labels: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    truncated: int = 0

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Tokens of each sentence (N,), special ones included."""
        return np.diff(self.offsets).astype(np.int32)

    def select(self, rows: NDArray[np.integer[Any]]) -> Self:
        """Return some of the sentences, in the order of ``rows``, in memory."""
        lengths = self.lengths[rows]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(lengths, dtype=np.int64, out=offsets[1:])
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return type(self)(self.ids[places], offsets, {name: column[rows] for name, column in self.labels.items()})

    @classmethod
    def concatenate(cls, parts: Iterable[Self], tasks: Iterable[str] = ()) -> Self:
        """Join sentences in memory.

        Args:
            parts: any number of them, none included.
            tasks: names of the tasks whose labels are joined; each part has them.
        """
        held = list(parts)
        labels = {task: _joined(part.labels[task] for part in held) for task in tasks}
        lengths = _joined(part.lengths for part in held)
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, dtype=np.int64, out=offsets[1:])
        truncated = sum(part.truncated for part in held)
        return cls(_joined(part.ids for part in held), offsets, labels, truncated)


class TextTokenizer:
    """Texts -> token ids, after a prompt and cut to a number of tokens.

    It works by a copy: the tokenizer given stays as it is, and later changes to it have no effect here. Several threads
    may share it.

    Args:
        tokenizer: of any model.
        max_length: longest text in tokens, special ones and those of the prompt included; longer ones are cut on the
            tokenizer's side.
        prompt: stands before each text.

    Attributes:
        padding: id of the token that fills up shorter texts.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", max_length: int, prompt: str = "") -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.prompt = prompt
        self.padding: int = tokenizer.pad_token_id or 0
        self._backend = copy.deepcopy(tokenizer.backend_tokenizer)
        self._backend.no_padding()
        self._backend.enable_truncation(max_length, direction=tokenizer.truncation_side)

    def tokenize(self, texts: Iterable[str]) -> TokenizedSentences:
        """Tokenize any number of texts, in their order; the result has no labels."""
        return TokenizedSentences.concatenate(map(self._tokenize_chunk, _chunks(texts)))

    def settings(self) -> str:
        """Return all that decides the token ids of a text, for the keys of caches."""
        backend = json.loads(self.tokenizer.backend_tokenizer.to_str())
        backend |= {"truncation": None, "padding": None}  # left by the last call, and without effect here
        return repr([self.max_length, backend, *([self.prompt] if self.prompt else [])])

    def tokenize_labeled(
        self, sentences: Iterable[LabelledSentence], tasks: Sequence[Task]
    ) -> Iterator[TokenizedSentences]:
        """Tokenize sentences with their labels, some thousand at a time, so that not all need be in memory.

        Raises:
            UserError: a label that its task does not have.
        """
        for chunk in _chunks(sentences):
            tokens = self._tokenize_chunk([sentence.text for sentence in chunk])
            labels = {task.name: _class_indices(chunk, task) for task in tasks}
            yield TokenizedSentences(tokens.ids, tokens.offsets, labels, tokens.truncated)

    def _tokenize_chunk(self, texts: list[str]) -> TokenizedSentences:
        if self.prompt:
            texts = [self.prompt + text for text in texts]
        # The backend itself: a call of the tokenizer would make character offsets, masks and lists as well.
        encodings = self._backend.encode_batch_fast(texts)
        ids = [encoding.ids for encoding in encodings]
        return TokenizedSentences(
            ids=np.fromiter(chain.from_iterable(ids), dtype=np.int32),
            offsets=np.cumsum([0, *map(len, ids)], dtype=np.int64),
            truncated=sum(bool(encoding.overflowing) for encoding in encodings),
        )


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def _class_indices(sentences: Sequence[LabelledSentence], task: Task) -> NDArray[np.int32]:
    known: dict[str | None, int] = {label: index for index, label in enumerate(task.labels)}
    known[None] = MISSING
    given = [sentence.labels.get(task.name) for sentence in sentences]
    indices = [known[label] if label in known else task.index(label) for label in given]
    return np.asarray(indices, dtype=np.int32)


def _joined(arrays: Iterable[NDArray[np.int32]]) -> NDArray[np.int32]:
    return np.concatenate([np.zeros(0, dtype=np.int32), *arrays])
