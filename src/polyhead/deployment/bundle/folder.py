"""Bundle: a trained model as a folder that loads elsewhere. Knows nothing about runs or serving.

The folder is what sentence-transformers writes, of its stock modules, so that it gives the embeddings without code of
Polyhead's; beside that lie the heads in ``heads.safetensors`` and the manifest ``tasks.json``. No file is a pickle, and
none is executed.
"""

import copy
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from polyhead.data.tokenization import TextTokenizer
from polyhead.deployment.bundle.manifest import FILE, Manifest, unseal
from polyhead.deployment.bundle.stock_modules import write_encoder, write_prompt
from polyhead.errors import UserError
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.pretrained import AUTO, PretrainedEncoder
from polyhead.storage.digests import file_digest
from polyhead.storage.output import share_mode, write_atomically, write_errors
from polyhead.tasks import Task

HEADS = "heads.safetensors"


@contextmanager
def new_folder(folder: Path, overwrite: bool) -> Iterator[Path]:
    """Give a folder to write into, which takes its name when the block ends, and is removed when the block fails.

    Args:
        folder: the final name.
        overwrite: replace a bundle, or an empty folder, of that name.

    Raises:
        UserError: the name is taken and must not be overwritten or is no bundle, or the system refuses to write.
    """
    _check_free(folder, overwrite)
    whole = folder.absolute()  # "." has no name of its own
    try:
        with write_errors(folder):
            whole.parent.mkdir(parents=True, exist_ok=True)
            with write_atomically(whole, folder=True) as partial:
                yield partial
                share_mode(partial)
                if whole.exists():
                    shutil.rmtree(whole)
    except SafetensorError as error:  # safetensors has no class of its own for a full disk
        raise UserError(f"output: {str(folder)!r} cannot be written ({error})") from error


def _check_free(folder: Path, overwrite: bool) -> None:
    if not folder.exists():
        return
    if not overwrite:
        raise UserError(f"output: {str(folder)!r} is there already; choose another folder, or set overwrite=true")
    is_bundle = (folder / FILE).is_file()
    is_empty = folder.is_dir() and not any(folder.iterdir())
    if not is_bundle and not is_empty:
        raise UserError(f"output: {str(folder)!r} is no bundle, and only those are overwritten; choose another folder")


def write_model(folder: Path, model: MultiTaskModel, tokenizer: TextTokenizer, with_graph: bool = False) -> None:
    """Write encoder, heads and tokenizer; :func:`polyhead.deployment.bundle.manifest.seal` completes the bundle.

    Args:
        folder: empty.
        model: with a plain encoder: adapters are merged before.
        tokenizer: of the encoder, with its limit and its prompt.
        with_graph: a graph will lie beside, see :func:`polyhead.deployment.bundle.stock_modules.write_encoder`.
    """
    write_encoder(folder, model.encoder, tokenizer, with_graph=with_graph)
    write_prompt(folder, tokenizer.prompt)
    tensors: dict[str, Tensor] = {}
    for task in with_parameters(model):
        tensors |= {f"{task}.{name}": _plain(tensor) for name, tensor in plain_head(model, task).state_dict().items()}
    save_file(tensors, folder / HEADS)


def with_parameters(model: MultiTaskModel) -> dict[str, nn.Module]:
    """Return the heads that have any, by task."""
    return {task: head for task, head in model.heads.items() if any(True for _ in head.parameters())}


def plain_head(model: MultiTaskModel, task: str) -> nn.Linear:
    """Return a copy of a head that acts on the embeddings as they are, without the model's scale."""
    head = copy.deepcopy(linear(model.heads[task]))
    with torch.no_grad():
        head.weight.mul_(model.scale)
    return head


def linear(head: nn.Module) -> nn.Linear:
    """Return the linear layer of a head, without its dropout.

    Raises:
        TypeError: the head has another form, which the bundle cannot hold.
    """
    leaves = [module for module in head.modules() if not list(module.children())]
    (layer,) = [module for module in leaves if list(module.parameters())]
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
            UserError: no bundle, one of a newer format, or a file missing, altered or not listed.
        """
        return cls(Path(folder), unseal(Path(folder)))

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks, in the order of the heads."""
        return tuple(entry.task for entry in self.manifest.tasks)

    @property
    def name(self) -> str:
        """The name of the run that the weights come from; the folder's, where the bundle does not say."""
        return self.manifest.made_with.get("run") or self.folder.resolve().name

    @cached_property
    def version(self) -> str:
        """The first 12 digits of the sha256 of the manifest, which holds those of all other files.

        It stays what it was when it was first asked for, whatever lies in the folder later.
        """
        return file_digest(self.folder / FILE)[:12]

    @property
    def is_normalized(self) -> bool:
        """Whether embeddings have length 1."""
        return self._encoder().pipeline.is_normalized

    def load_text_tokenizer(self) -> TextTokenizer:
        """Load the tokenizer, with its limit and its prompt.

        Raises:
            UserError: it cannot be read.
        """
        return self._encoder().load_text_tokenizer()

    def load_model(self, draws: bool = True) -> MultiTaskModel:
        """Load encoder and heads in single precision, in evaluation mode and without gradients.

        Args:
            draws: see :meth:`polyhead.models.PretrainedEncoder.load`.

        Raises:
            UserError: the weights are no safetensors, or do not fit the manifest.
        """
        try:
            heads = load_file(self.folder / HEADS)
            with torch.device("meta"):  # before memory is taken for what the manifest claims
                skeleton = MultiTaskModel(self._encoder().skeleton(), self.tasks, dropout=0.0)
            if _shapes(heads) != _shapes(_head_parameters(skeleton)):
                raise UserError(f"{HEADS} does not hold the heads of {FILE}")
            model = MultiTaskModel(self._encoder().load(draws), self.tasks, dropout=0.0)
            model.scale = 1.0  # the heads of a bundle act on the embeddings as they are
        except (SafetensorError, OSError) as error:
            raise UserError(f"{str(self.folder)!r}: its weights are no safetensors; export the bundle again") from error
        except UserError as error:
            raise UserError(f"{str(self.folder)!r}: {error}; export the bundle again") from error
        parameters = _head_parameters(model)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(heads[name])
        return model.eval().requires_grad_(False)

    def _encoder(self) -> PretrainedEncoder:
        place, manifest = str(self.folder), self.manifest
        encoder = PretrainedEncoder(place, {}, True, AUTO, manifest.max_length, sha256=None, prompt=AUTO)
        return encoder if manifest.windows == 1 else replace(encoder, long="windows", windows=manifest.windows)


def _head_parameters(model: MultiTaskModel) -> dict[str, nn.Parameter]:
    """Return the parameters of all heads by their name in the bundle, ``TASK.weight`` and ``TASK.bias``."""
    return {
        f"{task}.{name}": parameter
        for task, head in with_parameters(model).items()
        for name, parameter in linear(head).named_parameters()
    }


def _plain(parameter: Tensor) -> Tensor:
    return parameter.detach().float().cpu().contiguous()


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
