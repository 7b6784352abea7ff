"""More clients than a server can answer, some of which die in the middle: what each of them saw."""

import asyncio
import json
import random
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from support.servers import post


@dataclass
class Overload:
    """What clients saw.

    Attributes:
        outcomes: the number of requests by outcome: a status, ``killed``, or ``lost`` for one that got no answer.
        answers: of requests with status 200: (row, embedding) of each text.
        refusals: headers of the others.
        seconds: that each accepted request took.
    """

    texts: Sequence[str]
    outcomes: Counter[str] = field(default_factory=Counter)
    answers: list[tuple[int, list[float]]] = field(default_factory=list)
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def run(self, address: tuple[str, int], clients: int, seconds: float, patient: bool) -> None:
        """Let clients ask for as long as given, each one request after another.

        Args:
            address: of the server.
            clients: that ask at the same time.
            seconds: after which they ask no more; each asks three times at least.
            patient: a refused client waits as long as it is told to.
        """
        asyncio.run(self._all(address, clients, seconds, patient))

    def quantile(self, share: float) -> float:
        """Return the seconds within which a share of the accepted requests was answered."""
        return sorted(self.seconds)[max(0, round(share * len(self.seconds)) - 1)]

    async def _all(self, address: tuple[str, int], clients: int, seconds: float, patient: bool) -> None:
        end = time.monotonic() + seconds
        await asyncio.gather(*(self._client(seed, address, end, patient) for seed in range(clients)))

    async def _client(self, seed: int, address: tuple[str, int], end: float, patient: bool) -> None:
        generator = random.Random(seed)
        streams = None
        turn = 0
        while turn < 3 or time.monotonic() < end:
            turn += 1
            streams = streams or await asyncio.open_connection(*address)
            rows = [generator.randrange(len(self.texts)) for _ in range(generator.randint(1, 4))]
            request = post([self.texts[row] for row in rows])
            if generator.random() < 0.05:
                await _die(*streams, request[: generator.choice([len(request) - 3, len(request)])])
                self.outcomes["killed"] += 1
                streams = None
                continue
            started = time.monotonic()
            try:
                status, headers, body = await _exchange(*streams, request)
            except (asyncio.IncompleteReadError, ConnectionError):
                self.outcomes["lost"] += 1
                streams = None
                continue
            self._note(rows, status, headers, body, time.monotonic() - started)
            if headers.get("connection") == "close":
                streams[1].close()
                streams = None
            if status != 200 and patient:
                await asyncio.sleep(int(headers["retry-after"]))
        if streams:
            streams[1].close()

    def _note(self, rows: list[int], status: int, headers: dict[str, str], body: bytes, seconds: float) -> None:
        self.outcomes[str(status)] += 1
        if status == 200:
            self.seconds.append(seconds)
            self.answers += zip(rows, json.loads(body)["embeddings"], strict=True)
        else:
            self.refusals.append((status, headers))


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, dict[str, str], bytes]:
    writer.write(request)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    first, *lines = head.strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


async def _die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, part: bytes) -> None:
    """Send a request or a part of it, and end as a killed process does."""
    writer.write(part)
    await writer.drain()
    linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
