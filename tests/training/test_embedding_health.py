import gzip
import json
from math import exp, log

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr

from polyhead.errors import UserError
from polyhead.training.embedding_health import (
    EmbeddingHealth,
    agreement,
    effective_rank,
    pair_correlation,
    uniformity,
)

PAIRS = "sentence1,sentence2,score\na,b,5\nc,d,0.5\ne,f,5\n"


def drawn(rows=7, width=4, seed=0):
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def test_uniformity_is_the_mean_potential_of_pairs():
    points = drawn().numpy()
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    values = [exp(-2 * ((a - b) ** 2).sum()) for i, a in enumerate(points) for b in points[:i]]
    assert uniformity(drawn()) == pytest.approx(log(np.mean(values)))


def test_uniformity_of_one_point_is_0():
    assert uniformity(torch.ones(5, 3)) == pytest.approx(0)


@pytest.mark.parametrize(("embeddings", "rank"), [(torch.eye(4), 4), (torch.ones(5, 3), 1), (torch.zeros(3, 2), 1)])
def test_effective_rank_counts_directions(embeddings, rank):
    assert effective_rank(embeddings) == pytest.approx(rank, abs=1e-4)


def test_agreement_is_each_sentences_correlation_of_its_similarities():
    before, after = (embeddings / embeddings.norm(dim=1, keepdim=True) for embeddings in (drawn(), drawn(seed=1)))
    values = []
    for row in range(7):
        others = [i for i in range(7) if i != row]
        values.append(pearsonr((before @ before.T)[row, others], (after @ after.T)[row, others])[0])
    assert agreement(drawn(), drawn(seed=1)) == pytest.approx((np.mean(values), min(values)), abs=1e-6)


def test_agreement_is_1_where_the_embedding_has_turned():
    turn, _ = torch.linalg.qr(drawn(4, 4, seed=2))
    assert agreement(drawn(), 2 * drawn() @ turn) == pytest.approx((1, 1), abs=1e-6)


def test_agreement_is_0_with_an_embedding_that_does_not_vary():
    assert agreement(drawn(), torch.ones(7, 4)) == pytest.approx((0, 0), abs=1e-6)


def test_pair_correlation_is_spearmans_with_ties():
    first, second, scores = drawn(20), drawn(20, seed=1), torch.arange(20.0).div(3, rounding_mode="floor")
    cosines = torch.cosine_similarity(first, second)
    assert pair_correlation(first, second, scores) == pytest.approx(spearmanr(cosines, scores)[0], abs=1e-6)


def test_pair_correlation_of_equal_cosines_is_0():
    assert pair_correlation(torch.ones(3, 2), torch.ones(3, 2), torch.tensor([1.0, 2.0, 3.0])) == 0


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.csv.gz", "pairs.jsonl"])
def test_pairs_are_read_from_any_format(tmp_path, name):
    rows = [dict(zip(("sentence1", "sentence2", "score"), line.split(","), strict=True)) for line in PAIRS.split()[1:]]
    text = PAIRS if "csv" in name else "".join(json.dumps(row | {"score": float(row["score"])}) + "\n" for row in rows)
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    pairs = EmbeddingHealth(str(tmp_path / name)).read_pairs()
    assert (pairs.first, pairs.second, pairs.scores.tolist()) == (["a", "c", "e"], ["b", "d", "f"], [5, 0.5, 5])


def test_pairs_without_a_file_are_none():
    assert EmbeddingHealth().read_pairs() is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sentence1,text,score\na,b,1\n", "has no column 'sentence2'; did you mean 'sentence1'"),
        (PAIRS + "g,h,high\n,i,1\n", "row 5: 'score' has no number; row 6: 'sentence1' has no sentence"),
        ("sentence1,sentence2,score\na,b,1\nc,d,1\n", "has no two pairs with different scores; give more"),
    ],
)
def test_pairs_that_cannot_be_scored_are_refused(tmp_path, content, message):
    (tmp_path / "pairs.csv").write_text(content)
    with pytest.raises(UserError, match="pairs: ") as error:
        EmbeddingHealth(str(tmp_path / "pairs.csv")).read_pairs()
    assert message in str(error.value)


def test_health_reports_all_values_out_of_range():
    with pytest.raises(UserError) as error:
        EmbeddingHealth(columns=["a"], sentences=1)
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == ["columns", "sentences"]
