"""Tokenization: texts -> token ids, special tokens included. Knows nothing about batches or models.

Shapes: N sentences, M tokens of all sentences together, R windows of them.
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice, takewhile
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from polyhead.data.windows import cut_windows
from polyhead.sources.base import LabelledSentence
from polyhead.tasks import Task

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
        labels: target of each sentence by task, class indices or numbers (N,), or a 0 or 1 for each class (N, C); see
            :func:`polyhead.tasks.is_labelled` for those that are missing.
        truncated: how many of the sentences were cut.
        window: tokens of all windows of a sentence but its last, which has as many or fewer; None where every sentence
            is one.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    labels: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    truncated: int = 0
    window: int | None = None

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
        labels = {name: column[rows] for name, column in self.labels.items()}
        return type(self)(self.ids[places], offsets, labels, window=self.window)

    @property
    def windows(self) -> NDArray[np.int64]:
        """Windows of each sentence (N,), 1 or more."""
        return self._windows(self.lengths)

    def _windows(self, lengths: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        if self.window is None:
            return np.ones(len(lengths), dtype=np.int64)
        return np.maximum(1, -(-lengths.astype(np.int64) // self.window))  # rounded up

    def locate(
        self, rows: Sequence[int] | NDArray[np.integer[Any]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64] | None]:
        """Find the windows of some sentences in ``ids``, one sentence after the other.

        Returns:
            Where each window starts (R,), its tokens (R,), and the windows of each sentence, None if each has one.
        """
        chosen = np.asarray(rows, dtype=np.int64)
        starts = self.offsets[chosen]
        lengths = self.offsets[chosen + 1] - starts
        windows = self._windows(lengths)
        if self.window is None or windows.max(initial=1) == 1:
            return starts, lengths, None
        firsts = np.cumsum(windows) - windows
        before = self.window * (np.arange(windows.sum()) - np.repeat(firsts, windows))  # tokens of the sentence
        rest = np.repeat(lengths, windows) - before
        return np.repeat(starts, windows) + before, np.minimum(rest, self.window), windows

    def section(self, start: int, stop: int) -> "TokenizedSentences":
        """Return the sentences from ``start`` up to ``stop``, without labels."""
        offsets = self.offsets[start : stop + 1]
        return TokenizedSentences(self.ids[offsets[0] : offsets[-1]], offsets - offsets[0], window=self.window)

    def as_windows(self) -> "TokenizedSentences":
        """Return the windows as sentences of their own, without labels; itself if every sentence is one."""
        if self.window is None:
            return self
        starts, _, windows = self.locate(np.arange(len(self)))
        return self if windows is None else TokenizedSentences(self.ids, np.append(starts, self.offsets[-1]))

    @classmethod
    def concatenate(cls, parts: Iterable[Self], tasks: Iterable[str] = ()) -> Self:
        """Join sentences in memory.

        Args:
            parts: any number of them, none included.
            tasks: names of the tasks whose labels are joined; each part has them.
        """
        held = list(parts)
        labels = {task: _joined_targets([part.labels[task] for part in held]) for task in tasks}
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

        Raises:
            UserError: a label that its task does not have.
        """
        for chunk in _chunks(sentences):
            tokens = self._tokenize_chunk([sentence.text for sentence in chunk])
            labels = {task.name: task.targets([one.labels.get(task.name) for one in chunk]) for task in tasks}
            yield TokenizedSentences(tokens.ids, tokens.offsets, labels, tokens.truncated)

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


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def _joined_targets(targets: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(targets) if targets else np.zeros(0, dtype=np.int32)


def _joined(arrays: Iterable[NDArray[np.int32]]) -> NDArray[np.int32]:
    return np.concatenate([np.zeros(0, dtype=np.int32), *arrays])
