"""The exchange of models while requests run: none is lost, none is answered by two of them."""

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from support.servers import LIMITS
from support.tagged import TaggedPredictor

from polyhead.deployment.server import ServedModel, create_service


def served(folder, tag, name="m", **options):
    return ServedModel(name, TaggedPredictor(folder, tag=tag, **options))


def tags(answer):
    assert answer.status_code == 200, answer.text
    return [row[0] for row in answer.json()["embeddings"]]


@pytest.fixture
def first(tmp_path):
    return served(tmp_path, 1)


@pytest.fixture
def client(first):
    with TestClient(create_service([first], LIMITS, 8)) as client:
        yield client


def exchange(client, *models):
    client.portal.call(client.app.state.service.replace, models)


def test_request_that_has_begun_is_answered_by_the_model_it_began_with(client, first, tmp_path):
    first.predictor.go.clear()
    with ThreadPoolExecutor(2) as pool:
        early = pool.submit(client.post, "/embed", json={"texts": ["a"] * 3})
        assert first.predictor.computing.wait(timeout=30)
        exchanging = pool.submit(exchange, client, served(tmp_path, 2))
        ended = time.monotonic() + 30
        while client.get("/about").json()["version"] != "v2":
            assert time.monotonic() < ended
        late = threading.Thread(target=client.post, args=["/embed"], kwargs={"json": {"texts": ["late"]}})
        late.start()
        assert not exchanging.done()  # it waits for the early one
        first.predictor.go.set()
        assert tags(early.result(timeout=30)) == [1, 1, 1]
        exchanging.result(timeout=30)
        late.join(timeout=30)
    assert tags(client.post("/embed", json={"texts": ["b"]})) == [2]
    assert first.predictor.computed == ["a"] * 3


@pytest.mark.slow
def test_exchanges_under_load_lose_and_mix_up_nothing(client, tmp_path):
    done = threading.Event()

    def ask(number):
        seen = []
        while not done.is_set():
            answer = client.post("/embed", json={"texts": ["x" * number, "y", "z"]})
            if answer.status_code != 429:
                (tag,) = set(tags(answer))
                assert [row[1] for row in answer.json()["embeddings"]] == [number, 1, 1]
                seen.append(tag)
        return seen

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, number) for number in range(1, 5)]
        for tag in range(2, 12):
            exchange(client, served(tmp_path, tag, seconds=0.002))
        done.set()
        seen = [future.result(timeout=60) for future in asking]
    assert all(found == sorted(found) for found in seen)  # never back to one of before
    assert len({tag for found in seen for tag in found}) > 2


def test_exchange_keeps_the_queues_of_models_that_stay(client, first, tmp_path):
    first.predictor.go.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.post, "/embed", json={"texts": ["a"]})
        assert first.predictor.computing.wait(timeout=30)
        first.predictor.go.set()
        exchange(client, first, served(tmp_path, 2, name="n"))
        assert tags(waiting.result(timeout=30)) == [1]
    assert tags(client.post("/embed", json={"texts": ["a"], "model": "n"})) == [2]
    assert tags(client.post("/embed", json={"texts": ["a"]})) == [1]


def test_exchange_describes_the_new_model(client, tmp_path):
    exchange(client, served(tmp_path, 2))
    text = client.get("/metrics").text
    assert 'polyhead_model_info{model="m",version="v2"} 1.0' in text
    assert 'version="v1"' not in text


def test_exchange_lets_go_of_the_model_of_before(tmp_path):
    model = served(tmp_path, 1)
    gone = weakref.ref(model.predictor)
    with TestClient(create_service([model], LIMITS, 8)) as client:
        assert tags(client.post("/embed", json={"texts": ["a"]})) == [1]
        del model
        exchange(client, served(tmp_path, 2))
        gc.collect()
        assert gone() is None


def test_exchange_that_is_refused_changes_nothing(client, first):
    with pytest.raises(ValueError, match="two models are called 'm'"):
        exchange(client, first, first)
    assert tags(client.post("/embed", json={"texts": ["a"]})) == [1]
