"""Label hints: what a person would ask when looking at the classes of a task. Knows nothing about files or splits."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from polyhead.sources.folding import fold

_NO_LABEL = frozenset(
    ["", "nan", "none", "null", "nil", "na", "n/a", "n.a.", "#n/a", "<na>", "<null>", "missing", "tbd"]
)
_NO_LABEL_SIGNS = frozenset(["-", "--", "?", "."])
_TRUTH = {"true": "1", "false": "0"}
_JOINTS = ",;|/+&"  # that may stand between the labels of a sentence with several
_MOST_POINTS = 11  # of a scale: 0 to 10
_FEWEST_VALUES = 12  # of fractions that are measured
_FEWEST_WHOLE_VALUES = 20  # of whole numbers that are measured
_LONGEST = 60  # characters of a label that a message shows


@dataclass(frozen=True)
class LabelHints:
    """Looks at the classes of a task.

    Args:
        task: its name.
        counts: class -> number of sentences.
        place: class -> where the first of its sentences stands.
        max_examples: classes or groups named in each line; the rest are counted.
    """

    task: str
    counts: Mapping[str, int]
    place: Callable[[str], str]
    max_examples: int

    def lines(self, missing_values: Sequence[str] | None, has_kind: bool = False) -> Iterator[str]:
        """Yield a line for a person per kind of oddity.

        Args:
            missing_values: labels that stand for no label; with None nobody said which, and suspects are named.
            has_kind: whether the kind of the task has been said, so that none is proposed.
        """
        suspects = self._no_labels() if missing_values is None else None
        for oddity in (self._spellings(), suspects, None if has_kind else self._values()):
            if oddity is not None:
                yield f"{self.task}: {oddity}"

    def _spellings(self) -> str | None:
        groups: dict[str, list[str]] = {}
        for label in self.counts:
            groups.setdefault(spelling(label), []).append(label)
        alike = [labels for labels in groups.values() if len(labels) > 1]
        if not alike:
            return None
        examples = [" and ".join(self._with_counts(labels)) for labels in alike[: self.max_examples]]
        rest = f"; and {len(alike) - self.max_examples:,} more" if len(alike) > self.max_examples else ""
        return (
            "classes that differ in case, spaces, Unicode form or the form of a number alone: "
            f"{'; '.join(examples)}{rest}; each is a class by itself: write what is one class in one way"
        )

    def _no_labels(self) -> str | None:
        suspects = [label for label in self.counts if fold(label) in _NO_LABEL | _NO_LABEL_SIGNS]
        if not suspects:
            return None
        values = ", ".join(f'"{label}"' for label in suspects)
        return (
            f"{self._some(self._with_counts(suspects))}: trained and predicted as a class; where that means no label, "
            f"set 'data.missing_values=[{values}]', and where it is a class, data.missing_values=[]"
        )

    def _values(self) -> str | None:
        """Say what classes may be that are all numbers, or that are made of others."""
        numbers = [number for number in map(_number, self.counts) if number is not None]
        if len(numbers) == len(self.counts):
            return _measured(self.task, numbers) or _scale(self.task, numbers)
        joined = self._joined()
        if not joined:
            return None
        return (
            f"{self._some(self._with_counts(joined))}: made of other classes, and each combination is a class by "
            f"itself; where a sentence has several labels, set its kind, as in {kind_hint(self.task, 'multi_label')}"
        )

    def _joined(self) -> list[str]:
        """Return the classes whose parts are classes, or parts of other such classes, the most frequent joint's."""
        found: list[str] = []
        for joint in _JOINTS:
            parts = {label: [part.strip() for part in label.split(joint)] for label in self.counts}
            uses = Counter(part for some in parts.values() for part in set(some))
            joined = [
                label
                for label, some in parts.items()
                if len(some) > 1 and all(part and uses[part] > 1 for part in some)
            ]
            found = max(found, joined, key=len)
        return found

    def _with_counts(self, labels: Sequence[str]) -> list[str]:
        """Name classes with their number of sentences and the first of these."""
        forms = {normalize("NFKC", label) for label in labels}
        show = ascii if len(forms) < len(labels) else repr  # two that look alike are told apart by their code points
        return [f"{show(shorten(label))} {self.counts[label]:,} ({self.place(label)})" for label in labels]

    def _some(self, names: Sequence[str]) -> str:
        rest = f" and {len(names) - self.max_examples:,} more" if len(names) > self.max_examples else ""
        return ", ".join(names[: self.max_examples]) + rest


def kind_hint(task: str, kind: str) -> str:
    """Return how a user sets the kind of a task.

    >>> kind_hint("stars", "number")
    "'tasks=[{stars: number}]'"
    """
    return f"'tasks=[{{{task}: {kind}}}]'"


def spelling(label: str) -> str:
    """Return a text that is equal for labels that a person takes for the same.

    >>> [spelling(label) for label in ("Yes ", "YES", "1.0", "True")]
    ['yes', 'yes', '1', '1']
    """
    folded = fold(label)
    number = _number(folded)
    if number is not None:
        return str(int(number)) if number.is_integer() else repr(number)
    return _TRUTH.get(folded, folded)


def shorten(label: str) -> str:
    """Return a label as a message shows it; whole sentences may stand where labels should."""
    return label if len(label) <= _LONGEST else label[:_LONGEST] + "…"


def _number(label: str) -> float | None:
    """Return the finite number that a label is; None if it is none."""
    try:
        number = float(label)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _measured(task: str, numbers: Sequence[float]) -> str | None:
    """Say if numbers look measured, and no codes of classes."""
    whole = all(number.is_integer() for number in numbers)
    if len(numbers) < (_FEWEST_WHOLE_VALUES if whole else _FEWEST_VALUES):
        return None
    if whole and max(numbers) - min(numbers) < len(numbers):  # without gaps, as codes are
        return None
    return (
        f"{len(numbers):,} classes, all numbers from {min(numbers):g} to {max(numbers):g}: where they are measured (a "
        f"regression target), set its kind, as in {kind_hint(task, 'number')}; else each value is a class by itself"
    )


def _scale(task: str, numbers: Sequence[float]) -> str | None:
    """Say if numbers look like the points of a scale."""
    whole = all(number.is_integer() for number in numbers)
    points = set(numbers)
    if not whole or not 3 <= len(points) <= _MOST_POINTS or max(points) - min(points) >= len(points):
        return None
    return (
        f"the classes are the whole numbers {min(points):g} to {max(points):g}: where they are a scale, their order is "
        f"not used, and a near miss counts as much as a far one; {kind_hint(task, 'ordinal')} uses it"
    )
