"""The training loader: batches of an epoch, from any place in it. Knows nothing about models."""

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import DataLoader, Dataset

from polyhead.data.batch import Batch
from polyhead.data.samplers import EpochSampler


class TrainingLoader(DataLoader[Batch]):
    """Training batches in an order that depends on (seed, epoch) alone, from any place in it.

    Lightning asks for ``state_dict`` when it writes a checkpoint and hands it back when it resumes from one; without
    it an interrupted epoch would begin again with batches that were trained on already.

    Args:
        split: makes a batch of a list of rows.
        batches: the lists of rows.
        done: returns the number of batches of the epoch that have been trained on.
        options: of torch's loader.
    """

    def __init__(
        self,
        split: Dataset[Batch],
        batches: EpochSampler,
        done: Callable[[], int],
        **options: Any,
    ) -> None:
        super().__init__(split, sampler=batches, batch_size=None, **options)
        self.batches = batches
        self.done = done

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """Start an epoch with the first batch that is asked for.

        A resumed Trainer makes the iterator before it knows the epoch and the place in it, and workers would at once
        begin with the batches of another.
        """
        yield from super().__iter__()

    def state_dict(self) -> dict[str, int]:
        """Return the number of batches of the epoch that are done; 0 after the last."""
        return {"batches": self.done() % max(1, len(self.batches))}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next epoch leave out as many batches."""
        self.batches.skip = state["batches"]
