"""Classifiers: one head as a folder of its own that stock libraries load. Knows nothing about bundles.

transformers' classification classes have layers of their own between the token states and the classifier, which a
pooled embedding does not pass. So the form is a CrossEncoder of sentence-transformers 6: Transformer, Pooling, and
a Dense layer that gives the logits, all of them stock modules. Its ``predict`` takes pairs of texts alone; for single
texts call ``model(model.preprocess(texts))["scores"]``.
"""

from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedTokenizerBase

from polyhead.deployment.bundle.folder import linear
from polyhead.deployment.bundle.stock_modules import stock_modules, write_encoder, write_json
from polyhead.models.multitask import MultiTaskModel
from polyhead.tasks import Task

_IDENTITY = "torch.nn.modules.linear.Identity"


def write_classifiers(
    folder: Path, model: MultiTaskModel, tasks: Sequence[Task], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> None:
    """Write each head with a copy of the encoder into ``classifiers/TASK`` below the folder."""
    for task in tasks:
        write_classifier(folder / "classifiers" / task.name, model, task, tokenizer, max_length)


def write_classifier(
    folder: Path, model: MultiTaskModel, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> None:
    """Write one head with a copy of the encoder.

    Args:
        folder: it is made, its parents as well.
        model: encoder and heads.
        task: names the head; its class names go into the model's configuration.
        tokenizer: of the encoder.
        max_length: longest text in tokens, special ones included.
    """
    folder.mkdir(parents=True)
    names = dict(enumerate(task.labels))
    positions = {label: position for position, label in names.items()}
    write_encoder(folder, model.encoder, tokenizer, max_length, id2label=names, label2id=positions)
    write_json(folder / "modules.json", stock_modules("Transformer", "Pooling", "Dense"))
    kind = {"model_type": "CrossEncoder", "activation_fn": _IDENTITY}
    write_json(folder / "config_sentence_transformers.json", kind)
    _write_dense(folder / "2_Dense", linear(model.heads[task.name]))


def _write_dense(folder: Path, head: nn.Linear) -> None:
    settings = {
        "in_features": head.in_features,
        "out_features": head.out_features,
        "bias": True,
        "activation_function": _IDENTITY,
        "module_input_name": "sentence_embedding",
        "module_output_name": "scores",
    }
    weights = {f"linear.{name}": tensor.detach().float().cpu() for name, tensor in head.named_parameters()}
    folder.mkdir()
    write_json(folder / "config.json", settings)
    save_file(weights, folder / "model.safetensors")
