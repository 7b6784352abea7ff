"""The digest by which a run notes its sentences, so that others are not taken for them."""

import numpy as np
from numpy.typing import NDArray

from polyhead.data.tokenization import TokenizedSentences
from polyhead.freezing.activation_cache import digest


def sentence_digest(sentences: TokenizedSentences, weights: NDArray[np.float32] | None = None) -> str:
    """Return a hash of the sentences of a split, as token ids, of their labels, and of weights if there are any."""
    labels = [labels for _, labels in sorted(sentences.labels.items())]
    weighted = [] if weights is None else [weights]
    return digest([sentences.ids, sentences.offsets, *labels, *weighted])
