"""Clients that ask one address again and again, and note what becomes of each request."""

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException


@dataclass
class Load:
    """Clients of one address, each with a connection that stays open.

    Attributes:
        outcomes: requests by status, or by the error where there was no answer.
        seconds: that each took.
        embeddings: different answers, by their text.
    """

    address: tuple[str, int]
    clients: int
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    embeddings: dict[str, set[tuple[float, ...]]] = field(default_factory=dict)
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Load":
        self._threads = [
            threading.Thread(target=self._ask, args=[f"w{number + 1} w2"]) for number in range(self.clients)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(timeout=60)

    @property
    def answered(self) -> int:
        """The number of requests that got an answer or an error."""
        return self.outcomes.total()

    def _ask(self, text: str) -> None:
        body, connection = json.dumps({"texts": [text]}), HTTPConnection(*self.address, timeout=30)
        while not self._done.is_set():
            start = time.perf_counter()
            try:
                connection.request("POST", "/embed", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                content = answer.read()
                outcome = str(answer.status)
                if answer.status == 200:
                    self.embeddings.setdefault(text, set()).add(
                        tuple(round(x, 3) for x in json.loads(content)["embeddings"][0])
                    )
            except (OSError, HTTPException, ValueError) as error:
                outcome = type(error).__name__
                connection.close()
            self.seconds.append(time.perf_counter() - start)
            self.outcomes[outcome] += 1
        connection.close()
