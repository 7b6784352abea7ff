"""Heads of all kinds go from a start into a new model where they mean the same; else a line says that they do not."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.kinds import PAIR_TASKS, TASKS
from support.training import make_module

from polyhead.app.training.start_point import StartPoint
from polyhead.app.training.taken_heads import take_heads
from polyhead.models.multitask import MultiTaskModel
from polyhead.tasks import Task, make_kind

THEIRS = (*TASKS, *PAIR_TASKS[1:])
OURS = {
    "stars": Task("stars", (), make_kind("stars", "number", {"mean": -3.0, "spread": 0.5, "loss": "huber"})),
    "tags": replace(THEIRS[2], labels=THEIRS[2].labels[::-1]),
    "relation": replace(THEIRS[-1], labels=THEIRS[-1].labels[::-1]),
}


def taken(make_encoder, tasks):
    """Return a model with the heads of a start, the start's model, and which heads were taken."""
    encoder = make_encoder()
    source = MultiTaskModel(encoder, THEIRS, dropout=0.0).eval()

    class Start(StartPoint):
        def load_model(self):
            return source

    start = Start(Path("old"), THEIRS[:1], THEIRS[1:], ())
    module = make_module(MultiTaskModel(encoder, tasks, dropout=0.0), tasks)
    return module.model.eval(), source, take_heads(start, module, tasks)


def outputs(model, tasks):
    """Return what a person gets of five texts and five pairs of them: numbers by task, or shares by class name."""
    embeddings = torch.randn(10, model.encoder.embedding_size, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        logits = model.classify(embeddings, torch.arange(5))
    found = {}
    for task in tasks:
        values = task.kind.outputs(logits[task.name].numpy(), {})
        found[task.name] = dict(zip(task.labels, values.T, strict=True)) if task.labels else {"": values}
    return found


def test_heads_of_all_kinds_answer_as_they_did(make_encoder, caplog):
    tasks = tuple(OURS.get(task.name, task) for task in THEIRS)
    with caplog.at_level(logging.INFO, "polyhead"):
        model, source, found = taken(make_encoder, tasks)
    ours, theirs = outputs(model, tasks), outputs(source, THEIRS)
    for name, answers in theirs.items():
        for label, values in answers.items():
            np.testing.assert_allclose(ours[name][label], values, rtol=1e-4, atol=1e-5)
    assert found.new(tasks) == ()
    assert [line for line in caplog.messages if "head of" in line] == [
        f"head of {name}: from old" for name in ("tone", "stars", "tags", "grade", "relation")
    ]


@pytest.mark.parametrize(
    ("task", "line"),
    [
        (
            Task("stars", ("1", "2")),
            "head of stars: new; that of old is left behind, there it is number, and here single",
        ),
        (
            replace(TASKS[2], labels=("food", "work")),
            "that of old is left behind, there its labels are food, work, tra",
        ),
        (
            replace(TASKS[3], labels=TASKS[3].labels[::-1]),
            "there its classes are poor, fair, good, best, in this order",
        ),
    ],
)
def test_head_that_means_something_else_is_new_and_a_line_says_so(make_encoder, caplog, task, line):
    with caplog.at_level(logging.INFO, "polyhead"):
        model, _, found = taken(make_encoder, (THEIRS[0], task))
    assert line in caplog.text
    assert found.new((THEIRS[0], task)) == (task,)
    assert model.heads[task.name][-1].out_features == task.width


def test_heads_without_a_task_of_their_name_are_left_behind_in_a_line(make_encoder, caplog):
    taken(make_encoder, THEIRS[:1])
    lines = [line for line in caplog.messages if "left behind" in line]
    assert [line.partition(":")[0] for line in lines] == [
        f"head of {name}" for name in ("grade", "relation", "stars", "tags")
    ]
