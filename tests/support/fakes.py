"""Small stand-ins for what the real run brings: sentences, and a tokenizer without a vocabulary file."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from polyhead.sources.base import Source

WORDS = [f"w{i}" for i in range(90)]


def word_tokenizer() -> PreTrainedTokenizerFast:
    """Make a tokenizer of 90 words with BERT's special tokens; [PAD] is 0."""
    vocabulary = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


@dataclass
class FakeSentence:
    """A text and its labels."""

    text: str
    labels: dict[str, str | None]


@dataclass
class FakePair:
    """A text, its labels, and perhaps a second text."""

    text: str
    labels: dict[str, str | None]
    second: str | None


@dataclass
class FakeSource(Source):
    """Sentences whose first word decides the category and whose last one the sentiment; sizes by split."""

    sizes: dict[str, int]
    categories: tuple[str, ...] = ("Quote", "Riddle", "News")
    sentiments: tuple[str, ...] = ("Positive", "Negative")
    unlabelled: dict[str, int] = field(default_factory=dict)  # task -> every how many-th sentence has no label

    def sentences(self, split: str) -> Iterator[FakeSentence]:
        """Yield the split's sentences; splits differ in their middle words."""
        shift = 17 * list(self.sizes).index(split)
        for row in range(self.sizes[split]):
            category, sentiment = row % len(self.categories), row // 3 % len(self.sentiments)
            middle = " ".join(WORDS[20 + (row * 7 + i + shift) % 60] for i in range(row % 9))
            labels: dict[str, str | None] = {
                "category": self.categories[category],
                "sentiment": self.sentiments[sentiment],
            }
            for task, every in self.unlabelled.items():
                if row % every == 0:
                    labels[task] = None
            yield FakeSentence(f"{WORDS[category]} {middle} {WORDS[10 + sentiment]}", labels)
