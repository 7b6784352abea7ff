"""Transformer files: configuration, tokenizer and weights of a transformer, read by transformers and checked before.

Knows nothing about pooling and what stands on top of it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, PretrainedConfig
from transformers.utils import logging as transformers_logging

from polyhead.errors import ParameterError
from polyhead.models.fitting_weights import load_fitting
from polyhead.models.model_files import ModelFiles
from polyhead.models.sizes import fits_files, size_problems
from polyhead.storage.digests import file_digest
from polyhead.storage.documents import read_json


@dataclass(frozen=True)
class TransformerFiles:
    """The files of a transformer.

    Args:
        files: of the model that it belongs to.
        path: of its own within them; empty for the top.
    """

    files: ModelFiles
    path: str

    @property
    def _folder(self) -> Path:
        """Where they lie; of no use where that is the hub."""
        return Path(self.files.name, self.path)

    def load(self, loader: Any, **options: Any) -> Any:
        """Load something by a class of transformers.

        Raises:
            ParameterError: the files are not to be found, or damaged.
        """
        transformers_logging.disable_progress_bar()
        level = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity_error()  # silences the list of the pooler's weights, left out on purpose
        if self.files.is_local:
            place = str(self._folder)
        else:
            place, options = self.files.location, {**options, "subfolder": self.path}
        try:
            return loader.from_pretrained(place, trust_remote_code=False, **options)
        except Exception as error:  # transformers has a class for each kind of damage, and no common one
            raise ParameterError(self._not_loaded()) from error
        finally:
            transformers_logging.set_verbosity(level)

    def load_config(self) -> PretrainedConfig:
        """Load the configuration, after a check of its numbers: before anything is built by them.

        Raises:
            ParameterError: as :meth:`load`, or a number that no encoder has.
        """
        path = self._folder / "config.json"
        if self.files.is_local and path.is_file():
            try:
                content = read_json(path)
            except (OSError, ValueError) as error:
                raise ParameterError(f"{self._not_loaded()} ({error})") from error
            given = content if isinstance(content, dict) else {}
            if problems := [f"location: the config.json there has {problem}" for problem in size_problems(given)]:
                raise ParameterError("\n".join(problems))
        return cast(PretrainedConfig, self.load(AutoConfig))

    def load_model(self, skeleton: nn.Module, config: PretrainedConfig, draws: bool = True) -> Any:
        """Load the weights, in single precision.

        Args:
            skeleton: the transformer without memory for its weights.
            config: of the skeleton.
            draws: draw weights that are missing at random, as transformers does, so that the numbers after them stay
                the same; else a pooler, which no encoder has, may be missing.

        Raises:
            ParameterError: as :meth:`load`, or files that are too small for what they should hold.
        """
        if self.files.is_local and not fits_files(skeleton, self._folder):
            raise ParameterError(
                f"location: the safetensors in {str(self._folder)!r} are too small to hold the weights that its "
                "config.json describes; copy the folder again"
            )
        if self.files.is_local and (model := load_fitting(config, skeleton, self._folder, draws)) is not None:
            return model
        return self.load(AutoModel, dtype=torch.float32, use_safetensors=True)  # the other format is a pickle

    def verify(self, expected: str) -> None:
        """Compare the digest of the weights.

        Raises:
            ParameterError: it is another one, or there is no single file of weights.
        """
        weights = self._folder / "model.safetensors"
        if not weights.is_file():
            raise ParameterError(
                f"sha256: no file {str(weights)!r} to verify; leave sha256 unset to load unchecked weights"
            )
        found = file_digest(weights)
        if found != expected:
            raise ParameterError(
                f"sha256: {str(weights)!r} has {found}, expected {expected}; the weights are not the published "
                "ones: install the package again"
            )

    def _not_loaded(self) -> str:
        if self.files.is_local:
            return (
                f"location: the folder {str(self._folder)!r} holds no model that transformers can read; "
                "it needs config.json, tokenizer files and model.safetensors, as save_pretrained writes them"
            )
        name = self.files.location
        return (
            f"location: {name!r} is no local folder, not in the hub's offline cache, and cannot be "
            "loaded from the hub; take encoder=minilm (packaged), give a folder as encoder.location=PATH, or fill "
            f"the cache on a machine with a network (hf download {name}) and set HF_HOME"
        )
