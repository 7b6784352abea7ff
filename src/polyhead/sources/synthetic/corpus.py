"""The hypothetical corpus: labelled sentences from a seed. Knows nothing about models, files or tensors.

Training sentences draw on one grammar; validation and test draw on another, whose content words and
sentence patterns training never shows. So a bag of words learned in training says little about the test, and
what a pretrained encoder knows about English says a lot. The notation stands in ``grammar``; the words and patterns
lie in the INI files beside it, which ``material`` reads.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice, product
from random import Random
from typing import NamedTuple
from zlib import crc32

from polyhead.errors import ParameterError, UserError, did_you_mean, parameter_problems
from polyhead.sources.base import Source
from polyhead.sources.synthetic.cells import Cell, draw_cells, geometric
from polyhead.sources.synthetic.extras import EXTRAS, PAIR_EXTRAS, extra_cell, pair_cell, partner
from polyhead.sources.synthetic.grammar import Symbol, draw
from polyhead.sources.synthetic.material import read_grammar
from polyhead.tasks import PerTask, Task, per_task_problems, value_for

CATEGORIES: tuple[str, ...] = ("Expression", "Opinion", "Quote", "Riddle", "News", "Other")
"""The classes of ``category``."""
SENTIMENTS: tuple[str, ...] = ("Neutral", "Positive", "Negative")
"""The classes of ``sentiment``."""
TOPICS: tuple[str, ...] = (
    "food",
    "travel",
    "sport",
    "music",
    "work",
    "weather",
    "gardens",
    "technology",
    "health",
    "money",
)
"""The classes of ``topic``."""
LABELS: dict[str, tuple[str, ...]] = {"category": CATEGORIES, "sentiment": SENTIMENTS, "topic": TOPICS}
"""Task -> its classes."""
SPLITS: tuple[str, ...] = ("train", "validation", "test")
"""The splits that a corpus has."""

_SIZES = {"train": 4000, "validation": 1000, "test": 1000}
_LARGEST_SIZE = 1_000_000_000
_SHARE = "a number from 0 to 1"
_BLOCK = len(CATEGORIES) * len(SENTIMENTS) * len(TOPICS)  # sentences, so that a balanced block has each cell once


class Sentence(NamedTuple):
    """One sentence and its labels: task name -> label, or None where the label is missing."""

    text: str
    labels: dict[str, str | None]


class SentencePair(NamedTuple):
    """Two sentences, the labels of the first, and those of both together."""

    text: str
    labels: dict[str, str | None]
    second: str


@dataclass(frozen=True)
class HypotheticalCorpus(Source):
    """Labelled sentences in three splits, a function of the seed alone.

    A split does not depend on the sizes of the others, and a smaller split is the beginning of a larger one.
    Imbalance and correlation hold in every split, as they would in the wild. Label noise and missing labels
    occur in the training split only, so that scores on the others mean what they say; they touch no text.

    Args:
        sizes: split -> number of sentences.
        seed: everything random follows from it.
        label_noise: share of training labels that are replaced by another class of their task, 0 to 1.
        imbalance: ratio of the most to the least frequent class, 1 or more. The first class of a task is the
            most frequent; the frequencies fall geometrically.
        correlation: 0 draws sentiment independently of category, 1 makes sentiment a function of category.
            In between it is the share of sentences bound to follow the function; beside an imbalance it
            shifts the frequencies of the sentiment classes.
        missing: share of training labels that are missing, 0 to 1.
        extra: further tasks that the sentences have labels for, see :data:`polyhead.sources.synthetic.extras.EXTRAS`;
            noise and gaps do not concern them.

    Raises:
        ParameterError: a value out of range or an unknown split or task; all problems at once, one per line.
    """

    sizes: Mapping[str, int] = field(default_factory=lambda: dict(_SIZES))
    seed: int = 0
    label_noise: PerTask = 0.0
    imbalance: PerTask = 1.0
    correlation: float = 0.0
    missing: PerTask = 0.0
    extra: Sequence[str] = ()

    def __post_init__(self) -> None:
        problems = [
            *_check_sizes(self.sizes),
            *_check_seed(self.seed),
            *per_task_problems("label_noise", self.label_noise, LABELS, _is_share, _SHARE),
            *per_task_problems("imbalance", self.imbalance, LABELS, lambda value: value >= 1, "a number of 1 or more"),
            *parameter_problems(("correlation", self.correlation, _is_share(self.correlation), _SHARE)),
            *per_task_problems("missing", self.missing, LABELS, _is_share, _SHARE),
            *(
                f"extra: unknown {name!r}; {did_you_mean(str(name), EXTRAS)}"
                for name in self.extra
                if name not in EXTRAS
            ),
        ]
        if problems:
            raise ParameterError("\n".join(problems))

    def sentences(self, split: str) -> Iterator[Sentence | SentencePair]:
        """Yield the sentences of ``split`` one by one, in memory that does not grow.

        Raises:
            ParameterError: the split is unknown or has no size.
        """
        if split not in self.sizes:
            raise ParameterError(f"sizes: no split {split!r}; {did_you_mean(split, self.sizes)}")
        sentences = self._write(split)
        return islice(self._spoil(sentences) if split == "train" else sentences, self.sizes[split])

    def find_labels(
        self, names: Sequence[str], free: Sequence[str] = (), each_pair: Sequence[str] = ()
    ) -> Mapping[str, Sequence[str]]:
        """Return the class names of the tasks named.

        Raises:
            UserError: there is no such task.
        """
        found = {name: LABELS[name] for name in names if name in LABELS}
        for name in names:
            if name not in found and name not in self.extra:
                hint = f"set data.extra=[{name}]" if name in EXTRAS else did_you_mean(name, LABELS)
                raise UserError(f"tasks: the hypothetical sentences know no {name!r}; {hint}")
        for name in set(names) & set(self.extra):
            cells = {sentence.labels[name] for sentence in self.sentences("train")}
            found[name] = tuple(sorted(cell for cell in cells if cell is not None))
        return {name: found[name] for name in names}

    def check(self, tasks: Sequence[Task]) -> None:
        """Check that the tasks know all labels, and that each of them has training sentences with labels.

        Raises:
            UserError: labels that a task does not know, or a task without a labelled sentence; one per line.
        """
        problems = []
        unknown = [task.name for task in tasks if task.name not in (*LABELS, *self.extra)]
        if any(name in EXTRAS for name in unknown):
            self.find_labels(unknown)
        for task in [one for one in tasks if one.kind.has_classes]:
            lacking = [repr(label) for label in LABELS.get(task.name, ()) if label not in task.labels]
            if lacking:
                problems.append(f"tasks.{task.name}: the sentences have the labels {', '.join(lacking)}, too; add them")
        if problems:
            raise UserError("\n".join(problems))
        super().check(tasks)

    def size(self, split: str) -> int:
        """Return the number of sentences."""
        return self.sizes.get(split, 0)

    def _write(self, split: str) -> Iterator[Sentence | SentencePair]:
        generator = Random(f"{self.seed}/{split}")  # a string is hashed by SHA-512, alike in all processes
        of_pairs = [name for name in self.extra if name in PAIR_EXTRAS]
        alone = [name for name in self.extra if name not in PAIR_EXTRAS]
        others, cells = Random(f"{self.seed}/{split}/pairs"), list(product(CATEGORIES, SENTIMENTS, TOPICS))
        for cell in draw_cells(self._weigh_cells(), _BLOCK, generator):
            text = _draw_text(cell, split, generator)
            given = dict(zip(LABELS, cell, strict=True))
            labels: dict[str, str | None] = {**given, **{name: extra_cell(name, text, given) for name in alone}}
            if not of_pairs:
                yield Sentence(text, labels)
                continue
            other = partner(cell, cells, others)
            labels |= {name: pair_cell(name, cell, other) for name in of_pairs}
            yield SentencePair(text, labels, _draw_text(other, split, others))

    def _weigh_cells(self) -> dict[Cell, float]:
        """Return the probability of each cell."""
        category, sentiment, topic = (geometric(LABELS[task], value_for(task, self.imbalance, 1)) for task in LABELS)
        typical = {name: SENTIMENTS[position % len(SENTIMENTS)] for position, name in enumerate(CATEGORIES)}
        free = 1 - self.correlation
        return {
            (c, s, t): category[c] * topic[t] * (free * sentiment[s] + self.correlation * (s == typical[c]))
            for c, s, t in product(CATEGORIES, SENTIMENTS, TOPICS)
        }

    def _spoil(self, sentences: Iterable[Sentence | SentencePair]) -> Iterator[Sentence | SentencePair]:
        """Replace labels and drop labels; its own generators keep the texts as they are."""
        noise, gaps = Random(f"{self.seed}/label_noise"), Random(f"{self.seed}/missing")
        rates = [(task, value_for(task, self.label_noise, 0), value_for(task, self.missing, 0)) for task in LABELS]
        if not any(noisy or missing for _, noisy, missing in rates):
            yield from sentences
            return
        for sentence in sentences:
            labels = sentence.labels
            for task, noisy, missing in rates:
                flip, other, gap = noise.random(), noise.random(), gaps.random()
                if flip < noisy:
                    others = [label for label in LABELS[task] if label != labels[task]]
                    labels[task] = others[int(other * len(others))]
                if gap < missing:
                    labels[task] = None
            yield sentence


def _draw_text(cell: Cell, split: str, generator: Random) -> str:
    category, sentiment, topic = cell
    symbol = _compile("train" if split == "train" else "held_out", topic)[category, sentiment]
    text = draw(symbol, generator)
    while not _belongs(text, split):
        text = draw(symbol, generator)
    return text


@cache
def _compile(side: str, topic: str) -> dict[tuple[str, str], Symbol]:
    return read_grammar(side).compile(topic)


def _belongs(text: str, split: str) -> bool:
    """Return whether ``text`` may stand in ``split``: its checksum decides between validation and test."""
    return split == "train" or crc32(text.encode()) % 2 == (split == "test")


def _check_sizes(sizes: Mapping[str, int]) -> Iterator[str]:
    if not isinstance(sizes, Mapping) or not sizes:
        yield f"sizes: {sizes!r} given; give a number of sentences for each split: {', '.join(SPLITS)}"
        return
    for split, size in sizes.items():
        if split not in SPLITS:
            yield f"sizes: unknown split {split!r}; {did_you_mean(str(split), SPLITS)}"
        elif isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= _LARGEST_SIZE:
            yield f"sizes.{split}: {size!r} given; it must be a whole number, 0 to {_LARGEST_SIZE}"


def _check_seed(seed: int) -> Iterator[str]:
    if isinstance(seed, bool) or not isinstance(seed, int):
        yield f"seed: {seed!r} given; it must be a whole number"


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
