"""The digest by which a run notes its sentences, so that others are not taken for them."""

from polyhead.data.tokenization import TokenizedSentences
from polyhead.freezing.activation_cache import digest


def sentence_digest(sentences: TokenizedSentences) -> str:
    """Return a hash of the sentences of a split, as token ids, and of their labels."""
    labels = [labels for _, labels in sorted(sentences.labels.items())]
    return digest([sentences.ids, sentences.offsets, *labels])
