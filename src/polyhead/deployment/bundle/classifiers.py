"""Classifiers: one head as a folder of its own that stock libraries load. Knows nothing about bundles.

transformers' classification classes have layers of their own between the token states and the classifier, which a
pooled embedding does not pass. So the form is a CrossEncoder of sentence-transformers 6: Transformer, Pooling, and
a Dense layer that gives the logits, all of them stock modules. Its ``predict`` takes pairs of texts alone; for single
texts call ``model(model.preprocess(texts, prompt=PROMPT))["scores"]``, without the prompt where there is none.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from polyhead.data.tokenization import TextTokenizer
from polyhead.deployment.bundle.folder import plain_head
from polyhead.deployment.bundle.stock_modules import write_encoder, write_prompt
from polyhead.errors import UserError
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.sentence_modules import IDENTITY, Dense
from polyhead.tasks import Task


def write_classifiers(folder: Path, model: MultiTaskModel, tasks: Sequence[Task], tokenizer: TextTokenizer) -> None:
    """Write each head with a copy of the encoder into ``classifiers/TASK`` below the folder.

    Raises:
        UserError: a task is not of single labels.
    """
    others = [
        f"{task.name} is {task.kind.name}" for task in tasks if task.kind.fits != "temperature" or task.kind.is_pair
    ]
    if others:
        raise UserError(f"classifiers: they are of single_label tasks, and {', '.join(others)}; set classifiers=false")
    for task in tasks:
        write_classifier(folder / "classifiers" / task.name, model, task, tokenizer)


def write_classifier(folder: Path, model: MultiTaskModel, task: Task, tokenizer: TextTokenizer) -> None:
    """Write one head with a copy of the encoder.

    Args:
        folder: it is made, its parents as well.
        model: encoder and heads.
        task: names the head; its class names go into the model's configuration.
        tokenizer: of the encoder.
    """
    folder.mkdir(parents=True)
    names = dict(enumerate(task.labels))
    positions = {label: position for position, label in names.items()}
    scores = _scores(plain_head(model, task.name))
    write_encoder(folder, model.encoder, tokenizer, [scores], id2label=names, label2id=positions)
    write_prompt(folder, tokenizer.prompt, model_type="CrossEncoder", activation_fn=IDENTITY)


def _scores(head: nn.Linear) -> Dense:
    """Return the module of sentence-transformers that computes the logits of a head."""
    module = Dense(head.in_features, head.out_features, True, IDENTITY, output="scores")
    with torch.no_grad():
        module.linear.load_state_dict(head.state_dict())
    return module
