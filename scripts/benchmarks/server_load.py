"""The benchmark ``load``: the server under one client and under many, every answer held against the offline one."""

import http.client
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bundle import write_bundle
from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.settings import Settings
from benchmarks.workload import ROOT, texts_of
from polyhead.deployment.predictions import Predictions
from polyhead.deployment.predictor import Predictor

_MOST_TEXTS = 3  # per request
_TOLERANCE = 1e-4  # of a probability: batches of other sizes round otherwise
_TIMEOUT = 60  # seconds for an answer


@dataclass
class Tally:
    """The answers to a client's requests.

    Args:
        answered: requests with the right number of predictions, each as offline.
        failed: requests without an answer, refused, or with another answer than offline.
        difference: largest one of a probability to the offline one.
    """

    answered: int = 0
    failed: int = 0
    difference: float = 0.0


def load(settings: Settings) -> Comparison:
    """Measure requests per second, of one to three texts each; clients send the next when they have an answer.

    Raises:
        RuntimeError: a request was lost, or answered with predictions of other texts.
    """
    texts = texts_of(settings)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, "bundle")
        write_bundle(settings, bundle)
        expected = Predictor.load(bundle, "torch", "32-true").predict(texts)
        with _serve(bundle) as address:
            baselines = {}
            for clients in (1, settings.clients):
                run = partial(_send, clients, settings.seconds, address, texts, expected)
                baselines[f"{clients} client{'s' if clients > 1 else ''}"] = Baseline(run)
            comparison = compare("load", "requests", baselines, settings)
    lost = sum(sum(entry.extra["lost or wrong"]) for entry in comparison.entries)
    if lost:
        raise RuntimeError(f"{lost:.0f} requests were lost or answered wrongly")
    return comparison


@contextmanager
def _serve(bundle: Path) -> Iterator[str]:
    """Run a server, and give its address."""
    script = str(ROOT / "scripts" / "serve.py")
    command = [sys.executable, script, f"model={bundle}", "port=0", "precision=32-true"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        _, _, address = server.stdout.readline().partition("http://")
        if not address:
            raise RuntimeError("the server did not start")
        yield address.strip()
    finally:
        server.terminate()
        server.communicate()


def _send(
    clients: int, seconds: int, address: str, texts: list[str], expected: Predictions, repeat: int
) -> Measurement:
    """Have clients send requests for so many seconds."""
    started = time.perf_counter()
    run = partial(_client, address, texts, expected, started + seconds)
    with ThreadPoolExecutor(clients) as pool:
        tallies = list(pool.map(run, [clients * repeat + number for number in range(clients)]))
    taken = time.perf_counter() - started
    figures = {
        "lost or wrong": float(sum(tally.failed for tally in tallies)),
        "largest difference": max(tally.difference for tally in tallies),
    }
    return Measurement(sum(tally.answered for tally in tallies), taken, figures)


def _client(address: str, texts: list[str], expected: Predictions, until: float, seed: int) -> Tally:
    """Send requests of random texts until then, and compare each answer."""
    choose, tally = random.Random(seed), Tally()
    connection = http.client.HTTPConnection(address, timeout=_TIMEOUT)
    while time.perf_counter() < until:
        rows = [choose.randrange(len(texts)) for _ in range(choose.randint(1, _MOST_TEXTS))]
        found = _ask(connection, [texts[row] for row in rows])
        if len(found) != len(rows):
            tally.failed += 1
            continue
        difference = max(map(partial(_difference, expected), rows, found))
        tally.difference = max(tally.difference, difference)
        if difference <= _TOLERANCE:
            tally.answered += 1
        else:
            tally.failed += 1
    connection.close()
    return tally


def _ask(connection: http.client.HTTPConnection, texts: list[str]) -> list[dict[str, Any]]:
    """Return the predictions of the texts; none where there is no answer, or another one than predictions."""
    body = json.dumps({"texts": texts})
    try:
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        connection.close()  # the next request opens it again
        return []
    predictions: list[dict[str, Any]] = content.get("predictions", []) if response.status == 200 else []
    return predictions


def _difference(expected: Predictions, row: int, found: dict[str, Any]) -> float:
    """Return the largest difference of an answer's probabilities to the offline ones of a row."""
    differences = []
    for task in expected.tasks:
        offline = expected.probabilities[task.name][row]
        online = [found[task.name]["probabilities"][label] for label in task.labels]
        differences.append(float(np.abs(offline - online).max()))
    return max(differences)
