"""Settings of the splits: how sentences are held out and checked. Knows nothing about where sentences come from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from polyhead.errors import ParameterError, did_you_mean, parameter_problems

SPLITS = ("train", "validation", "test")
HOLDOUT: Mapping[str, float] = MappingProxyType({"validation": 0.1, "test": 0.1})
"""Shares of the training sentences that become the splits that are not given."""

_LARGEST_HOLDOUT = 0.5
_MOST_FOLDS = 100


@dataclass(frozen=True)
class SplitSettings:
    """How the sentences of any source are made ready for training.

    Args:
        holdout: share of the training sentences that becomes the validation or the test split where none is given;
            with 0 there is no validation split.
        seed: of that holdout.
        drop_test_duplicates: leave out training sentences that another split has, too.
        min_class_count: a warning names classes with fewer training sentences.
        max_examples: places named for each kind of problem; the rest are counted.
        missing_values: labels that stand for no label; None: only the empty one, and others that may are told.
        near_duplicates: count the sentences that nearly stand in another split.
        limit: sentences of each split, at most, chosen at random by the seed; None takes all.
        folds: number of folds of the training sentences, one of which is the test split; None makes none.
        fold: which one, from 0.

    Raises:
        ParameterError: values out of range, all at once.
    """

    holdout: Mapping[str, float]
    seed: int
    drop_test_duplicates: bool
    min_class_count: int
    max_examples: int
    missing_values: Sequence[str] | None = None
    near_duplicates: bool = False
    limit: int | None = None
    folds: int | None = None
    fold: int | None = None

    def __post_init__(self) -> None:
        problems = [
            *self._holdout_problems(),
            *self._fold_problems(),
            *parameter_problems(
                ("seed", self.seed, self.seed >= 0, "0 or more"),
                ("min_class_count", self.min_class_count, self.min_class_count >= 0, "0 or more"),
                ("max_examples", self.max_examples, self.max_examples >= 1, "1 or more"),
                ("limit", self.limit, self.limit is None or self.limit >= 1, "1 or more, or null"),
            ),
        ]
        if problems:
            raise ParameterError("\n".join(problems))

    def _fold_problems(self) -> list[str]:
        folds, fold = self.folds, self.fold
        if folds is None:
            return parameter_problems(("fold", fold, fold is None, "null where folds are null"))
        problems = parameter_problems(("folds", folds, 2 <= folds <= _MOST_FOLDS, f"2 to {_MOST_FOLDS}, or null"))
        possible = fold is None or 0 <= fold < folds
        return problems or parameter_problems(("fold", fold, possible, f"0 to {folds - 1}, or null for all of them"))

    def _holdout_problems(self) -> Iterator[str]:
        for name, share in self.holdout.items():
            possible = isinstance(share, float) and 0 < share <= _LARGEST_HOLDOUT
            if name == "validation" and share == 0 and not isinstance(share, bool):
                continue
            if name not in SPLITS[1:] or not possible:
                none = "; validation may be 0" if name == "validation" else ""
                yield f"holdout.{name}: {share!r} given; name validation or test, and a share in (0, 0.5]{none}"


def unknown_splits(parameter: str, given: Iterable[str]) -> Iterator[str]:
    """Yield a problem for each name that is no split."""
    for name in given:
        if name not in SPLITS:
            yield f"{parameter}: unknown split {name!r}; {did_you_mean(str(name), SPLITS)}"
