"""Linear probe: logistic regression on embeddings, and its out-of-fold probabilities. Knows nothing about texts.

Shapes: N sentences, W units of an embedding, C classes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import require_extra

Floats = NDArray[np.floating[Any]]
Codes = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]

INVERSE_PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Values of ``C`` that are tried, for embeddings whose units have a standard deviation of 1 on average."""

_ITERATIONS = 500  # of L-BFGS; on embeddings of unit variance it ends long before
_LEAST = 1e-12  # a probability of 0 would make one sentence decide the penalty


def check_extra(what: str) -> None:
    """Check, before anything is embedded, that scikit-learn is installed.

    Args:
        what: the user's choice that needs it.

    Raises:
        UserError: it is not.
    """
    with require_extra("label", what):
        import sklearn.linear_model  # type: ignore[import-untyped]  # noqa: F401


def out_of_fold(embeddings: Floats, labels: Codes, folds: Codes, learned: Flags) -> Floats:
    """Return the class probabilities of each sentence (N, C), by a regression that did not learn from its fold.

    The penalty is the one of ``INVERSE_PENALTIES`` with the lowest out-of-fold loss on the sentences learned from.

    Args:
        embeddings: (N, W).
        labels: class of each sentence, from 0 (N,); each class is there.
        folds: fold of each sentence (N,).
        learned: False for a sentence that no regression learns from (N,); it has probabilities, too.
    """
    spread = embeddings.std() or 1.0
    centered = (embeddings - embeddings.mean(axis=0)) / spread  # the penalty then means the same for any encoder
    tried = [_out_of_fold(centered, labels, folds, learned, inverse) for inverse in INVERSE_PENALTIES]
    return min(tried, key=lambda probabilities: _loss(probabilities[learned], labels[learned]))


def _out_of_fold(embeddings: Floats, labels: Codes, folds: Codes, learned: Flags, inverse_penalty: float) -> Floats:
    from sklearn.linear_model import LogisticRegression

    probabilities = np.zeros((len(labels), int(labels.max()) + 1))
    for fold in np.unique(folds):
        seen, unseen = learned & (folds != fold), folds == fold
        regression = LogisticRegression(C=inverse_penalty, max_iter=_ITERATIONS).fit(embeddings[seen], labels[seen])
        probabilities[np.ix_(unseen, regression.classes_)] = regression.predict_proba(embeddings[unseen])
    return probabilities


def _loss(probabilities: Floats, labels: Codes) -> float:
    """Return the mean cross-entropy in nats."""
    given = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(given, _LEAST)).mean())
