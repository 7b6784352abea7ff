"""Tiny encoders of several families, and made-up batches for them."""

import torch

from polyhead.data.batch import Batch

VOCABULARY = 100
TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}
FAMILIES = {
    "bert": TINY,
    "roberta": TINY,
    "mpnet": TINY,
    "distilbert": {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32, "vocab_size": VOCABULARY},
    "modernbert": {**TINY, "cls_token_id": 1, "sep_token_id": 2, "global_attn_every_n_layers": 2},
    "deberta-v2": {**TINY, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
    "electra": {**TINY, "embedding_size": 8},
}


def random_batch(size: int = 8, length: int = 12, classes: dict[str, int] | None = None) -> Batch:
    """Make a batch of random sentences, some of them padded on the right."""
    lengths = torch.randint(3, length + 1, (size,))
    lengths[0] = length
    mask = (torch.arange(length) < lengths[:, None]).long()
    ids = torch.randint(3, VOCABULARY, (size, length)) * mask
    classes = classes or {"category": 3, "sentiment": 2}
    return Batch(ids, mask, {name: torch.randint(0, count, (size,)) for name, count in classes.items()})
