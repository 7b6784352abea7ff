"""Sources of labelled sentences: their common face. Knows nothing about files, tokens or models."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from polyhead.errors import UserError
from polyhead.tasks import Task

if TYPE_CHECKING:  # made-up sentences need no numpy
    import numpy as np
    from numpy.typing import NDArray

    from polyhead.sources.mixing import Mixture
    from polyhead.sources.shards import Shards


POOL = "pool"
"""The split of all sentences that folds divide."""


class LabelledSentence(Protocol):
    """A text and its label for each task, None where it has none.

    For tasks about two texts it has a ``second`` as well: the other text, or None; see :func:`second_text`.
    """

    @property
    def text(self) -> str: ...  # noqa: D102

    @property
    def labels(self) -> Mapping[str, str | None]: ...  # noqa: D102


def second_text(sentence: LabelledSentence) -> str | None:
    """Return the second text of a row; None where it has one alone."""
    return getattr(sentence, "second", None)


class Source:
    """Gives the labelled sentences of each split; a subclass needs :meth:`sentences` alone."""

    @property
    def test_sets(self) -> Sequence[str]:
        """Names of the splits that are evaluated once, at the end; ``test`` is the first."""
        return ("test",)

    def sentences(self, split: str) -> Iterable[LabelledSentence]:
        """Yield the sentences of ``split``, in the same order each time."""
        raise NotImplementedError

    def shards(self, split: str) -> "Shards | None":
        """Return the files of a split that training reads one by one; None where the split is looked at as a whole."""
        return None

    def sample(self, split: str) -> Iterable[LabelledSentence]:
        """Yield the sentences that tell the mean and spread of numbers: all of them, but of shards."""
        return self.sentences(split)

    def find_labels(
        self, names: Sequence[str], free: Sequence[str] = (), each_pair: Sequence[str] = ()
    ) -> Mapping[str, Sequence[str]]:
        """Return the distinct cells of tasks, as the training sentences have them: of single labels the class names.

        Args:
            names: of the tasks.
            free: those of them whose cells may be fractions, or lists.
            each_pair: those of them for which every row with a second text counts where they have no column.

        Raises:
            UserError: this source does not look for them.
        """
        raise UserError(f"tasks: no labels given for {', '.join(names)}, and this data has none to be found; give them")

    def check(self, tasks: Sequence[Task]) -> None:
        """Check all sentences before training, and log what is odd; here only that each task can be learned.

        Raises:
            UserError: sentences that cannot be trained on or evaluated, one problem per line.
        """
        problems = [f"tasks.{name}: no train sentence has a label for it; leave it out" for name in self._bare(tasks)]
        if problems:
            raise UserError("\n".join(problems))

    def _bare(self, tasks: Sequence[Task]) -> list[str]:
        """Return the tasks without a labelled training sentence; none where there are no sentences at all."""
        wanted = [task.name for task in tasks]
        bare: list[str] = []
        for number, sentence in enumerate(self.sentences("train") if wanted else ()):
            bare = [name for name in (bare if number else wanted) if sentence.labels.get(name) is None]
            if not bare:
                break
        return bare

    def mixture(self, split: str) -> "Mixture | None":
        """Return how an epoch mixes several sources; None if it has each sentence once."""
        return None

    def weights(self, split: str) -> "NDArray[np.float32] | None":
        """Return how much each sentence of a split counts in the loss, 0 to 1 (N,); None where all count alike."""
        return None

    def rows_in_pool(self, split: str) -> "NDArray[np.intp] | None":
        """Return the positions of a split's sentences in ``POOL``, from which it was chosen; None where there is none.

        A source with a pool gives its sentences as a split of that name; what is stored of them serves all folds.
        """
        return None

    def is_held_out(self, split: str) -> bool:
        """Return whether the sentences of a split were chosen here from those of train; known after :meth:`check`."""
        return False

    def shared(self, first: str, second: str) -> "NDArray[np.intp] | None":
        """Return the positions of the second split's sentences that :meth:`check` told to stand in the first as well.

        None: it does not look.
        """
        return None

    def has(self, split: str) -> bool:
        """Return whether there is a split; one for validation there need not be. Known after :meth:`check`."""
        return True

    def size(self, split: str) -> int | None:
        """Return the number of sentences; None where it is not known beforehand."""
        return None

    def fingerprint(self, split: str) -> str | None:
        """Return a text that changes whenever the sentences of a split change.

        None: sentences are as cheap to make as to look up, and nothing made of them is kept.
        """
        return None

    def describe(self, split: str) -> str:
        """Return where the sentences of a split come from, for a person."""
        return type(self).__name__

    def locate(self, split: str, row: int) -> str:
        """Return the place where a person finds a sentence."""
        return f"{split} sentence {row + 1}"
