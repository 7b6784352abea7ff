"""Labelled sentences: synthetic, from files, from the hub; validated, split, mixed."""

from typing import TYPE_CHECKING

from polyhead import lazy_exports

if TYPE_CHECKING:
    from polyhead.sources.base import LabelledSentence, Source
    from polyhead.sources.files import FileSource
    from polyhead.sources.hub import HubSource
    from polyhead.sources.mixing import Mixture
    from polyhead.sources.shard_source import ShardSource
    from polyhead.sources.synthetic.corpus import HypotheticalCorpus

__all__ = [
    "FileSource",
    "HubSource",
    "HypotheticalCorpus",
    "LabelledSentence",
    "Mixture",
    "ShardSource",
    "Source",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "LabelledSentence": "base",
        "Source": "base",
        "FileSource": "files",
        "HubSource": "hub",
        "Mixture": "mixing",
        "ShardSource": "shard_source",
        "HypotheticalCorpus": "synthetic.corpus",
    },
)
