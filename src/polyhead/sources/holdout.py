"""Holdout: a share of the sentences held out for validation or test. Knows nothing about files or texts.

Shapes: N sentences, U distinct texts among them, T tasks, S strata: texts with the same labels for all tasks.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.integer[Any]]

_LARGEST_SHARE = 0.5  # of a stratum
_ROUNDING = 1  # part of the seed of the rounding, so that it shares no random numbers with the choice of texts


class Marginals(NamedTuple):
    """The classes of all tasks, counted through from 0; a text without a label has a class of its own in each task.

    Args:
        of_stratum: class of each stratum for each task (S, T).
        texts: number of texts in each class.
        is_label: False for a class that stands for no label.
    """

    of_stratum: Rows
    texts: Rows
    is_label: NDArray[np.bool_]


def choose_holdout(texts: Rows, labels: Sequence[Rows], share: float, seed: int) -> NDArray[np.bool_]:
    """Choose sentences at random so that all of them, and those of each class of each task, give their share.

    Equal texts count as one and go to the same side: no text that is held out is trained on under another label. Each
    class keeps a text, so that it can be trained, and each task with two labelled texts in a class gives one.

    Texts with the same labels for all tasks are a stratum, of which a random part is held out. Its share is rarely a
    whole number, and with many tasks there is a stratum for nearly each text. So strata are rounded one by one, those
    with the rarest classes first, up or down as the errors that their classes have by then ask for. Rarest first is
    iterative stratification (Sechidis et al. 2011, "On the Stratification of Multi-Label Data"); balancing the classes
    of several tasks, and not their combinations, is minimization (Pocock and Simon 1975, "Sequential Treatment
    Assignment with Balancing for Prognostic Factors in the Controlled Clinical Trial").

    Args:
        texts: a number for each text, equal for equal texts (N,).
        labels: class of each sentence (N,) for each task, -1 where it has none; a text has those of its first sentence.
        share: of the texts to hold out, above 0 and at most 0.5.
        seed: the choice follows from it.

    Returns:
        True for a sentence that is held out (N,).
    """
    _, first, inverse = np.unique(texts, return_index=True, return_inverse=True)
    appearance = np.argsort(first)  # the numbers may differ between runs; the order of the texts does not
    classes = [column[first[appearance]] + 1 for column in labels]  # (U,) each
    strata = _strata(classes, len(first))
    by_stratum = np.argsort(strata, kind="stable")
    sizes = np.bincount(strata)  # (S,)
    starts = np.cumsum(sizes) - sizes
    marginals = _marginals(classes, by_stratum[starts])
    exact = sizes * _shares(sizes, marginals, share)
    counts = _round_counts(exact, sizes, marginals, np.random.default_rng([seed, _ROUNDING]))
    held = np.zeros(len(first), dtype=np.bool_)
    random = np.random.default_rng(seed)
    for start, size, count in zip(starts.tolist(), sizes.tolist(), counts.tolist(), strict=True):
        members = appearance[by_stratum[start : start + size]]
        if size > 1:
            members = random.permutation(members)
        held[members[:count]] = True
    return held[inverse]


def choose_folds(texts: Rows, labels: Sequence[Rows], folds: int, seed: int) -> NDArray[np.int64]:
    """Divide sentences into folds of equal size, each with its share of each class; equal texts are in one fold.

    A class with fewer texts than there are folds is missing from some; the text of a class of one is in the last.

    Args:
        texts: a number for each text, equal for equal texts (N,).
        labels: as in :func:`choose_holdout`.
        folds: how many, 2 or more.
        seed: the choice follows from it.

    Returns:
        The fold of each sentence, from 0 (N,).
    """
    fold = np.full(len(texts), folds - 1, dtype=np.int64)
    left = np.arange(len(texts))
    for number in range(folds - 1):
        held = choose_holdout(texts[left], [column[left] for column in labels], 1 / (folds - number), seed)
        fold[left[held]] = number
        left = left[~held]
    return fold


def choose_some(sentences: int, labels: Sequence[Rows], limit: int, seed: int) -> NDArray[np.bool_]:
    """Choose at most so many sentences at random that each class of each task gives its share.

    Sentences are left out as :func:`choose_holdout` holds them out, half of them at a time, so that each class keeps
    one; what is still too many goes one by one. A class is lost only once each sentence that is left is the last of a
    class, and a task only once each is the last of a task.

    Args:
        sentences: how many there are; equal texts count one by one.
        labels: as in :func:`choose_holdout`.
        limit: 1 or more.
        seed: the choice follows from it.

    Returns:
        True for a sentence that is chosen (N,).
    """
    random = np.random.default_rng(seed)
    left = np.arange(sentences)
    while len(left) > limit:
        share = min(_LARGEST_SHARE, 1 - limit / len(left))
        out = choose_holdout(left, [column[left] for column in labels], share, seed)
        if not out.any():
            break
        dropped, left = left[out], left[~out]
        back = max(0, limit - len(left))  # where more went than should, as a share is rounded
        left = np.concatenate([left, random.permutation(dropped)[:back]])
    chosen = np.zeros(sentences, dtype=np.bool_)
    chosen[left] = True
    in_order = random.permutation(left).tolist()
    by_task = [np.minimum(column, 0) for column in labels]
    for columns in (labels, by_task, []):
        _drop_what_others_stand_for(chosen, in_order, columns, limit)
    return chosen


def _drop_what_others_stand_for(
    chosen: NDArray[np.bool_], in_order: Sequence[int], columns: Sequence[Rows], limit: int
) -> None:
    """Drop sentences, until so many are left, of which each class has another one that is chosen."""
    counts = [np.bincount(column[chosen] + 1) for column in columns]
    too_many = int(chosen.sum()) - limit
    for row in in_order:
        if too_many <= 0:
            return
        classes = [(count, column[row] + 1) for count, column in zip(counts, columns, strict=True) if column[row] >= 0]
        if not chosen[row] or any(count[number] < 2 for count, number in classes):
            continue
        for count, number in classes:
            count[number] -= 1
        chosen[row] = False
        too_many -= 1


def explain_share(texts: Rows, held: int, share: float) -> str:
    """Return why the number of sentences held out is off their share by more than one; nothing where it is not.

    >>> explain_share(np.array([7, 7, 7, 7, 8]), held=4, share=0.2)
    'not 1: equal texts stay together'

    Args:
        texts: a number for each text, equal for equal texts (N,).
        held: sentences held out.
        share: that was asked for.
    """
    wanted = len(texts) * share
    if abs(held - wanted) <= 1:
        return ""
    repeated = len(np.unique(texts)) < len(texts)
    reason = "equal texts stay together" if repeated else "each class keeps one, and each task gives one"
    return f"not {wanted:,.0f}: {reason}"


def _strata(classes: Sequence[Rows], texts: int) -> NDArray[np.intp]:
    """Number the texts (U,), equal where they have the same classes for all tasks, in the order of these classes."""
    strata = np.zeros(texts, dtype=np.int64)
    for column in classes:
        combined = strata * (int(column.max(initial=0)) + 1) + column
        strata = np.unique(combined, return_inverse=True)[1]
    return strata


def _marginals(classes: Sequence[Rows], representatives: Rows) -> Marginals:
    """Count the classes of all tasks; ``representatives`` has a text of each stratum (S,)."""
    counts = [np.bincount(column) for column in classes]
    starts = np.cumsum([0, *map(len, counts)])
    columns = [start + column[representatives] for start, column in zip(starts[:-1], classes, strict=True)]
    is_label = np.ones(starts[-1], dtype=np.bool_)
    is_label[starts[:-1]] = False
    of_stratum = np.stack(columns, axis=1) if columns else np.zeros((len(representatives), 0), dtype=np.int64)
    return Marginals(of_stratum, np.concatenate([np.zeros(0, np.int64), *counts]), is_label)


def _shares(sizes: Rows, marginals: Marginals, share: float) -> NDArray[np.float64]:
    """Return the share that each stratum gives (S,): none of a class of one text, for which the others give more."""
    alone = (marginals.texts == 1) & marginals.is_label
    gives = ~alone[marginals.of_stratum].any(axis=1)
    among_givers = share * sizes.sum() / max(1, sizes[gives].sum())
    shares: NDArray[np.float64] = gives * min(among_givers, _LARGEST_SHARE)
    return shares


def _round_counts(exact: NDArray[np.float64], sizes: Rows, marginals: Marginals, random: np.random.Generator) -> Rows:
    """Round the number of texts that each stratum gives (S,), up or down.

    Args:
        exact: share of each stratum (S,).
        sizes: texts of each stratum (S,).
        marginals: its classes.
        random: of the order among strata whose rarest classes have the same size.
    """
    counts = np.floor(exact).astype(np.int64)
    held = np.zeros(len(marginals.texts), dtype=np.int64)
    np.add.at(held, marginals.of_stratum, counts[:, None])
    most = np.where(marginals.is_label, marginals.texts - 1, marginals.texts)
    weights = 1 / np.sqrt(np.maximum(marginals.texts, 1))  # a text more or less is much for a rare class
    errors = np.zeros(len(marginals.texts))
    total = 0.0  # error of all texts together; it stays within one
    shuffled = random.permutation(len(exact))
    rarest = marginals.texts[marginals.of_stratum].min(axis=1, initial=np.iinfo(np.int64).max)
    for index in shuffled[np.argsort(rarest[shuffled], kind="stable")].tolist():
        classes = marginals.of_stratum[index]
        rest = float(exact[index] - counts[index])
        weight = weights[classes]
        pull = float(weight @ errors[classes] / weight.sum()) if len(classes) else 0.0
        up = pull < rest - 0.5
        if total - rest < -1 or total + 1 - rest > 1:
            up = total < 0
        up = up and counts[index] < sizes[index] and bool((held[classes] < most[classes]).all())
        errors[classes] += up - rest
        total += up - rest
        held[classes] += up
        counts[index] += up
    _give_each_task_one(counts, held, most, sizes, marginals)
    return counts


def _give_each_task_one(counts: Rows, held: Rows, most: Rows, sizes: Rows, marginals: Marginals) -> None:
    """Add a text, of the largest class that has one to spare, for each task of which no labelled text is held."""
    for column in marginals.of_stratum.T:  # (S,)
        if held[np.unique(column[marginals.is_label[column]])].any():
            continue
        can_give = marginals.is_label[column] & (counts < sizes)
        can_give &= (held[marginals.of_stratum] < most[marginals.of_stratum]).all(axis=1)
        if can_give.any():
            index = int(np.argmax(np.where(can_give, marginals.texts[column], 0)))
            counts[index] += 1
            held[marginals.of_stratum[index]] += 1
