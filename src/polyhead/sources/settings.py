"""Settings of the splits: how sentences are held out and checked. Knows nothing about where sentences come from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from polyhead.errors import ParameterError, did_you_mean, parameter_problems

SPLITS = ("train", "validation", "test")
_LARGEST_HOLDOUT = 0.5


@dataclass(frozen=True)
class SplitSettings:
    """How the sentences of any source are made ready for training.

    Args:
        holdout: share of the training sentences that becomes the validation or the test split where none is given.
        seed: of that holdout.
        drop_test_duplicates: leave out training sentences that another split has, too.
        min_class_count: a warning names classes with fewer training sentences.
        max_examples: places named for each kind of problem; the rest are counted.
        missing_values: labels that stand for no label; None: only the empty one, and others that may are told.
        near_duplicates: count the sentences that nearly stand in another split.
        limit: sentences of each split, at most, chosen at random by the seed; None takes all.

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

    def __post_init__(self) -> None:
        problems = [
            *self._holdout_problems(),
            *parameter_problems(
                ("seed", self.seed, self.seed >= 0, "0 or more"),
                ("min_class_count", self.min_class_count, self.min_class_count >= 0, "0 or more"),
                ("max_examples", self.max_examples, self.max_examples >= 1, "1 or more"),
                ("limit", self.limit, self.limit is None or self.limit >= 1, "1 or more, or null"),
            ),
        ]
        if problems:
            raise ParameterError("\n".join(problems))

    def _holdout_problems(self) -> Iterator[str]:
        for name, share in self.holdout.items():
            possible = isinstance(share, float) and 0 < share <= _LARGEST_HOLDOUT
            if name not in SPLITS[1:] or not possible:
                yield f"holdout.{name}: {share!r} given; name validation or test, and a share in (0, 0.5]"


def unknown_splits(parameter: str, given: Iterable[str]) -> Iterator[str]:
    """Yield a problem for each name that is no split."""
    for name in given:
        if name not in SPLITS:
            yield f"{parameter}: unknown split {name!r}; {did_you_mean(str(name), SPLITS)}"
