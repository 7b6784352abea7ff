"""The contest ``load``: the server under one client and under many, every answer held against the offline one."""

import http.client
import json
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import Contestant, Outcome, compete
from benchmarks.serving import write_bundle
from benchmarks.settings import Settings
from benchmarks.workload import ROOT, texts_of
from polyhead.deployment.predictor import Predictions, Predictor

_TEXTS_A_REQUEST = 3  # at most; at least one
_TOLERANCE = 1e-4  # of a probability: batches of other sizes round otherwise


@dataclass
class Tally:
    """What became of a client's requests.

    Args:
        answered: with the right number of predictions, each as offline.
        failed: not answered, refused, or with another answer than offline.
        difference: largest of a probability to the offline one.
    """

    answered: int = 0
    failed: int = 0
    difference: float = 0.0


def load(settings: Settings) -> Outcome:
    """Measure requests of one to three texts a second, the clients sending their next as soon as they have an answer.

    Raises:
        RuntimeError: a request was lost, or answered with what belongs to another.
    """
    texts = texts_of(settings)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, "bundle")
        write_bundle(settings, bundle)
        expected = Predictor.load(bundle, "torch", "32-true").predict(texts)
        serve = [sys.executable, str(ROOT / "scripts" / "serve.py"), f"model={bundle}", "port=0", "precision=32-true"]
        server = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout
            address = server.stdout.readline().partition("http://")[2].strip()
            contestants: dict[str, Contestant] = {
                f"{clients} client{'s' if clients > 1 else ''}": partial(
                    _clients, clients, settings.seconds, address, texts, expected
                )
                for clients in (1, settings.clients)
            }
            outcome = compete("load", "requests", contestants, settings.repeats)
        finally:
            server.terminate()
            server.wait()
    lost = sum(sum(entry.extra["lost or wrong"]) for entry in outcome.entries)
    if lost:
        raise RuntimeError(f"{lost:.0f} requests were lost or answered wrongly")
    return outcome


def _clients(
    clients: int, seconds: int, address: str, texts: list[str], expected: Predictions, repeat: int
) -> tuple[float, dict[str, float]]:
    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        run = partial(_client, address, texts, expected, started + seconds)
        tallies = list(pool.map(run, [clients * repeat + number for number in range(clients)]))
    rate = sum(tally.answered for tally in tallies) / (time.perf_counter() - started)
    failed = float(sum(tally.failed for tally in tallies))
    return rate, {"lost or wrong": failed, "largest difference": max(tally.difference for tally in tallies)}


def _client(address: str, texts: list[str], expected: Predictions, until: float, seed: int) -> Tally:
    choose, tally = random.Random(seed), Tally()
    connection = http.client.HTTPConnection(address, timeout=60)
    while time.perf_counter() < until:
        rows = [choose.randrange(len(texts)) for _ in range(choose.randint(1, _TEXTS_A_REQUEST))]
        body = json.dumps({"texts": [texts[row] for row in rows]})
        try:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            tally.failed += 1
            connection.close()  # the next request opens it again
            continue
        found = content.get("predictions", []) if response.status == 200 else []
        difference = max(map(partial(_difference, expected), rows, found)) if len(found) == len(rows) else 1.0
        tally.difference = max(tally.difference, difference)
        if difference <= _TOLERANCE:
            tally.answered += 1
        else:
            tally.failed += 1
    connection.close()
    return tally


def _difference(expected: Predictions, row: int, found: dict[str, Any]) -> float:
    """Return how far an answer's probabilities are from the offline ones."""
    return max(
        float(np.abs(expected.probabilities[task.name][row, index] - found[task.name]["probabilities"][label]))
        for task in expected.tasks
        for index, label in enumerate(task.labels)
    )
