import pytest
import torch
from torch.nn.functional import normalize

from polyhead.errors import UserError
from polyhead.objectives import CosineDistance, SimilarityGap

KINDS = [CosineDistance, SimilarityGap]


def drawn(rows=6, width=5, seed=0):
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_embedding_losses_are_0_with_no_slope_where_nothing_has_moved(kind):
    embeddings = drawn().requires_grad_()
    loss = kind(1.0)(embeddings, embeddings.detach())
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(embeddings.grad, torch.zeros(6, 5), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_embedding_losses_do_not_depend_on_lengths(kind):
    assert torch.isclose(kind(1.0)(drawn(), drawn(seed=1)), kind(1.0)(3 * drawn(), 0.5 * drawn(seed=1)))


def test_cosine_distance_by_hand():
    embeddings, targets = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    assert CosineDistance(1.0)(embeddings, targets) == 0.5  # 1 and 0


def test_similarity_gap_by_hand():
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert SimilarityGap(1.0)(embeddings, targets).item() == pytest.approx(2 / 3)  # of three pairs, two are off by 1


def test_similarity_gap_allows_the_embedding_to_turn_and_cosine_distance_does_not():
    turn, _ = torch.linalg.qr(drawn(5, 5, seed=2))
    assert SimilarityGap(1.0)(drawn() @ turn, drawn()).item() == pytest.approx(0, abs=1e-6)
    assert CosineDistance(1.0)(drawn() @ turn, drawn()) > 0.1


def test_similarity_gap_of_one_sentence_is_0():
    assert SimilarityGap(1.0)(drawn(1), drawn(1, seed=1)) == 0


def test_similarity_gap_is_computed_in_single_precision_under_autocast():
    embeddings, targets = normalize(drawn(), dim=1), normalize(drawn(seed=1), dim=1)
    exact = SimilarityGap(1.0)(embeddings, targets)
    with torch.autocast("cpu", torch.bfloat16):
        assert SimilarityGap(1.0)(embeddings, targets) == exact


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf")])
def test_embedding_losses_refuse_weights_that_hold_nothing(weight):
    with pytest.raises(UserError, match="weight: .* given; it must be above 0; keep_embedding=off holds nothing"):
        CosineDistance(weight)
