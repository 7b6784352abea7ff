"""Batcher: requests that wait at the same time are computed together. Knows nothing about HTTP or models.

One batch is computed at a time, in a thread of its own; what arrives meanwhile makes the next one. So a lone request
never waits for company, and the more requests there are, the larger the batches.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any


class QueueFullError(Exception):
    """As many texts wait as may wait."""


class ClosingError(Exception):
    """The batcher finishes what it has and takes nothing more."""


@dataclass
class _Request:
    texts: list[str]
    answer: asyncio.Future[Sequence[Any]]


@dataclass
class Batcher:
    """Joins requests into batches for a function that does better with many texts than with one.

    Args:
        compute: texts -> a sequence with an entry a text, that can be sliced.
        batch_texts: texts of a batch; a request is never split, and one that is larger makes a batch of its own.
        waiting_texts: texts that may wait; a request that would make them more is refused.
        observe: called with the number of texts of each batch.
    """

    compute: Callable[[list[str]], Sequence[Any]]
    batch_texts: int
    waiting_texts: int
    observe: Callable[[int], None] = lambda _: None
    waiting: int = field(default=0, init=False)
    closing: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._queue: deque[_Request] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batcher")

    async def submit(self, texts: list[str]) -> Sequence[Any]:
        """Wait for the entries of some texts.

        Raises:
            QueueFullError: too many texts wait.
            ClosingError: the batcher was asked to stop.
        """
        if self.closing:
            raise ClosingError
        if self.waiting + len(texts) > self.waiting_texts:
            raise QueueFullError
        request = _Request(texts, asyncio.get_running_loop().create_future())
        self._queue.append(request)
        self.waiting += len(texts)
        self._arrived.set()
        return await request.answer

    def start(self) -> None:
        """Begin to compute, in the running event loop."""
        self._arrived = asyncio.Event()
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Refuse new requests, finish those that were accepted, and end."""
        self.closing = True
        self._arrived.set()
        await self._worker
        self._thread.shutdown()

    async def _work(self) -> None:
        while True:
            while not self._queue:
                if self.closing:
                    return
                self._arrived.clear()
                await self._arrived.wait()
            await self._answer(self._next_batch())

    def _next_batch(self) -> list[_Request]:
        batch: list[_Request] = []
        size = 0
        while self._queue and (not batch or size + len(self._queue[0].texts) <= self.batch_texts):
            request = self._queue.popleft()
            self.waiting -= len(request.texts)
            if not request.answer.done():  # done without an answer: the client has gone
                batch.append(request)
                size += len(request.texts)
        return batch

    async def _answer(self, batch: list[_Request]) -> None:
        texts = [text for request in batch for text in request.texts]
        if not texts:
            return
        self.observe(len(texts))
        try:
            entries = await asyncio.get_running_loop().run_in_executor(self._thread, self.compute, texts)
        except Exception as error:  # each request gets it, and the next batch is computed all the same
            for request in batch:
                if not request.answer.done():
                    request.answer.set_exception(error)
            return
        start = 0
        for request in batch:
            end = start + len(request.texts)
            if not request.answer.done():
                request.answer.set_result(entries[start:end])
            start = end
