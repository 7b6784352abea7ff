"""Batcher: requests that wait at the same time are computed together. Knows nothing about HTTP or models.

One batch is computed at a time, in a thread of its own; requests that arrive meanwhile make the next one. So a lone
request never waits for company, and the more requests there are, the larger the batches.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from polyhead.errors import check_parameters


class QueueFullError(Exception):
    """No further text may wait."""


class ClosingError(Exception):
    """The batcher finishes the requests that it has accepted, and accepts no more."""


class ComputeThread:
    """A thread that computes batches one at a time, those of several batchers in turn.

    Attributes:
        waiting: the number of texts that wait for it, by the names of their batchers.
    """

    def __init__(self) -> None:
        self.waiting: Counter[str] = Counter()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batcher")

    async def run(self, compute: Callable[[list[Any]], Sequence[Any]], texts: list[Any]) -> Sequence[Any]:
        """Compute one batch once those that came before are done."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, compute, texts)

    def shutdown(self) -> None:
        """End the thread."""
        self._pool.shutdown()


@dataclass
class _Request:
    texts: list[Any]
    answer: asyncio.Future[Sequence[Any]]


def _ignore(_: int) -> None:
    """Observe nothing."""


@dataclass
class Batcher:
    """Joins requests into batches for a function that does better with many texts than with one.

    >>> async def main():
    ...     batcher = Batcher(lambda texts: [text.upper() for text in texts], batch_texts=8, waiting_texts=100)
    ...     batcher.start()
    ...     answers = await asyncio.gather(batcher.submit(["a", "b"]), batcher.submit(["c"]))
    ...     await batcher.stop()
    ...     return answers
    >>> asyncio.run(main())
    [['A', 'B'], ['C']]

    Args:
        compute: texts, or pairs of them -> a sequence with an entry for each, which can be sliced.
        batch_texts: the most texts of a batch; a request is never split, and a larger one makes a batch of its own.
        waiting_texts: the most texts that may wait for the thread; a request that would exceed it is refused.
        observe: called with the number of texts of each batch.
        thread: computes the batches; None makes one for this batcher alone, which ends with it.
        name: under which the thread counts the texts that wait.

    Raises:
        ParameterError: a number below 1.
    """

    compute: Callable[[list[Any]], Sequence[Any]]
    batch_texts: int
    waiting_texts: int
    observe: Callable[[int], None] = _ignore
    thread: ComputeThread | None = None
    name: str = ""
    waiting: int = field(default=0, init=False)
    closing: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        check_parameters(
            ("batch_texts", self.batch_texts, self.batch_texts >= 1, "1 or more"),
            ("waiting_texts", self.waiting_texts, self.waiting_texts >= 1, "1 or more"),
        )
        self._queue: deque[_Request] = deque()
        self._thread = self.thread or ComputeThread()

    async def submit(self, texts: list[Any]) -> Sequence[Any]:
        """Queue some texts, and return their entries once they are computed.

        Raises:
            QueueFullError: too many texts wait.
            ClosingError: the batcher is stopping.
        """
        if self.closing:
            raise ClosingError
        if self._thread.waiting.total() + len(texts) > self.waiting_texts:
            raise QueueFullError
        request = _Request(texts, asyncio.get_running_loop().create_future())
        self._queue.append(request)
        self._count(len(texts))
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
        if self.thread is None:
            self._thread.shutdown()

    def _count(self, texts: int) -> None:
        self.waiting += texts
        self._thread.waiting[self.name] += texts

    async def _work(self) -> None:
        while await self._requests_wait():
            batch = self._next_batch()
            if batch:
                await self._answer(batch)

    async def _requests_wait(self) -> bool:
        """Wait for a request; return False when there is none and none can come."""
        while not self._queue:
            if self.closing:
                return False
            self._arrived.clear()
            await self._arrived.wait()
        return True

    def _next_batch(self) -> list[_Request]:
        """Take requests from the queue, but not those whose clients have gone."""
        batch: list[_Request] = []
        size = 0
        while self._queue and (not batch or size + len(self._queue[0].texts) <= self.batch_texts):
            request = self._queue.popleft()
            self._count(-len(request.texts))
            if not request.answer.done():  # done without an answer: the client has gone
                batch.append(request)
                size += len(request.texts)
        return batch

    async def _answer(self, batch: list[_Request]) -> None:
        texts = [text for request in batch for text in request.texts]
        self.observe(len(texts))
        try:
            entries = await self._thread.run(self.compute, texts)
        except Exception as error:  # each request gets it, and the next batch is computed all the same
            _fail(batch, error)
        else:
            _deliver(batch, entries)


def _fail(batch: list[_Request], error: Exception) -> None:
    for request in batch:
        if not request.answer.done():
            request.answer.set_exception(error)


def _deliver(batch: list[_Request], entries: Sequence[Any]) -> None:
    """Give each request its own entries."""
    start = 0
    for request in batch:
        end = start + len(request.texts)
        if not request.answer.done():
            request.answer.set_result(entries[start:end])
        start = end
