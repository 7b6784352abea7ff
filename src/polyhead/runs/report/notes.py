"""Notes: what of a comparison could not be compared, in sentences. Knows nothing about scores."""

from collections.abc import Iterator, Sequence

from polyhead.runs.record import RunRecord
from polyhead.runs.report.conditions import Condition
from polyhead.runs.report.data_versions import DATA_VERSION
from polyhead.runs.report.differences import labels_of, same_labels

_NAMED = 5  # runs that a note names; the rest are counted
_WITHOUT = {
    "config.yaml": "its choices are unknown, so it stands alone",
    "predictions.npz": "it is compared by its scores alone, not sentence by sentence",
}


def notes(conditions: Sequence[Condition], baseline: int | None) -> list[str]:
    """Return a sentence for each kind of thing that could not be compared.

    Args:
        conditions: in the order of their numbers.
        baseline: number of the condition that the others are compared with, from 1; None where there is none.
    """
    found = [*_unread(conditions), *_versions(conditions)]
    if baseline is not None:
        for number, condition in enumerate(conditions, start=1):
            if number != baseline:
                found += _unlike(number, condition, baseline, conditions[baseline - 1])
    return found


def _unread(conditions: Sequence[Condition]) -> Iterator[str]:
    runs = [run for condition in conditions for run in condition.runs.values()]
    for name, consequence in _WITHOUT.items():
        concerned = [str(run.folder) for run in runs if name in run.unread]
        if concerned:
            more = f" and {len(concerned) - _NAMED:,} more" if len(concerned) > _NAMED else ""
            listed = ", ".join(concerned[:_NAMED])
            yield f"{name} is not there, or cannot be read, in {listed}{more}: {consequence}."


def _versions(conditions: Sequence[Condition]) -> Iterator[str]:
    versions = [one.values.get(DATA_VERSION, "1") for one in conditions]
    numbers = [f"#{number}" for number, version in enumerate(versions, start=1) if version != "1"]
    if numbers:
        yield (
            f"{', '.join(numbers)}: of a configuration that another condition has, too, and trained or tested on other "
            f"sentences, since the data changed in between; see the column {DATA_VERSION!r}. They are not averaged."
        )


def _unlike(number: int, condition: Condition, baseline: int, other: Condition) -> Iterator[str]:
    """Yield why a condition and the baseline share no sentences, or no seeds."""
    common = condition.runs.keys() & other.runs.keys()
    if not common:
        yield f"#{number} has no seed in common with #{baseline}: no difference between them is computed."
        return
    pairs = [(condition.runs[key], other.runs[key]) for key in common]
    test_sets = dict.fromkeys(name for pair in pairs for run in pair for name in run.metrics.test_sets)
    for test_set in test_sets:
        if any(_differ(ours, theirs, test_set) for ours, theirs in pairs):
            yield (
                f"#{number} and #{baseline} were tested on unlike sentences or labels of {test_set}: their scores "
                "stand side by side, and no difference is computed sentence by sentence."
            )


def _differ(ours: RunRecord, theirs: RunRecord, test_set: str) -> bool:
    """Return whether the labels of a test set are known for both of two runs, and are not the same."""
    labels, others = labels_of(ours, test_set), labels_of(theirs, test_set)
    if not labels and not others:
        return False
    both_measured = test_set in ours.metrics.test_sets and test_set in theirs.metrics.test_sets
    unknown = both_measured and not (labels and others)  # of a file that cannot be read, which has a note of its own
    return not unknown and not same_labels(labels, others)
