import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

from polyhead.tasks import MISSING, Task
from polyhead.training.penalty_trial import LabeledEmbeddings, PenaltyTrial, stratified_folds

TASK = Task("mood", ("bad", "good", "so"))


def plain(logits, labels):
    return cross_entropy(logits, labels, ignore_index=MISSING, reduction="none")


def make_rows(rows, seed):
    dice = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (rows,), generator=dice)
    embeddings = torch.randn(rows, 8, generator=dice) + torch.nn.functional.one_hot(labels, 8)
    return LabeledEmbeddings(embeddings, {"mood": labels.numpy()})


def test_folds_hold_each_class_as_evenly_as_they_can():
    labels = torch.tensor([0] * 7 + [1] * 11 + [2])
    folds = stratified_folds(labels, 4)
    for label in range(3):
        counts = torch.bincount(folds[labels == label], minlength=4)
        assert counts.max() - counts.min() <= 1
    assert torch.bincount(folds).tolist() == [5, 5, 5, 4]


def test_rows_of_few_are_judged_by_heads_of_the_other_folds():
    rows = make_rows(40, seed=0)
    trial = PenaltyTrial(TASK, plain, rows.of("mood"), make_rows(199, seed=1).of("mood"), seed=3)
    logits, labels = trial.held_out([0.5, 5.0], folds=4)
    assert logits.shape == (2, 40, 3)
    made_of = trial.rows.sample(2000, 3)
    assert torch.equal(labels, made_of.labels)
    fold_of = stratified_folds(labels, 4)
    for number, penalty in enumerate([0.5, 5.0]):
        for fold in range(4):
            held, kept = fold_of == fold, fold_of != fold
            theirs = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=5000)
            theirs.fit(made_of.embeddings[kept].double(), labels[kept])
            expected = theirs.predict_proba(made_of.embeddings[held].double())
            np.testing.assert_allclose(logits[number, held].softmax(dim=1), expected, atol=0.02)


def test_validation_rows_judge_where_there_are_enough():
    train, validation = make_rows(60, seed=0), make_rows(200, seed=1)
    trial = PenaltyTrial(TASK, plain, train.of("mood"), validation.of("mood"), seed=0)
    logits, labels = trial.held_out([1.0], folds=5)
    assert logits.shape == (1, 200, 3)
    theirs = LogisticRegression(C=1.0, tol=1e-8, max_iter=5000).fit(train.embeddings.double(), train.labels["mood"])
    order = [int((validation.embeddings == row).all(dim=1).nonzero()) for row in trial.judges.sample(200, 0).embeddings]
    expected = theirs.predict_proba(validation.embeddings[order].double())
    np.testing.assert_allclose(logits[0].softmax(dim=1), expected, atol=0.02)
    assert torch.equal(labels, torch.from_numpy(validation.labels["mood"])[order])


def test_rows_without_label_or_weight_do_not_count():
    rows = make_rows(6, seed=0)
    labels = np.array([0, 1, MISSING, 2, 0, 1])
    weighted = LabeledEmbeddings(rows.embeddings, {"mood": labels}, np.array([1, 0, 1, 2, 1, 1], dtype=np.float32))
    assert weighted.of("mood").counted.tolist() == [0, 3, 4, 5]
    sample = weighted.of("mood").sample(10, seed=0)
    assert sorted(sample.labels.tolist()) == [0, 0, 1, 2]
    assert sorted(sample.weights.tolist()) == [1, 1, 1, 2]
