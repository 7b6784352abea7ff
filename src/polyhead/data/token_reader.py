"""Token reader: sentences as token ids and targets, from the cache or tokenized now. Knows nothing about batches."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from polyhead.data.token_cache import TokenCache
from polyhead.data.tokenization import TextTokenizer
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.sources.base import LabelledSentence
from polyhead.storage.cache import Description
from polyhead.tasks import Task

_FORMAT = 2  # part of every key of the token cache: entries of another layout are not found


@dataclass(frozen=True)
class TokenReader:
    """Reads sentences as token ids.

    Args:
        tasks: the tasks whose labels are read.
        text_tokenizer: text -> token ids.
        cache: keeps tokens for later runs; None tokenizes each time.
    """

    tasks: Sequence[Task]
    text_tokenizer: TextTokenizer
    cache: TokenCache | None = None

    def read(
        self, sentences: Callable[[], Iterable[LabelledSentence]], fingerprint: str | None, description: Description
    ) -> TokenizedSentences:
        """Return sentences as token ids with their targets.

        Args:
            sentences: gives them; called only if they have to be tokenized.
            fingerprint: changes whenever they would; None keeps nothing of them.
            description: of the content, for a person.

        Raises:
            UserError: a label that its task does not have.
        """

        def chunks() -> Iterator[TokenizedSentences]:
            return self.text_tokenizer.tokenize_labeled(sentences(), self.tasks)

        names = [task.name for task in self.tasks]
        if self.cache is None or fingerprint is None:
            tokens = TokenizedSentences.concatenate(chunks(), names)
        else:
            paired = any(task.kind.is_pair for task in self.tasks)
            tokens = self.cache.get(self._key(fingerprint), chunks, names, description, paired)
        targets = {task.name: task.as_targets(tokens.labels[task.name], len(tokens)) for task in self.tasks}
        return replace(tokens, labels=targets).in_windows(self.text_tokenizer.window)

    def _key(self, fingerprint: str) -> str:
        """Return the digest of all that decides the tokens and labels of sentences."""
        content = repr([_FORMAT, fingerprint, tuple(self.tasks), self.text_tokenizer.settings()])
        return hashlib.sha256(content.encode()).hexdigest()
