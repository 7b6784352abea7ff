"""Sentences -> token ids -> length-grouped batches."""

from typing import TYPE_CHECKING

from polyhead import lazy_exports

if TYPE_CHECKING:
    from polyhead.data.batch import Batch
    from polyhead.data.datamodule import SentenceData
    from polyhead.data.dataset import TokenizedSplit
    from polyhead.data.loader import TrainingLoader
    from polyhead.data.samplers import LengthGroupedBatchSampler, LoaderSettings
    from polyhead.data.shard_sampler import ShardedBatchSampler
    from polyhead.data.token_cache import TokenCache
    from polyhead.data.tokenization import TextTokenizer
    from polyhead.data.tokenized_sentences import TokenizedSentences

__all__ = [
    "Batch",
    "LengthGroupedBatchSampler",
    "LoaderSettings",
    "SentenceData",
    "ShardedBatchSampler",
    "TextTokenizer",
    "TokenCache",
    "TokenizedSentences",
    "TokenizedSplit",
    "TrainingLoader",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Batch": "batch",
        "SentenceData": "datamodule",
        "TokenizedSplit": "dataset",
        "TrainingLoader": "loader",
        "LengthGroupedBatchSampler": "samplers",
        "LoaderSettings": "samplers",
        "ShardedBatchSampler": "shard_sampler",
        "TokenCache": "token_cache",
        "TextTokenizer": "tokenization",
        "TokenizedSentences": "tokenized_sentences",
    },
)
