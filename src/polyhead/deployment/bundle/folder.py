"""Bundle: a trained model as a folder that loads elsewhere. Knows nothing about runs or serving.

The folder is what sentence-transformers writes, of its stock modules, so that it gives the embeddings with no code of
ours; beside that lie the heads in ``heads.safetensors`` and the manifest ``tasks.json``. Nothing in it is a pickle, and
nothing of it is run.
"""

import inspect
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedTokenizerBase

from polyhead.deployment.bundle.manifest import FILE, Manifest, unseal
from polyhead.errors import UserError
from polyhead.models.encoder import Encoder
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.pooling import Pooling
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.storage.output import refused
from polyhead.tasks import Task

HEADS = "heads.safetensors"


@contextmanager
def new_folder(folder: Path, overwrite: bool) -> Iterator[Path]:
    """Give a folder to write into, which takes its name when all is written, and is removed on failure.

    Args:
        folder: its name at the end.
        overwrite: replace a bundle, or an empty folder, of that name.

    Raises:
        UserError: it is there already and must not be overwritten or is no bundle, or it cannot be written.
    """
    if folder.exists() and not overwrite:
        raise UserError(f"output: {str(folder)!r} is there already; choose another folder, or set overwrite=true")
    if folder.exists() and not (folder / FILE).is_file() and not _is_empty_folder(folder):
        raise UserError(f"output: {str(folder)!r} is no bundle, and only those are overwritten; choose another folder")
    whole = folder.absolute()  # for the name of what is given as "."
    partial = whole.with_name(whole.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    except OSError as error:
        raise refused(folder, error) from error
    try:
        yield partial
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)
    except OSError as error:
        raise refused(folder, error) from error
    except SafetensorError as error:  # has no class for a full disk
        raise UserError(f"output: {str(folder)!r} cannot be written ({error})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def write_model(folder: Path, model: MultiTaskModel, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
    """Write encoder, heads and tokenizer; :func:`polyhead.deployment.bundle.manifest.seal` completes the bundle.

    Args:
        folder: empty.
        model: its encoder must be plain: adapters are merged before.
        tokenizer: of the encoder.
        max_length: longest text in tokens.
    """
    write_encoder(folder, model.encoder, tokenizer, max_length)
    write_json(folder / "modules.json", stock_modules("Transformer", "Pooling"))
    heads = {name: linear(head) for name, head in model.heads.items()}
    save_file(
        {
            f"{name}.{part}": tensor.detach().float().cpu().contiguous()
            for name, head in heads.items()
            for part, tensor in head.named_parameters()
        },
        folder / HEADS,
    )


def write_encoder(
    folder: Path, encoder: Encoder, tokenizer: PreTrainedTokenizerBase, max_length: int, **config: Any
) -> None:
    """Write transformer, tokenizer and pooling, as sentence-transformers reads them since its version 2.

    Args:
        folder: where to.
        encoder: a plain one.
        tokenizer: of the encoder.
        max_length: longest text in tokens.
        config: further entries of the transformer's ``config.json``.
    """
    transformer = cast(Any, encoder.transformer)
    transformer.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _complete_config(folder / "config.json", config)
    settings: dict[str, Any] = {"max_seq_length": max_length, "do_lower_case": False}
    if "add_pooling_layer" in inspect.signature(type(transformer).__init__).parameters:
        settings["model_args"] = {"add_pooling_layer": False}  # else it is made anew, at random, with a warning
    write_json(folder / "sentence_bert_config.json", settings)
    modes = {"cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max"}
    pooling = {f"pooling_mode_{name}": mode == encoder.pooling for name, mode in modes.items()}
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": encoder.hidden_size, **pooling})


def stock_modules(*kinds: str) -> list[dict[str, Any]]:
    """List modules for ``modules.json``; the first lies in the folder itself, the others in folders of their own."""
    return [
        {
            "idx": index,
            "name": str(index),
            "path": f"{index}_{kind}" if index else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for index, kind in enumerate(kinds)
    ]


def linear(head: nn.Module) -> nn.Linear:
    """Return the linear layer of a head, its dropout left aside.

    Raises:
        TypeError: the head is not of that form; the bundle has no other.
    """
    (layer,) = [module for module in head.modules() if not list(module.children()) and list(module.parameters())]
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"a head must be a linear layer, found {type(layer).__name__}")
    return layer


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are as they were written.

    Args:
        folder: where it lies.
        manifest: its tasks, limits and metrics.
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Read the manifest and check every file.

        Raises:
            UserError: no bundle, or one with a file missing, altered or not listed.
        """
        return cls(Path(folder), unseal(Path(folder)))

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks, in the order of the heads."""
        return tuple(entry.task for entry in self.manifest.tasks)

    def load_tokenizer(self) -> PreTrainedTokenizerBase:
        """Load the tokenizer.

        Raises:
            UserError: it cannot be read.
        """
        return self._source().load_tokenizer()

    def load_model(self) -> MultiTaskModel:
        """Load encoder and heads in single precision, without dropout.

        Raises:
            UserError: the weights are no safetensors, or do not fit the manifest.
        """
        try:
            encoder = self._source().load()
            heads = load_file(self.folder / HEADS)
        except (SafetensorError, OSError) as error:
            raise UserError(f"{str(self.folder)!r}: its weights are no safetensors; export the bundle again") from error
        model = MultiTaskModel(encoder, self.tasks, dropout=0.0)
        ours = {
            f"{name}.{part}": p for name, head in model.heads.items() for part, p in linear(head).named_parameters()
        }
        shapes, expected = ({name: tensor.shape for name, tensor in some.items()} for some in (heads, ours))
        if shapes != expected:
            raise UserError(f"{str(self.folder)!r}: {HEADS} does not hold the heads of tasks.json; export again")
        with torch.no_grad():
            for name, parameter in ours.items():
                parameter.copy_(heads[name])
        return model.eval().requires_grad_(False)

    def _source(self) -> PretrainedEncoder:
        pooling = cast(Pooling, self.manifest.pooling)
        return PretrainedEncoder(str(self.folder), {}, True, pooling, self.manifest.max_length, sha256=None)


def _complete_config(path: Path, entries: dict[str, Any]) -> None:
    """Add entries to a configuration, and remove where its weights came from: a path of the machine that trained."""
    content = json.loads(path.read_text(encoding="utf-8")) | entries
    content.pop("_name_or_path", None)
    write_json(path, content)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file that people may read."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
