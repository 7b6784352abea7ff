"""Text limits: the longest text of a transformer and its tokenizer, the case, and the tokens of a prompt."""

import logging
from typing import Any

from tokenizers.normalizers import Lowercase, Sequence
from transformers import PretrainedConfig

log = logging.getLogger(__name__)

_DEFAULT = 512  # tokens, where nothing says more or less
_UNLIMITED = 1_000_000  # transformers has 1e30 for a tokenizer without a limit
_AFTER_PADDING = frozenset(  # families whose first position is that after the padding token's id
    ("camembert", "data2vec-text", "ibert", "longformer", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta")
)


def most_tokens(config: PretrainedConfig) -> int | None:
    """Return the most tokens that a transformer has positions for; None if that is not limited."""
    positions = getattr(config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions < 1:
        return None
    if config.model_type in _AFTER_PADDING:
        positions -= (config.pad_token_id or 0) + 1
    return positions


def text_limit(name: str, given: int | None, tokenizer: Any, config: PretrainedConfig) -> int:
    """Return the longest text in tokens that an encoder takes by itself, and say so in the log where that is a choice.

    Args:
        name: of the model.
        given: what its folder says; None is the tokenizer's.
        tokenizer: of the model.
        config: of its transformer.
    """
    positions, wanted = most_tokens(config), given or int(tokenizer.model_max_length)
    if positions is not None:
        if given is not None and given > positions:
            log.warning("encoder: %s says max_seq_length=%d; it has positions for %d tokens", name, given, positions)
        return min(wanted, positions)
    if wanted > _UNLIMITED:
        log.warning("encoder: %s says no length; texts are cut to max_length=%d tokens", name, _DEFAULT)
        return _DEFAULT
    return wanted


def add_lower_casing(tokenizer: Any) -> None:
    """Have a tokenizer lower-case texts before all else, as sentence-transformers does for ``do_lower_case``."""
    backend = tokenizer.backend_tokenizer
    present = backend.normalizer
    steps = [] if present is None else [*present] if isinstance(present, Sequence) else [present]  # type: ignore[misc]
    if not any(isinstance(step, Lowercase) for step in steps):
        backend.normalizer = Sequence([Lowercase(), *steps])


def count_prompt_tokens(tokenizer: Any, prompt: str) -> int:
    """Return the tokens that a prompt takes at the start of a text, special ones there included; 0 for none."""
    if not prompt:
        return 0
    ids = tokenizer(prompt, truncation=False)["input_ids"]
    return len(ids) - (ids[-1] in tokenizer.all_special_ids)
