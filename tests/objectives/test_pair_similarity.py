"""The pair loss against sentence-transformers' cosine-similarity loss on the pairs written out."""

import itertools

import pytest
import torch
from sentence_transformers.sentence_transformer import losses
from torch import Tensor

from polyhead.objectives import PairSimilarityLoss
from polyhead.objectives.pair_similarity import pair_similarity
from polyhead.tasks import MISSING, Task

TASKS = (Task("tone", ("a", "b")), Task("topic", ("x", "y", "z")))


class Given(torch.nn.Module):
    """Stands where sentence-transformers has a model: its input are embeddings already."""

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"sentence_embedding": features["rows"]}


def reference(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Half the sum of the mean losses of both kinds of pairs, each by CosineSimilarityLoss."""
    loss, total = losses.CosineSimilarityLoss(Given()), torch.zeros(())
    for together in (True, False):
        pairs = [p for p in itertools.combinations(range(len(labels)), 2) if (labels[p[0]] == labels[p[1]]) == together]
        if pairs:
            sides = [{"rows": embeddings[[pair[side] for pair in pairs]]} for side in (0, 1)]
            total = total + loss(sides, torch.full((len(pairs),), float(together)))
    return total / 2


@pytest.mark.parametrize("labels", [[0, 1, 2, 0, 1, 0], [0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5]])
def test_pair_similarity_is_that_of_all_pairs_written_out(labels):
    torch.manual_seed(0)
    embeddings, labels = torch.randn(6, 5, requires_grad=True), torch.tensor(labels)
    ours, theirs = pair_similarity(embeddings, labels, torch.ones(6)), reference(embeddings, labels)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(loss, embeddings)[0] for loss in (ours, theirs)))


def test_pair_similarity_weighs_a_row_of_weight_2_as_two_rows_of_other_pairs():
    torch.manual_seed(0)
    embeddings, labels = torch.randn(3, 4), torch.tensor([0, 1, 1])
    weighted = pair_similarity(embeddings, labels, torch.tensor([2.0, 1.0, 1.0]))
    twice = pair_similarity(embeddings[[0, 1, 2]], labels, torch.ones(3))
    torch.testing.assert_close(weighted, twice)  # the one row is in all pairs of two classes, and in none of one


def test_pair_similarity_loss_leaves_out_what_has_no_label_and_reaches_each_head():
    torch.manual_seed(0)
    embeddings = torch.randn(4, 5, requires_grad=True)
    logits = {task.name: torch.randn(4, len(task.labels), requires_grad=True) for task in TASKS}
    labels = {"tone": torch.tensor([0, 1, MISSING, 0]), "topic": torch.full((4,), MISSING)}
    loss = PairSimilarityLoss(0.0, 0.0, 0.0, TASKS, scale={"tone": 2.0})
    values, rows = loss.of_embeddings({task.name: embeddings for task in TASKS}, logits, labels)
    assert rows.tolist() == [3, 0]
    torch.testing.assert_close(values[0], 2 * reference(embeddings[[0, 1, 3]], labels["tone"][[0, 1, 3]]))
    assert values[1] == 0
    values.sum().backward()
    assert all(value.grad is not None and not value.grad.any() for value in logits.values())
