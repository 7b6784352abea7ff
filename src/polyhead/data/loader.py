"""Loading: the training loader, which goes on within an epoch where a checkpoint left it. No model here."""

from collections.abc import Callable
from typing import Any

from torch.utils.data import DataLoader, Dataset

from polyhead.data.batch import Batch
from polyhead.data.samplers import LengthGroupedBatchSampler


class TrainingLoader(DataLoader[Batch]):
    """Training batches in an order that depends on (seed, epoch) alone, from any place in it.

    Lightning asks for ``state_dict`` when it writes a checkpoint and gives it back when it resumes from one; without
    it an interrupted epoch would start again with batches that were trained on already.

    Args:
        split: gives a batch for a list of rows.
        batches: the lists of rows.
        done: returns how many batches of the epoch have been trained on.
        settings: of torch's loader.
    """

    def __init__(
        self, split: Dataset[Batch], batches: LengthGroupedBatchSampler, done: Callable[[], int], **settings: Any
    ) -> None:
        super().__init__(split, sampler=batches, batch_size=None, **settings)
        self.batches = batches
        self.done = done

    def state_dict(self) -> dict[str, int]:
        """Return how many batches of the epoch are done; none after the last."""
        return {"batches": self.done() % max(1, len(self.batches))}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Have the next epoch begin after so many batches."""
        self.batches.skip = state["batches"]
