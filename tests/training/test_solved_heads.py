import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from polyhead.errors import ParameterError
from polyhead.freezing.plans import FreezeSpec
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.sentence_modules import Normalize
from polyhead.objectives.losses import MultiTaskLoss
from polyhead.tasks import MISSING
from polyhead.training.penalty_trial import LabeledEmbeddings
from polyhead.training.solved_heads import SolvedHeads


def make_rows(tasks, width, rows=120, seed=0):
    """Make embeddings, and labels that a linear head can guess."""
    dice = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(rows, width, generator=dice)
    labels = {}
    for number, task in enumerate(tasks):
        chances = (2 * embeddings[:, 3 * number : 3 * number + len(task.labels)]).softmax(dim=1)
        labels[task.name] = torch.multinomial(chances, 1, generator=dice)[:, 0].numpy()
    return LabeledEmbeddings(embeddings, labels)


def make_loss(tasks, **settings):
    return MultiTaskLoss(**{"label_smoothing": 0.0, "beta": 0.0, "gamma": 0.0, "tasks": tasks} | settings)


@pytest.mark.parametrize("top", [[], [Normalize()]], ids=["plain", "normalized"])
def test_heads_of_a_model_are_those_of_scikit_learn_on_its_embeddings(make_encoder, tasks, top):
    model = MultiTaskModel(make_encoder(top=top), tasks, dropout=0.1).eval()
    rows = make_rows(tasks, model.encoder.embedding_size)
    rows.labels["category"][::5] = MISSING
    found = SolvedHeads(penalty={"category": 2.0, "sentiment": 1.0}).solve(model, tasks, make_loss(tasks), rows)
    assert [(head.task, head.rows, head.penalty) for head in found] == [("category", 96, 2.0), ("sentiment", 120, 1.0)]
    logits = model.classify(rows.embeddings)
    for task, c in (("category", 0.5), ("sentiment", 2.0)):
        known = rows.labels[task] != MISSING
        theirs = LogisticRegression(C=c, tol=1e-9, max_iter=10_000)
        theirs.fit(rows.embeddings[known].double(), rows.labels[task][known])
        expected = theirs.predict_proba(rows.embeddings.double())
        np.testing.assert_allclose(logits[task].softmax(dim=1).detach(), expected, atol=1e-4)


def test_heads_through_which_the_encoder_is_trained_point_the_same_way_and_are_no_longer_than_random_ones(
    make_encoder, tasks
):
    model = MultiTaskModel(make_encoder(), tasks, dropout=0.0)
    rows = make_rows(tasks, model.encoder.embedding_size)
    linear = model.heads["category"][-1]
    SolvedHeads(penalty=1.0).solve(model, tasks, make_loss(tasks), rows)
    long = torch.cat([linear.weight, linear.bias[:, None]], dim=1).detach().clone()
    assert linear.weight.norm(dim=1).max().item() > 3**-0.5
    SolvedHeads(penalty=1.0).solve(model, tasks, make_loss(tasks), rows, begins=True)
    short = torch.cat([linear.weight, linear.bias[:, None]], dim=1).detach()
    assert linear.weight.norm(dim=1).max().item() == pytest.approx(3**-0.5, rel=1e-4)
    torch.testing.assert_close(short / short.norm(), long / long.norm(), rtol=1e-4, atol=1e-5)
    weak = 1e6  # a solution that is shorter than that stays as it is
    lengths = []
    for begins in (False, True):
        SolvedHeads(penalty=weak).solve(model, tasks, make_loss(tasks), rows, begins=begins)
        lengths.append(linear.weight.norm().item())
    assert lengths[0] == pytest.approx(lengths[1])


def test_class_weights_count_as_in_the_loss(make_encoder, tasks):
    model = MultiTaskModel(make_encoder(), tasks, dropout=0.0)
    rows = make_rows(tasks, model.encoder.embedding_size)
    loss = make_loss(tasks, class_weights={"category": {"News": 3.0}})
    loss.set_class_weights(rows.labels)
    SolvedHeads(penalty=1.0).solve(model, tasks, loss, rows)
    by_class = dict(enumerate(loss.weights_category.tolist()))
    theirs = LogisticRegression(C=1.0, tol=1e-9, max_iter=10_000, class_weight=by_class)
    theirs.fit(rows.embeddings.double(), rows.labels["category"])
    np.testing.assert_allclose(model.heads["category"][1].weight.detach(), theirs.coef_, atol=1e-3)


def test_heads_that_are_frozen_or_have_no_row_stay_as_they_are(make_encoder, tasks):
    model = MultiTaskModel(make_encoder(), tasks, dropout=0.0)
    FreezeSpec(["encoder", "heads.category"]).apply(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rows = make_rows(tasks, model.encoder.embedding_size)
    found = SolvedHeads().solve(model, tasks, make_loss(tasks), rows)
    assert [head.task for head in found] == ["sentiment"]
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"heads.sentiment.1.weight", "heads.sentiment.1.bias"}
    rows.labels["sentiment"][:] = MISSING
    assert SolvedHeads().solve(model, tasks, make_loss(tasks), rows) == []


@pytest.mark.slow
def test_auto_is_better_on_new_rows_than_a_penalty_far_off_and_gives_its_held_out_loss(make_encoder, tasks):
    model = MultiTaskModel(make_encoder(), tasks[:1], dropout=0.0)
    width = model.encoder.embedding_size
    train, new = make_rows(tasks[:1], width, rows=60), make_rows(tasks[:1], width, rows=2000, seed=1)

    def new_loss(penalty):
        (found,) = SolvedHeads(penalty).solve(model, tasks[:1], make_loss(tasks[:1]), train)
        logits = model.classify(new.embeddings)["category"]
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(new.labels["category"])).item()
        return loss, found

    chosen, found = new_loss("auto")
    assert chosen < new_loss(1e-4)[0]
    assert chosen < new_loss(1e4)[0]
    assert found.loss == pytest.approx(chosen, rel=0.25)


def test_auto_judges_by_validation_rows_where_there_are_enough(make_encoder, tasks):
    model = MultiTaskModel(make_encoder(), tasks[:1], dropout=0.0)
    width = model.encoder.embedding_size
    train, validation = make_rows(tasks[:1], width), make_rows(tasks[:1], width, rows=400, seed=1)
    (found,) = SolvedHeads().solve(model, tasks[:1], make_loss(tasks[:1]), train, validation)
    logits = model.classify(validation.embeddings)["category"]
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(validation.labels["category"])).item()
    assert loss == pytest.approx(found.loss, rel=0.01)  # of the same heads and temperature on the same rows


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_auto_takes_any_number_of_rows(make_encoder, tasks, rows):
    model = MultiTaskModel(make_encoder(), tasks, dropout=0.0)
    found = SolvedHeads().solve(model, tasks, make_loss(tasks), make_rows(tasks, model.encoder.embedding_size, rows))
    assert all(head.rows == rows for head in found)
    assert all(value.isfinite().all() for value in model.state_dict().values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"penalty": 0}, "penalty: 0 given; it must be a number above 0, one by task, or auto"),
        ({"penalty": "best"}, "penalty: 'best' given; it must be a number above 0, one by task, or auto"),
        ({"penalty": {"category": -1.0}}, "penalty: .* given; it must be a number above 0"),
        ({"folds": 1}, "folds: 1 given; it must be 2 or more"),
    ],
)
def test_values_out_of_range_are_refused(settings, message):
    with pytest.raises(ParameterError, match=message):
        SolvedHeads(**settings)


def test_penalty_of_an_unknown_task_and_a_loss_without_rows_are_refused(tasks):
    with pytest.raises(ParameterError, match=r"penalty.*'mood'"):
        SolvedHeads(penalty={"mood": 1.0}).check(tasks, make_loss(tasks))
    with pytest.raises(ParameterError, match=r"Linear has no row_losses\(task, logits, labels\)"):
        SolvedHeads().check(tasks, torch.nn.Linear(1, 1))
