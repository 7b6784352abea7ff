"""The encoder: a transformer, pooling and modules on top, token ids -> one embedding per sentence.

Knows nothing about tasks. Shapes: B sentences, S tokens, H hidden units of a token state, W units of an embedding.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from polyhead.errors import UserError
from polyhead.models.dropout import use_fast_dropout
from polyhead.models.layer_split import AFTER_THE_LAYERS, lower_part, upper_part
from polyhead.models.pooling import pool, pooling_names
from polyhead.models.sentence_modules import Normalize, SentenceModule
from polyhead.models.windows import pool_windows


class Encoder(nn.Module):
    """A Hugging Face transformer whose token states are pooled to one embedding per sentence.

    The pooler that some families put on top is removed: the embedding does not pass through it, and parameters
    without a gradient break distributed training.

    Args:
        transformer: any encoder of transformers with a list of layers (bert, roberta, distilbert, mpnet, ...).
        pooling: the reduction from token states to an embedding, see :func:`polyhead.models.pooling.pool`.
        modules: what the pooled embedding passes through, in this order.
        skipped: tokens at the start of each sentence that are not pooled, those of a prompt.

    Raises:
        UserError: the transformer has no list of layers, or a module takes another width than comes before it.
    """

    def __init__(
        self,
        transformer: nn.Module,
        pooling: str | Sequence[str],
        modules: Sequence[SentenceModule] = (),
        skipped: int = 0,
    ) -> None:
        super().__init__()
        if getattr(transformer, "pooler", None) is not None:
            transformer.register_module("pooler", None)
        use_fast_dropout(transformer)
        self.transformer = transformer
        self.pooling = pooling_names(pooling)
        self.sentence_modules = nn.ModuleList(modules)
        self.skipped = skipped
        _find_layers(transformer)
        self.embedding_size = self.hidden_size * len(self.pooling)
        for module in modules:
            self.embedding_size = module.width_after(self.embedding_size)

    @property
    def layers(self) -> nn.ModuleList:
        """The transformer layers, from the bottom up."""
        return _find_layers(self.transformer)

    @property
    def embeddings(self) -> list[nn.Module]:
        """Modules that feed the layers: embedding tables, and position biases or projections that layers share."""
        return _below(self.transformer, self.layers)

    @property
    def top(self) -> list[nn.Module]:
        """Modules with parameters on top of the last layer: a norm, in some families, and those on top of pooling."""
        inside = {id(module) for part in (self.layers, *self.embeddings) for module in part.modules()}
        modules = (module for module in self.modules() if id(module) not in inside)
        return [module for module in modules if any(True for _ in module.parameters(recurse=False))]

    @property
    def hidden_size(self) -> int:
        """Width H of a token state."""
        return int(_config(self.transformer).hidden_size)

    @property
    def is_normalized(self) -> bool:
        """Whether embeddings have length 1."""
        return len(self.sentence_modules) > 0 and isinstance(self.sentence_modules[-1], Normalize)

    def describe(self) -> str:
        """Return in words how token states become an embedding, all of it but weights.

        ``mean``, or ``mean + cls without 5 tokens, Dense(...), Normalize()``.
        """
        pooled = " + ".join(self.pooling) + (f" without {self.skipped} tokens" if self.skipped else "")
        steps = [f"{type(module).__name__}({_arguments(module)})" for module in self.sentence_modules]
        return ", ".join([pooled, *steps])

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return the embeddings (B, W) of token ids (B, S) under a mask (B, S), None if nothing is padded."""
        return self.embed_last_states(self.last_states(input_ids, attention_mask), attention_mask)

    def last_states(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return the token states (B, S, H) of the last layer, which pooling takes."""
        states: Tensor = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return states

    def pool_windows(self, embeddings: Tensor, lengths: Tensor, windows: Tensor) -> Tensor:
        """Return the embeddings (N, W) of texts for those of their windows (R, W).

        Args:
            embeddings: of the windows (R, W), those of a text one after the other.
            lengths: tokens of each window (R,).
            windows: of each text (N,), 1 or more.
        """
        return pool_windows(embeddings, lengths, windows, self.is_normalized)

    def compile_layers(self) -> None:
        """Compile each layer by itself with ``torch.compile``: layers are alike, and any part of them may run alone.

        The names of parameters stay as they are; copies of the encoder are not compiled.
        """
        for layer in self.layers:
            layer.compile(dynamic=True)

    def lower_states(self, depth: int, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return the token states (B, S, H) after the first ``depth`` layers."""
        part = lower_part(self.transformer, self.layers, depth)
        states: Tensor = part(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return states

    def embed_states(self, depth: int, states: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return the embeddings (B, W) for token states (B, S, H) after the first ``depth`` layers."""
        part = upper_part(self.transformer, self.layers, depth)
        states = part(inputs_embeds=states, attention_mask=attention_mask).last_hidden_state
        return self.embed_last_states(states, attention_mask)

    def embed_last_states(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the embeddings (B, W) of the token states (B, S, H) of the last layer, in single precision."""
        embeddings = pool(states, mask, self.pooling, self.skipped)
        device = embeddings.device.type
        if not len(self.sentence_modules) or not torch.is_autocast_enabled(device):
            return self._apply_modules(embeddings)
        with torch.autocast(device, enabled=False):  # a few products per sentence, and training equals inference
            return self._apply_modules(embeddings)

    def _apply_modules(self, embeddings: Tensor) -> Tensor:
        for module in self.sentence_modules:
            embeddings = module(embeddings)
        return embeddings


def _arguments(module: nn.Module) -> str:
    settings = module.settings() if isinstance(module, SentenceModule) else {}
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def _config(transformer: nn.Module) -> Any:
    return transformer.config


def _find_layers(transformer: nn.Module) -> nn.ModuleList:
    depth = getattr(_config(transformer), "num_hidden_layers", None)
    for module in transformer.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth and depth > 0:
            return module
    family = _config(transformer).model_type
    raise UserError(f"encoder: {family!r} has no list of {depth} layers; use a bert-like encoder, as encoder=minilm")


def _below(module: nn.Module, layers: nn.ModuleList) -> list[nn.Module]:
    """Return the outermost modules that come before ``layers``."""
    found: list[nn.Module] = []
    for name, child in module.named_children():
        if child is layers or name in AFTER_THE_LAYERS:
            continue
        if any(inner is layers for inner in child.modules()):
            found += _below(child, layers)
        else:
            found.append(child)
    return found
