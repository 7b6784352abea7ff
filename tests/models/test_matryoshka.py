"""Matryoshka embeddings: what the first units are by themselves, and what heads say of them."""

import pytest
import torch

from polyhead.errors import ParameterError
from polyhead.models.matryoshka import check_dimensions, truncate
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.sentence_modules import Normalize
from polyhead.tasks import make_tasks

NORMALIZED = [(), (Normalize(),)]


def test_truncated_embeddings_have_length_1_where_the_whole_ones_do():
    whole = torch.nn.functional.normalize(torch.randn(5, 8), dim=1)
    torch.testing.assert_close(truncate(whole, 3, True).norm(dim=1), torch.ones(5))
    assert torch.equal(truncate(whole, 3, False), whole[:, :3])
    assert truncate(whole, 8, True) is whole


@pytest.mark.parametrize("top", NORMALIZED, ids=["as pooled", "of length 1"])
def test_heads_read_the_first_units_with_as_many_columns(make_encoder, tasks, top):
    model = MultiTaskModel(make_encoder(top=top), tasks, dropout=0.5, dimensions=[16, 6]).eval()
    embeddings = torch.randn(4, 16)
    for task in tasks:
        head = model.heads[task.name][1]
        some = truncate(embeddings, 6, bool(top))
        expected = model.scale * some @ head.weight[:, :6].T + head.bias
        torch.testing.assert_close(model.classify_task(task.name, model.truncate(embeddings, 6)), expected)
        assert torch.equal(model.classify_task(task.name, embeddings), model.classify(embeddings)[task.name])


def test_dropout_before_heads_works_at_each_width(model, tasks):
    wide = torch.ones(64, 6)
    model.train()
    torch.manual_seed(0)
    once = model.classify_task("category", wide)
    assert (once != once[0]).any()  # rows that are equal lose other units


@pytest.mark.parametrize("given", [[], [16], [16, 6, 1]])
def test_widths_fall_from_the_whole(given):
    assert check_dimensions(given, 16) == tuple(given)


@pytest.mark.parametrize("given", [[6], [6, 16], [16, 6, 6], [16, 0], [16, 2.5], [17, 16], [16, True]])
def test_widths_that_do_not_fall_from_the_whole_are_refused(given):
    with pytest.raises(ParameterError, match="it must be whole numbers that fall from 16, the width of the embedding"):
        check_dimensions(given, 16)


def test_heads_of_two_texts_read_the_first_units_of_each_part(make_encoder):
    """The head of (u, v, |u - v|) on the first units is the whole head with zeros in place of the others."""
    task = make_tasks({"relation": {"kind": "entailment", "labels": ["yes", "no", "open"]}})[0]
    model = MultiTaskModel(make_encoder(), [task], dropout=0.0).eval()
    embeddings = torch.randn(5, model.encoder.embedding_size)  # three sentences, second texts of two of them
    pairs = torch.tensor([0, 2])
    zeroed = embeddings.clone()
    zeroed[:, 6:] = 0
    expected = model.classify_task("relation", zeroed, pairs)
    torch.testing.assert_close(model.classify_task("relation", embeddings[:, :6], pairs), expected)
