"""Hypothetical labelled sentences: a grammar, its words and patterns, and three splits from one seed."""

from polyhead.sources.synthetic.corpus import (
    CATEGORIES,
    LABELS,
    SENTIMENTS,
    SPLITS,
    TOPICS,
    HypotheticalCorpus,
    Sentence,
)
from polyhead.sources.synthetic.grammar import Grammar

__all__ = [
    "CATEGORIES",
    "LABELS",
    "SENTIMENTS",
    "SPLITS",
    "TOPICS",
    "Grammar",
    "HypotheticalCorpus",
    "Sentence",
]
