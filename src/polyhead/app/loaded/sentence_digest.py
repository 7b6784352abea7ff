"""The digest by which a run notes its sentences, so that others are not taken for them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.freezing.activation_cache import digest


def sentence_digest(sentences: TokenizedSentences, weights: NDArray[np.float32] | None = None) -> str:
    """Return a hash of the texts of a split, as token ids, of their labels, and of weights if there are any."""
    labels = [labels for _, labels in sorted(sentences.labels.items())]
    weighted = [] if weights is None else [weights]
    parts: list[NDArray[Any]] = [sentences.ids, sentences.offsets, *labels, *weighted]
    if sentences.seconds is not None:
        parts += [sentences.seconds.ids, sentences.seconds.offsets]
    return digest(parts)
