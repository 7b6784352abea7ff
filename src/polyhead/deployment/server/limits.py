"""Limits: how much a request may ask for. Knows nothing about HTTP or models.

Texts and their number are checked where they are parsed (422), the body where it is read (413), and the queue where it
is (429).
"""

from dataclasses import dataclass

from polyhead.errors import check_parameters


@dataclass(frozen=True)
class Limits:
    """How much a request may ask for.

    >>> Limits(characters=20_000, texts=256, body_bytes=8_000_000, waiting_texts=0)
    Traceback (most recent call last):
        ...
    polyhead.errors.ParameterError: waiting_texts: 0 given; it must be 256 or more, for one request may bring 256 texts

    Args:
        characters: per text.
        texts: per request.
        body_bytes: per request.
        waiting_texts: of all requests together, while they wait.

    Raises:
        ParameterError: a limit below 1, or a queue that holds less than one request.
    """

    characters: int
    texts: int
    body_bytes: int
    waiting_texts: int

    def __post_init__(self) -> None:
        fewest = max(self.texts, 1)
        check_parameters(
            ("characters", self.characters, self.characters >= 1, "1 or more"),
            ("texts", self.texts, self.texts >= 1, "1 or more"),
            ("body_bytes", self.body_bytes, self.body_bytes >= 1, "1 or more"),
            (
                "waiting_texts",
                self.waiting_texts,
                self.waiting_texts >= fewest,
                f"{fewest} or more, for one request may bring {fewest} texts",
            ),
        )
