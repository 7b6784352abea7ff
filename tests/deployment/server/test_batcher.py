import asyncio
import threading

import pytest

from polyhead.deployment.server import Batcher, ClosingError, QueueFullError
from polyhead.deployment.server.batcher import ComputeThread
from polyhead.errors import ParameterError


class Slow:
    """Doubles texts; waits in every batch until ``go`` is set."""

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


def test_batcher_computes_waiting_requests_together_and_gives_each_its_own():
    async def scenario(batcher, compute):
        first = await busy(batcher, compute)
        tasks = await queued(batcher, ["a", "b"], ["c"], ["d", "e", "f"])
        assert batcher.waiting == 6
        compute.go.set()
        assert await first == ["firstfirst"]
        assert await asyncio.gather(*tasks) == [["aa", "bb"], ["cc"], ["dd", "ee", "ff"]]
        assert batcher.waiting == 0

    assert run(scenario) == [["first"], ["a", "b", "c", "d", "e", "f"]]


def test_batcher_bounds_its_batches_and_keeps_requests_whole():
    async def scenario(batcher, compute):
        await busy(batcher, compute)
        tasks = await queued(batcher, ["a"] * 5, ["b"] * 4, ["c"] * 20, ["d"])
        compute.go.set()
        await asyncio.gather(*tasks)

    assert [len(batch) for batch in run(scenario)] == [1, 5, 4, 20, 1]


def test_batcher_refuses_too_many_texts_at_once_and_serves_the_others():
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


def test_batcher_finishes_accepted_requests_when_it_stops_and_takes_no_more():
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


def test_batcher_gives_a_failure_to_its_requests_and_computes_the_next_batch():
    async def scenario(batcher, compute):
        compute.go.set()
        with pytest.raises(ValueError, match="cannot be computed"):
            await batcher.submit(["bad"])
        assert await batcher.submit(["good"]) == ["goodgood"]

    run(scenario)


def test_batcher_does_not_compute_for_a_client_that_has_gone():
    async def scenario(batcher, compute):
        await busy(batcher, compute)
        gone, stays = await queued(batcher, ["gone"], ["stays"])
        gone.cancel()
        await asyncio.sleep(0)
        compute.go.set()
        assert await stays == ["staysstays"]
        assert batcher.waiting == 0

    assert run(scenario) == [["first"], ["stays"]]


def test_batcher_answers_a_request_without_texts():
    async def scenario(batcher, compute):
        compute.go.set()
        assert await batcher.submit([]) == []

    run(scenario)


def test_batcher_observes_the_texts_of_each_batch():
    sizes = []

    async def main():
        batcher = Batcher(lambda texts: texts, 8, 100, sizes.append)
        batcher.start()
        await asyncio.gather(*(batcher.submit(["a"] * count) for count in (3, 4, 5)))
        await batcher.stop()

    asyncio.run(asyncio.wait_for(main(), timeout=30))
    assert sizes == [7, 5]  # 3 + 4 + 5 are more than 8


@pytest.mark.parametrize("name", ["batch_texts", "waiting_texts"])
def test_batcher_refuses_a_number_below_one(name):
    with pytest.raises(ParameterError, match=f"^{name}: 0 given; it must be 1 or more$"):
        Batcher(len, **{"batch_texts": 1, "waiting_texts": 1} | {name: 0})


def test_batchers_of_one_thread_take_turns_and_share_its_room():
    order = []

    async def main():
        thread = ComputeThread()

        def compute(name):
            def run(texts):
                order.append((name, len(texts)))
                return texts

            return run

        one, other = (Batcher(compute(name), 2, 6, thread=thread, name=name) for name in ("one", "other"))
        one.start()
        other.start()
        await asyncio.sleep(0)
        asked = [asyncio.create_task(batcher.submit(["a", "b"])) for batcher in (one, one, other)]
        await asyncio.sleep(0)
        assert dict(thread.waiting) == {"one": 4, "other": 2}
        with pytest.raises(QueueFullError):
            await other.submit(["c"])
        assert await asyncio.gather(*asked) == [["a", "b"]] * 3
        assert not thread.waiting.total()
        await one.stop()
        assert await other.submit(["d"]) == ["d"]  # the thread stays for the other
        await other.stop()
        thread.shutdown()

    asyncio.run(main())
    assert order == [("one", 2), ("other", 2), ("one", 2), ("other", 1)]
