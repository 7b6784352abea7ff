"""Verdict: a comparison in a few sentences. Knows nothing about pages and tables around it."""

from collections.abc import Iterator, Mapping, Sequence

from polyhead.runs.record import OVERALL
from polyhead.runs.report.comparison import Comparison, Row
from polyhead.runs.report.statistics import Difference
from polyhead.runs.report.table import cost_text, metric_name, score_text

MARGIN = 0.02
"""A loss in score that counts as none, when conditions are called as good as the baseline."""

_AGREEMENT = (
    (0.5, "mostly agree"),
    (0.1, "agree a little"),
    (-0.1, "have little to do with each other"),
    (-0.5, "oppose each other a little"),
    (-1.01, "mostly oppose each other"),
)
"""The least mean cosine of two gradients -> what they do."""

_BETTER, _WORSE = "significantly better than", "significantly worse than"
_AS_GOOD, _UNDECIDED = "no significant difference, and as good as", "no significant difference from"
_KINDS = {
    _BETTER: "",
    _AS_GOOD: f" to within {MARGIN}",
    _UNDECIDED: f", but a loss of more than {MARGIN} cannot be ruled out; more seeds or test sentences would tell",
    _WORSE: "",
}


def verdict(comparison: Comparison) -> list[str]:
    """Sum the comparison up in a few sentences, each test set on its own."""
    if comparison.best is None:
        return ["No run is done yet."]
    lines = [_best(comparison, comparison.best)]
    if any(len(row.condition.runs) < 2 for row in comparison.rows):
        lines.append("Some conditions have one run only, which says nothing about other seeds; seed=0,1,2 makes three.")
    if comparison.baseline is None:
        return lines
    headline, *extra = comparison.tests
    kinds = _kinds(comparison, headline)
    lines += _sentences(kinds, comparison.baseline)
    lines += _cheapest(kinds, comparison.baseline)
    for test_set in extra:
        lines += _sentences(_kinds(comparison, test_set), comparison.baseline, f"On {test_set}, ")
    return lines


def conflict_sentences(row: Row) -> list[str]:
    """Say of each pair of tasks how their gradients agreed in the runs of a condition."""
    pairs = dict.fromkeys(name.rpartition(".")[0] for name in row.conflict)
    return [f"#{row.number}: {_conflict(pair, row.conflict)}" for pair in pairs]


def _conflict(pair: str, conflict: Mapping[str, float]) -> str:
    cosine = conflict[f"{pair}.cosine"]
    words = next(words for least, words in _AGREEMENT if cosine >= least)
    share = conflict[f"{pair}.conflicting_share"]
    return (
        f"the gradients of {pair} {words} (mean cosine {cosine:.2f}), and were against each other in {share:.0%} of "
        f"the steps; their sizes are alike to {conflict[f'{pair}.magnitude_similarity']:.0%}.".replace("-0", "−0")
    )


def _best(comparison: Comparison, best: Row) -> str:
    found = [
        f"{score_text(best.scores[test_set][OVERALL])} on {test_set}"
        for test_set in comparison.tests
        if test_set in best.scores
    ]
    return (
        f"Best on validation: #{best.number} ({best.condition.name}), with {metric_name(comparison)} "
        f"{', '.join(found)}, in {_seconds(best)} per run."
    )


def _kinds(comparison: Comparison, test_set: str) -> dict[str, list[Row]]:
    """Sort the conditions by the kind of their difference from the baseline on a test set."""
    kinds: dict[str, list[Row]] = {}
    for row in comparison.rows:
        difference = row.differences.get(test_set, {}).get(OVERALL)
        if difference is not None:
            kinds.setdefault(_kind(difference), []).append(row)
    return kinds


def _kind(difference: Difference) -> str:
    if difference.significant:
        return _BETTER if difference.value > 0 else _WORSE
    return _AS_GOOD if difference.not_worse(MARGIN) else _UNDECIDED


def _sentences(kinds: Mapping[str, Sequence[Row]], baseline: Row, where: str = "") -> Iterator[str]:
    for kind, more in _KINDS.items():
        if kind in kinds:
            numbers = ", ".join(f"#{row.number}" for row in kinds[kind])
            yield f"{where}{numbers}: {kind} #{baseline.number}{more}."


def _cheapest(kinds: Mapping[str, Sequence[Row]], baseline: Row) -> Iterator[str]:
    """Name the condition that takes the fewest seconds of those at least as good as the baseline."""
    as_good = [baseline, *kinds.get(_BETTER, []), *kinds.get(_AS_GOOD, [])]
    cheapest = min(as_good, key=lambda row: row.costs["seconds"])
    if cheapest is not baseline:
        times = baseline.costs["seconds"] / cheapest.costs["seconds"]
        yield (
            f"The cheapest that is at least as good as #{baseline.number} is #{cheapest.number} "
            f"({cheapest.condition.name}): {_seconds(cheapest)} per run, {times:.1f} times as fast."
        )


def _seconds(row: Row) -> str:
    return f"{cost_text('seconds', row.costs['seconds'])} seconds"
