import asyncio
import threading

import pytest

from polyhead.deployment.server import Batcher, ClosingError, QueueFullError


class Slow:
    """Doubles texts; waits in every batch until it is let go."""

    def __init__(self):
        self.batches = []
        self.go = threading.Event()

    def __call__(self, texts):
        self.batches.append(list(texts))
        assert self.go.wait(timeout=30)
        if "bad" in texts:
            raise ValueError("cannot be computed")
        return [text * 2 for text in texts]


def run(scenario, batch_texts=8, waiting_texts=100):
    """Run a scenario with a batcher, and return the batches that were computed."""

    async def main():
        compute = Slow()
        batcher = Batcher(compute, batch_texts, waiting_texts)
        batcher.start()
        await scenario(batcher, compute)
        compute.go.set()
        await batcher.stop()
        return compute.batches

    return asyncio.run(asyncio.wait_for(main(), timeout=30))


async def busy(batcher, compute):
    """Have the batcher compute a first request, so that the next ones wait."""
    first = asyncio.create_task(batcher.submit(["first"]))
    while not compute.batches:
        await asyncio.sleep(0.001)
    return first


async def queued(batcher, *requests):
    tasks = [asyncio.create_task(batcher.submit(request)) for request in requests]
    await asyncio.sleep(0)
    return tasks


def test_requests_that_wait_together_are_computed_together_and_each_gets_its_own():
    async def scenario(batcher, compute):
        first = await busy(batcher, compute)
        tasks = await queued(batcher, ["a", "b"], ["c"], ["d", "e", "f"])
        assert batcher.waiting == 6
        compute.go.set()
        assert await first == ["firstfirst"]
        assert await asyncio.gather(*tasks) == [["aa", "bb"], ["cc"], ["dd", "ee", "ff"]]
        assert batcher.waiting == 0

    assert run(scenario) == [["first"], ["a", "b", "c", "d", "e", "f"]]


def test_batches_are_bounded_and_requests_whole():
    async def scenario(batcher, compute):
        await busy(batcher, compute)
        tasks = await queued(batcher, ["a"] * 5, ["b"] * 4, ["c"] * 20, ["d"])
        compute.go.set()
        await asyncio.gather(*tasks)

    assert [len(batch) for batch in run(scenario)] == [1, 5, 4, 20, 1]


def test_too_many_texts_are_refused_at_once_and_the_others_served():
    async def scenario(batcher, compute):
        await busy(batcher, compute)
        (task,) = await queued(batcher, ["a"] * 9)
        with pytest.raises(QueueFullError):
            await batcher.submit(["b", "c"])
        (last,) = await queued(batcher, ["d"])
        compute.go.set()
        assert len(await task) == 9
        assert await last == ["dd"]

    run(scenario, waiting_texts=10)


def test_stopping_finishes_what_was_accepted_and_takes_nothing_more():
    async def scenario(batcher, compute):
        first = await busy(batcher, compute)
        tasks = await queued(batcher, ["a"], ["b"])
        stopping = asyncio.create_task(batcher.stop())
        await asyncio.sleep(0)
        with pytest.raises(ClosingError):
            await batcher.submit(["late"])
        compute.go.set()
        assert await asyncio.gather(first, *tasks) == [["firstfirst"], ["aa"], ["bb"]]
        await stopping

    run(scenario)


def test_a_batch_that_fails_says_so_to_its_requests_and_the_next_is_computed():
    async def scenario(batcher, compute):
        compute.go.set()
        with pytest.raises(ValueError, match="cannot be computed"):
            await batcher.submit(["bad"])
        assert await batcher.submit(["good"]) == ["goodgood"]

    run(scenario)


def test_a_client_that_has_gone_is_not_computed_for():
    async def scenario(batcher, compute):
        await busy(batcher, compute)
        gone, stays = await queued(batcher, ["gone"], ["stays"])
        gone.cancel()
        await asyncio.sleep(0)
        compute.go.set()
        assert await stays == ["staysstays"]
        assert batcher.waiting == 0

    assert run(scenario) == [["first"], ["stays"]]
