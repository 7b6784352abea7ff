import asyncio
import json

import pytest

from polyhead.deployment.server.body_limit import BodyLimitMiddleware
from polyhead.deployment.server.limits import Limits
from polyhead.errors import UserError

LIMITS = {"characters": 10, "texts": 4, "body_bytes": 100, "waiting_texts": 8}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_below_one_is_refused(name):
    with pytest.raises(UserError, match=rf"limits\.{name}: 0 given"):
        Limits(**LIMITS | {name: 0})


def test_a_queue_that_holds_less_than_a_request_is_refused():
    with pytest.raises(UserError, match="one request may bring 4, allow as many"):
        Limits(**LIMITS | {"waiting_texts": 3})


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


def test_a_body_within_the_limit_arrives_whole():
    assert send([b"abc", b"", b"de"], 5) == ([b"abcde"], 3, [])


@pytest.mark.parametrize(("parts", "read"), [(6, 6), (1000, 41)])
def test_a_larger_one_is_answered_and_read_no_further_than_a_while(parts, read):
    got, found, answers = send([b"x"] * parts, 5)
    assert got == []
    assert found == read
    assert answers[0]["status"] == 413
    assert "larger than 5 bytes; send fewer" in json.loads(answers[1]["body"])["error"]
