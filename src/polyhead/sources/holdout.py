"""Holdout: a share of the sentences held out for validation or test. Knows nothing about files or texts.

Shapes: N sentences.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.integer[Any]]


def choose_holdout(texts: Rows, strata: Rows, share: float, seed: int) -> NDArray[np.bool_]:
    """Choose sentences at random so that each stratum gives its share.

    Equal texts count as one and go to the same side: no text that is held out is trained on under another label.

    Args:
        texts: a number for each text, equal for equal texts (N,).
        strata: stratum of each sentence (N,); a text belongs to the stratum of its first sentence.
        share: of the texts to hold out, 0 to 1. A stratum gives its share, rounded; a stratum of two texts or more
            gives at least one and keeps at least one.
        seed: the choice follows from it.

    Returns:
        True for a sentence that is held out (N,).
    """
    _, first, inverse = np.unique(texts, return_index=True, return_inverse=True)
    held = np.zeros(len(first), dtype=np.bool_)
    random = np.random.default_rng(seed)
    appearance = np.argsort(first)  # the numbers may differ between runs; the order of the texts does not
    stratum = strata[first[appearance]]
    for value in np.unique(stratum):
        members = appearance[stratum == value]
        size = round(len(members) * share)
        if 0 < share < 1 and len(members) > 1:
            size = min(max(size, 1), len(members) - 1)
        held[random.permutation(members)[:size]] = True
    return held[inverse]
