"""A task of each kind, and sentences with labels for all of them."""

from collections.abc import Iterator

from support.fakes import WORDS, FakePair, FakeSentence

from polyhead.sources.base import Source
from polyhead.tasks import Task, make_kind

TASKS = (
    Task("tone", ("dry", "warm")),
    Task("stars", (), make_kind("stars", "number", {"mean": 10.0, "spread": 4.0})),
    Task("tags", ("food", "work", "travel"), make_kind("tags", "multi_label", {})),
    Task("grade", ("poor", "fair", "good", "best"), make_kind("grade", "ordinal", {})),
)
FITS = {"tone": {"temperature": 2.0}, "tags": {"thresholds": [0.25, 0.5, 0.75]}}


class KindSource(Source):
    """Sentences whose words decide all labels; each fifth has none for one of the tasks."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes = sizes

    def sentences(self, split: str) -> Iterator[FakeSentence]:
        """Yield the sentences of a split."""
        shift = 13 * list(self.sizes).index(split)
        for row in range(self.sizes[split]):
            level, has = row % 4, [row // 4 % 2, row // 8 % 2, row % 2]
            tags = [label for label, one in zip(TASKS[2].labels, has, strict=True) if one]
            words = [WORDS[level], *(WORDS[10 + place] for place, one in enumerate(has) if one)]
            words += [WORDS[20 + (row * 7 + shift + i) % 60] for i in range(row % 5)]
            labels: dict[str, str | None] = {
                "tone": "warm" if level > 1 else "dry",
                "stars": str(4 * level + 4 + 0.5 * has[0]),
                "tags": ";".join(tags) or "[]",
                "grade": TASKS[3].labels[level],
            }
            if row % 5 == 0:
                labels[TASKS[row // 5 % 4].name] = None
            yield FakeSentence(" ".join(words), labels)


PAIR_TASKS = (
    Task("tone", ("dry", "warm")),
    Task("alike", (), make_kind("alike", "similarity", {"low": 0.0, "high": 4.0})),
    Task("answers", (), make_kind("answers", "contrastive", {})),
    Task("relation", ("same", "near", "apart"), make_kind("relation", "entailment", {})),
)


class PairSource(Source):
    """Rows whose words decide all labels; every third is a single sentence, and each fifth pair has no label at all."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes = sizes

    def sentences(self, split: str) -> Iterator[FakePair]:
        """Yield the rows of a split."""
        shift = 13 * list(self.sizes).index(split)
        for row in range(self.sizes[split]):
            level, gap = row % 4, row // 4 % 3
            words = [WORDS[level], *(WORDS[20 + (row * 7 + shift + i) % 60] for i in range(row % 5))]
            labels: dict[str, str | None] = {"tone": "warm" if level > 1 else "dry"}
            second = None
            if row % 3:
                second = " ".join([WORDS[(level + gap) % 4], WORDS[20 + (row * 5 + shift) % 60]] * (1 + row % 2))
            if row % 3 and row % 5:
                labels |= {"alike": str(4 - 2 * gap), "relation": PAIR_TASKS[3].labels[gap]}
                labels["answers"] = "1" if gap == 0 else None
            yield FakePair(" ".join(words), labels, second)
