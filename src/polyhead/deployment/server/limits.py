"""Limits: how much clients may ask for. Knows nothing about HTTP or models.

Texts and their number are checked where they are parsed (422), the body where it is read (413), the queue and the
bodies of all requests where they grow (429), time and the number of connections where these are held (408, 503).
"""

import math
from dataclasses import dataclass

from polyhead.errors import check_parameters


@dataclass(frozen=True)
class Limits:
    """How much clients may ask for.

    >>> Limits(characters=20_000, texts=256, body_bytes=8_000_000, waiting_texts=0)
    Traceback (most recent call last):
        ...
    polyhead.errors.ParameterError: waiting_texts: 0 given; it must be 256 or more, for one request may bring 256 texts

    Args:
        characters: per text.
        texts: per request.
        body_bytes: per request.
        waiting_texts: of all requests together, while they wait.
        waiting_bytes: of the bodies of all requests together, while they are read, wait or are computed.
        connections: open at the same time.
        read_seconds: for a client to send a request, head and body; and as much to take the answer.

    Raises:
        ParameterError: a limit below 1 (``read_seconds``: none above 0), or a total that holds less than one request.
    """

    characters: int = 20000
    texts: int = 256
    body_bytes: int = 8_000_000
    waiting_texts: int = 4096
    waiting_bytes: int = 64_000_000
    connections: int = 1024
    read_seconds: float = 30.0

    def __post_init__(self) -> None:
        texts, size = max(self.texts, 1), max(self.body_bytes, 1)
        check_parameters(
            ("characters", self.characters, self.characters >= 1, "1 or more"),
            ("texts", self.texts, self.texts >= 1, "1 or more"),
            ("body_bytes", self.body_bytes, self.body_bytes >= 1, "1 or more"),
            (
                "waiting_texts",
                self.waiting_texts,
                self.waiting_texts >= texts,
                f"{texts} or more, for one request may bring {texts} texts",
            ),
            (
                "waiting_bytes",
                self.waiting_bytes,
                self.waiting_bytes >= size,
                f"{size} or more, for one request may bring {size} bytes",
            ),
            ("connections", self.connections, self.connections >= 1, "1 or more"),
            ("read_seconds", self.read_seconds, 0 < self.read_seconds < math.inf, "above 0, and finite"),
        )
