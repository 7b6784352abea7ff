import pytest
import torch
from support.models import random_batch

from polyhead.errors import UserError
from polyhead.models.dropout import FastDropout
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.sentence_modules import Normalize
from polyhead.tasks import Task


def test_model_runs_the_encoder_once_for_all_heads(model):
    calls = []
    model.encoder.register_forward_hook(lambda *_: calls.append(1))
    logits = model(random_batch(size=5))
    assert {name: tuple(value.shape) for name, value in logits.items()} == {"category": (5, 3), "sentiment": (5, 2)}
    assert len(calls) == 1


def test_head_is_dropout_and_a_linear_layer(model):
    embeddings = torch.randn(4, 16)
    weight, bias = model.heads["category"][1].weight, model.heads["category"][1].bias
    torch.testing.assert_close(model.eval().classify(embeddings)["category"], embeddings @ weight.T + bias)
    first, second = (model.train().classify(embeddings)["category"] for _ in range(2))
    assert not torch.equal(first, second)


def test_head_has_no_gradient_from_another_tasks_logits(model):
    model(random_batch())["category"].sum().backward()
    assert model.heads["category"][1].weight.grad is not None
    assert model.heads["sentiment"][1].weight.grad is None
    assert all(p.grad is not None for p in model.encoder.parameters())


def test_model_takes_any_number_of_tasks_and_classes(make_encoder):
    tasks = [Task(f"task_{i}", tuple(f"label {j}" for j in range(i + 2))) for i in range(4)]
    logits = MultiTaskModel(make_encoder(), tasks, dropout=0.0)(random_batch(3))
    assert [tuple(value.shape) for value in logits.values()] == [(3, 2), (3, 3), (3, 4), (3, 5)]


class Classify(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, embeddings):
        return self.model.classify(embeddings)


@pytest.mark.slow
def test_heads_are_traced_for_any_number_of_sentences(model):
    """Where it is kept as a constant, the export of a graph traces twice, the second time by the compiler."""
    rows = {0: torch.export.Dim.DYNAMIC}
    with torch.no_grad():
        program = torch.export.export(
            Classify(model.eval()), (torch.randn(3, 16),), dynamic_shapes=(rows,), strict=False
        )
        embeddings = torch.randn(7, 16)
        expected, found = model.classify(embeddings), program.module()(embeddings)
    for task, logits in expected.items():
        torch.testing.assert_close(found[task], logits)


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_model_refuses_dropout_out_of_range(make_encoder, tasks, dropout):
    with pytest.raises(UserError, match="dropout: .* given; it must be 0 or more, and below 1"):
        MultiTaskModel(make_encoder(), tasks, dropout)
    with pytest.raises(UserError, match="encoder_dropout: .* given; it must be 0 or more, and below 1"):
        MultiTaskModel(make_encoder(), tasks, encoder_dropout=dropout)


def test_model_gives_its_encoder_another_dropout(make_encoder, tasks):
    def shares(**options):
        model = MultiTaskModel(make_encoder(), tasks, dropout=0.3, **options)
        return [{m.p for m in part.modules() if isinstance(m, FastDropout)} for part in (model.encoder, model.heads)]

    own, heads = shares()
    assert 0 not in own
    assert shares(encoder_dropout=0.0) == [{0.0}, heads]


def test_model_ignores_padding(model):
    batch = random_batch(size=4)
    logits = model.eval()(batch)
    batch.input_ids[batch.attention_mask == 0] = 7
    changed = model(batch)
    for name in logits:
        torch.testing.assert_close(logits[name], changed[name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["type", "keys", "training"])
def test_model_refuses_a_task_with_a_name_that_pytorch_uses(model, name):
    with pytest.raises(
        UserError, match=f"tasks: '{name}' cannot name a head, PyTorch uses it; call the task otherwise"
    ):
        MultiTaskModel(model.encoder, [Task(name, ("a", "b"))], dropout=0.0)


def test_heads_are_given_embeddings_of_length_4_where_all_have_the_same(make_encoder, tasks):
    model = MultiTaskModel(make_encoder(top=[Normalize()]), tasks, dropout=0.0).eval()
    embeddings = model.embed(random_batch())
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(len(embeddings)))
    for task, logits in model.classify(embeddings).items():
        torch.testing.assert_close(logits, model.heads[task](4 * embeddings))
    assert MultiTaskModel(make_encoder(), tasks, dropout=0.0).scale == 1
