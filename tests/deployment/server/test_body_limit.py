import asyncio
import json

import pytest

from polyhead.deployment.server.body_limit import BodyLimitMiddleware


def send(parts, limit):
    """Send a body in parts through the limit; return what the app got, how much was read, and the answer."""
    got, answers, left = [], [], list(parts)

    async def app(scope, receive, send):
        got.append((await receive())["body"])

    async def receive():
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    async def answer(message):
        answers.append(message)

    asyncio.run(BodyLimitMiddleware(app, limit)({"type": "http", "headers": []}, receive, answer))
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


def test_body_limit_passes_on_that_the_client_has_gone():
    got, left = [], [{"type": "http.request", "body": b"ab"}, {"type": "http.disconnect"}]

    async def app(scope, receive, send):
        got.extend([await receive(), await receive()])

    async def receive():
        return left.pop(0)

    asyncio.run(BodyLimitMiddleware(app, 5)({"type": "http"}, receive, None))
    assert got == [{"type": "http.request", "body": b"ab", "more_body": False}, {"type": "http.disconnect"}]


def test_body_limit_leaves_anything_but_requests_alone():
    got = []

    async def app(*arguments):
        got.append(arguments)

    asyncio.run(BodyLimitMiddleware(app, 5)({"type": "lifespan"}, "receive", "send"))
    assert got == [({"type": "lifespan"}, "receive", "send")]
