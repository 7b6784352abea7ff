"""Label errors: the labels that are probably wrong, by confident learning. Knows nothing about texts or tasks.

Shapes: N sentences, C classes, S suspects.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyhead.sources.holdout import choose_folds
from polyhead.training.linear_probe import Codes, Flags, Floats, out_of_fold

FOLDS = 5
_SEED = 0  # the same files give the same suspects


class Suspects(NamedTuple):
    """The sentences whose label is probably wrong, the least credible label first.

    Args:
        rows: of the sentences (S,).
        suggested: the class that is most probable instead (S,).
        given_probability: of the label given, by a regression that has not seen it (S,).
        suggested_probability: of the class suggested (S,).
    """

    rows: NDArray[np.integer[Any]]
    suggested: Codes
    given_probability: Floats
    suggested_probability: Floats


def find_label_errors(embeddings: Floats, labels: Codes, texts: Codes) -> Suspects:
    """Find wrong labels by confident learning (Northcutt, Jiang and Chuang 2021, arXiv 1911.00068).

    Probabilities are those of logistic regression on the embeddings, out of fold. Two departures from the paper: the
    regressions learn a second time without the suspects of the first, whose wrong labels had pulled them; and the
    confident joint says how many labels are wrong, while the probability of the label given says which, as that found
    more on real and made-up sentences than the joint's own cells did.

    Args:
        embeddings: (N, W).
        labels: class of each sentence, from 0 (N,); each class has at least ``FOLDS`` sentences.
        texts: a number for each text, equal for equal texts, which are in one fold (N,).
    """
    folds = choose_folds(texts, [labels], FOLDS, _SEED)
    learned = np.ones(len(labels), dtype=np.bool_)
    probabilities = out_of_fold(embeddings, labels, folds, learned)
    joint = confident_joint(probabilities, labels)
    sizes = joint.sum(axis=1, keepdims=True)
    shares = np.divide(joint, sizes, where=sizes > 0, out=np.eye(len(joint)))
    doubtful = np.bincount(labels) * (1 - np.diag(shares))
    learned[_least_credible(probabilities, labels, round(doubtful.sum()))] = False
    learned |= _worn_classes(labels, learned)[labels]
    probabilities = out_of_fold(embeddings, labels, folds, learned)
    joint = confident_joint(probabilities, labels)
    return _suspects(probabilities, labels, _least_credible(probabilities, labels, int(joint.sum() - np.trace(joint))))


def confident_joint(probabilities: Floats, labels: Codes) -> NDArray[np.int64]:
    """Count the sentences by the label given (rows) and the class that they confidently are (columns) (C, C).

    A sentence is confidently of a class whose probability reaches the mean that it has over the sentences labelled so;
    of several such classes, it is of the most probable one; without any, it counts nowhere.

    Args:
        probabilities: out of fold (N, C).
        labels: class of each sentence, from 0 (N,); each class is there.
    """
    classes = probabilities.shape[1]
    thresholds = np.array([probabilities[labels == label, label].mean() for label in range(classes)])  # (C,)
    reached = probabilities >= thresholds
    confident = reached.any(axis=1)
    found = np.where(reached, probabilities, -1).argmax(axis=1)
    joint = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(joint, (labels[confident], found[confident]), 1)
    return joint


def _least_credible(probabilities: Floats, labels: Codes, count: int) -> NDArray[np.intp]:
    """Return the sentences whose label is least probable, without those whose label is the most probable class."""
    given = probabilities[np.arange(len(labels)), labels]
    rows = np.argsort(given, kind="stable")[:count]
    doubted: NDArray[np.intp] = rows[probabilities[rows].argmax(axis=1) != labels[rows]]
    return doubted


def _worn_classes(labels: Codes, learned: Flags) -> Flags:
    """Return the classes that would lose more than half of their sentences (C,): the doubt is about the class then."""
    sizes = np.bincount(labels)
    return 2 * np.bincount(labels[learned], minlength=len(sizes)) < sizes


def _suspects(probabilities: Floats, labels: Codes, rows: NDArray[np.intp]) -> Suspects:
    suggested = probabilities[rows].argmax(axis=1)
    return Suspects(rows, suggested, probabilities[rows, labels[rows]], probabilities[rows, suggested])
