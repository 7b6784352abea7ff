import asyncio
import json

import pytest

from polyhead.deployment.server.body_limit import BodyLimitMiddleware

FREE = 16_384  # bytes of each body that count for nothing


def send(parts, limit, cut_off=False):
    """Send a body in parts through the limit; return what the app got, how much was read, and the answer."""
    got, answers, left = [], [], list(parts)

    async def app(scope, receive, send):
        got.append((await receive())["body"])

    async def receive():
        if not left:
            return {"type": "http.disconnect"}
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left) or cut_off}

    async def answer(message):
        answers.append(message)

    middleware = BodyLimitMiddleware(app, limit, limit)
    asyncio.run(middleware({"type": "http", "headers": []}, receive, answer))
    assert middleware.waiting == 0  # whatever became of it, the room is given back
    return got, len(parts) - len(left), answers


def test_body_limit_passes_a_body_within_it_on_whole():
    assert send([b"abc", b"", b"de"], 5) == ([b"abcde"], 3, [])


@pytest.mark.parametrize(("parts", "read"), [(6, 6), (1000, 41)])
def test_body_limit_answers_a_larger_body_and_reads_no_further_than_a_while(parts, read):
    got, found, answers = send([b"x"] * parts, 5)
    assert got == []
    assert found == read
    assert answers[0]["status"] == 413
    assert "larger than 5 bytes; send fewer" in json.loads(answers[1]["body"])["error"]


@pytest.mark.parametrize("parts", [[], [b""], [b"ab"], [b"x" * FREE, b"x" * FREE]])
def test_body_limit_serves_nothing_of_a_body_that_is_cut_off(parts):
    got, _, answers = send(parts, 3 * FREE, cut_off=True)
    assert got == []
    assert answers[0]["status"] == 400


def test_body_limit_passes_on_that_the_client_has_gone():
    got, left = [], [{"type": "http.request", "body": b"ab"}, {"type": "http.disconnect"}]

    async def app(scope, receive, send):
        got.extend([await receive(), await receive()])

    async def receive():
        return left.pop(0)

    asyncio.run(BodyLimitMiddleware(app, 5, 5)({"type": "http"}, receive, None))
    assert got == [{"type": "http.request", "body": b"ab", "more_body": False}, {"type": "http.disconnect"}]


def test_body_limit_leaves_anything_but_requests_alone():
    got = []

    async def app(*arguments):
        got.append(arguments)

    asyncio.run(BodyLimitMiddleware(app, 5, 5)({"type": "lifespan"}, "receive", "send"))
    assert got == [({"type": "lifespan"}, "receive", "send")]


def test_body_limit_holds_no_more_of_all_bodies_than_it_says():
    """Two bodies are being computed: a third large one is refused, a small one is not, and there is room afterwards."""
    statuses, done = [], []

    async def scenario():
        go = asyncio.Event()

        async def app(scope, receive, send):
            body = (await receive())["body"]
            await go.wait()
            done.append(len(body))

        middleware = BodyLimitMiddleware(app, 4 * FREE, 6 * FREE)

        async def ask(size):
            async def receive():
                return {"type": "http.request", "body": b"x" * size, "more_body": False}

            async def send(message):
                statuses.append(message.get("status"))

            await middleware({"type": "http", "headers": []}, receive, send)

        first = [asyncio.create_task(ask(4 * FREE)) for _ in range(2)]
        await asyncio.sleep(0)
        assert middleware.waiting == 6 * FREE
        await ask(FREE + 1)
        assert statuses.pop(0) == 429
        small = asyncio.create_task(ask(FREE))
        go.set()
        await asyncio.gather(*first, small)
        assert middleware.waiting == 0
        await ask(4 * FREE)

    asyncio.run(scenario())
    assert sorted(done) == [FREE, 4 * FREE, 4 * FREE, 4 * FREE]
