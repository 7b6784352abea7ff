"""A server as it is started: many clients, a stop in the middle, the page in a browser."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from support.bundles import make_bundle, manifest_of, spoken, texts
from support.commands import ROOT
from support.models import FAMILIES
from support.pages import Document
from support.servers import FakePredictor, running
from transformers import AutoConfig, AutoModel

from polyhead import Predictor
from polyhead.app.jobs.serve import _address, _listen, run
from polyhead.deployment.bundle.manifest import seal
from polyhead.deployment.bundle.neighbors import Neighbors
from polyhead.errors import UserError
from polyhead.models.encoder import Encoder
from polyhead.models.multitask import MultiTaskModel
from polyhead.tasks import Task

pytestmark = pytest.mark.slow
CLIENTS = 64
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    tasks = (Task("category", ("Quote", "Riddle", "News")), Task("sentiment", ("Positive", "Negative")))
    encoder = Encoder(AutoModel.from_config(AutoConfig.for_model("bert", **FAMILIES["bert"])), "mean")
    folder = make_bundle(tmp_path_factory.mktemp("serve") / "bundle", MultiTaskModel(encoder, tasks, 0.0), tasks)
    stored = texts(30)[1:]
    Neighbors.from_embeddings(stored, [Predictor.load(folder).predict(stored).embeddings]).write(folder)
    seal(folder, manifest_of(tasks))
    return folder


def start(folder, *arguments):
    """Start a server on a free port and return its process and address."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "serve.py"), f"model={folder}", "port=0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder.parent,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )
    line = process.stdout.readline()
    assert " at http://127.0.0.1:" in line, process.stderr.read()
    return process, line.split()[-1]


@pytest.fixture(scope="module")
def server(folder):
    process, address = start(folder, "precision=32-true")
    yield address
    process.terminate()
    process.communicate(timeout=30)


def post(address, path, some):
    body = json.dumps({"texts": some}).encode()
    request = urllib.request.Request(f"{address}{path}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_server_sends_answers_at_once():
    """asyncio sets TCP_NODELAY on the connections of sockets that name their protocol."""
    with _listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_server_listens_at_an_address_of_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with _listen("::1", 0) as listener, socket.create_connection(listener.getsockname()[:2]):
        assert _address(listener) == f"[::1]:{listener.getsockname()[1]}"


def test_server_loses_and_mixes_up_no_request_of_many_clients(folder, server):
    some = spoken(300)
    expected = Predictor.load(folder, precision="32-true", device="cpu").predict(some).embeddings
    barrier = threading.Barrier(CLIENTS)

    def ask(client):
        barrier.wait(timeout=60)
        found = {}
        for turn in range(6):
            start = (client * 37 + turn * 11) % 290
            rows = range(start, start + 1 + (client + turn) % 9)
            found |= dict(zip(rows, post(server, "/embed", [some[i] for i in rows])["embeddings"], strict=True))
        return found

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(ask, range(CLIENTS)))
    for found in answers:
        np.testing.assert_allclose(list(found.values()), expected[list(found)], atol=1e-5)
    with urllib.request.urlopen(f"{server}/metrics", timeout=60) as response:
        lines = dict(line.rsplit(" ", 1) for line in response.read().decode().splitlines() if line[0] != "#")
    assert float(lines['polyhead_requests_total{model="bundle",path="/embed",status="200"}']) >= CLIENTS * 6
    assert float(lines['polyhead_batch_texts_count{model="bundle"}']) < CLIENTS * 6  # some were computed together


def test_server_finishes_what_it_accepted_when_it_stops(folder):
    process, address = start(folder)
    host, port = address.removeprefix("http://").split(":")
    body = json.dumps({"texts": spoken(250)}).encode()
    head = (
        f"POST /embed HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connections = [socket.create_connection((host, int(port)), timeout=60) for _ in range(8)]
    for connection in connections:
        connection.sendall(head.encode() + body)
    while len(answered := connections[0].recv(15, socket.MSG_PEEK)) < 15:  # the first is answered: all were read
        pass
    assert answered.endswith(b"200 OK")
    process.send_signal(signal.SIGTERM)
    for connection in connections:
        with connection, connection.makefile("rb") as stream:
            assert b"200 OK" in stream.readline()
            length = next(int(line.split(b":")[1]) for line in stream if line.lower().startswith(b"content-length"))
            while stream.readline().strip():
                pass
            assert len(json.loads(stream.read(length))["embeddings"]) == 250
    _, problems = process.communicate(timeout=60)
    assert problems == ""
    with pytest.raises(urllib.error.URLError):
        post(address, "/embed", ["w1"])


def rendered(url, profile):
    """Return the page as a browser shows it once its scripts have run."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += ["--disable-component-update", "--disable-sync", f"--user-data-dir={profile}"]
    done = subprocess.run(
        [CHROMIUM, *options, "--virtual-time-budget=10000", "--dump-dom", url],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_page_asks_for_the_token_where_the_server_does(tmp_path):
    with running(FakePredictor(tmp_path), token="correct-horse") as server:
        host, port = server.address
        page = rendered(f"http://{host}:{port}/?text=a", tmp_path / "asked")
    assert '<p id="asked">' in page
    assert "this server asks for a token" in page
    assert server.predictor.computed == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_page_shows_both_heads_and_the_nearest_sentences(server, folder, tmp_path):
    page = rendered(f"{server}/?text=w7+w8+%3Cb%3E", tmp_path)
    expected = Predictor.load(folder, precision="32-true").predict(["w7 w8 <b>"])[0]
    for task, shares in expected.probabilities.items():
        assert f"<h2>{task}</h2>" in page
        for label, share in shares.items():
            row = page[page.index(f"<span>{label}</span>") :]
            shown = float(row[row.index('class="share">') + 14 :].split("&nbsp;")[0])
            assert abs(shown - 100 * share) < 0.11
    assert page.count("<li>") == 5
    assert '<h1 id="name">bundle</h1>' in page
    assert 'id="problem" role="alert"></p>' in page
    assert '<p id="asked" hidden="">' in page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_page_makes_a_table_of_many_texts(server, folder, tmp_path):
    some = spoken(9)
    page = rendered(f"{server}/?text={urllib.parse.quote(chr(10).join(['', *some]))}", tmp_path)
    rows = Document(re.sub(r"(?s)<(script|style)>.*?</\1>", "", page)).tables[0]
    assert rows[0] == ["text", "category", "sentiment"]
    for row, text, prediction in zip(
        rows[1:], some, Predictor.load(folder, precision="32-true").predict(some), strict=True
    ):
        assert row[0] == text
        for cell, task in zip(row[1:], ("category", "sentiment"), strict=True):
            label, share = cell.removesuffix("\u00a0%").split()
            assert label == prediction.labels[task]
            assert abs(float(share) - 100 * max(prediction.probabilities[task].values())) < 0.11
    assert "9 texts" in page
    assert page.count('class="chip"') == 3  # of the stored sentences
    assert "Download CSV" in page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_docs_describe_every_path_in_a_browser(server, tmp_path):
    page = rendered(f"{server}/docs", tmp_path)
    document = Document(re.sub(r"(?s)<(script|style)>.*?</\1>", "", page))
    for path in ("POST /predict", "POST /v1/embeddings", "POST /neighbours", "GET /about", "GET /metrics"):
        assert path in document.text
    assert "data[].embedding" in document.text
    assert 'id="problem" role="alert"></p>' in page


def test_serve_reads_sentences_of_which_the_nearest_are_shown(folder, tmp_path):
    """One process: the name, the examples and the sentences are what it was given."""
    stored = spoken(6)
    (tmp_path / "stored.csv").write_text("\n".join(["said", *stored]), encoding="utf-8")
    given = [f"sentences={tmp_path / 'stored.csv'}", "text=said", "name=ours", "examples=[mine]"]
    process, address = start(folder, *given)
    try:
        (nearest,) = post(address, "/neighbours", [stored[2]])["neighbours"]
        with urllib.request.urlopen(f"{address}/about", timeout=60) as response:
            about = json.load(response)
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert nearest[0]["sentence"] == stored[2]
    assert {entry["sentence"] for entry in nearest} <= set(stored)
    assert (about["name"], about["examples"], about["sentences"]) == ("ours", ["mine"], 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sentences=nowhere.csv"], "sentences: 'nowhere.csv' is no file; name one, or set sentences=null"),
        (["sentences={empty}"], "sentences: .*empty.csv' holds none; set sentences=null"),
        (["sentences={empty}", "text=words"], "words"),
        (["examples=[1]"], r"examples: \[1\] given; it must be a list of sentences"),
        (["examples=[' ']"], "examples: .* given; it must be a list of sentences"),
        (["name=1"], "name: 1 given; it must be a text or null"),
        (["port={taken}"], "port: 127.0.0.1:.* cannot be served"),
        (["port=70000"], "port: 70000 given; it must be from 0 to 65535"),
        (["limits.texts=0"], r"limits\.texts: 0 given; it must be 1 or more"),
        (["batch_texts=0"], "batch_texts: 0 given"),
        (["stop_seconds=-1"], "stop_seconds: -1 given"),
        (["limits.read_seconds=0"], r"limits\.read_seconds: 0 given; it must be above 0"),
        (["limits.connections=1000000000"], r"limits\.connections: 1000000000 given; it must be \d+ or less, for the"),
        (["limits.waiting_bytes=1000"], r"limits\.waiting_bytes: 1000 given; it must be 8000000 or more"),
        (["hosts=[https://example.org]"], r"hosts: .'https://example.org'. given; it must be a list of names"),
        (["hosts=[example.org:80]"], "hosts: .'example.org:80'. given"),
        (["hosts=[1]"], "hosts: .1. given"),
        (["hosts=null"], "hosts: None given"),
        (["token_file=nowhere"], "token_file: nowhere cannot be read .No such file or directory."),
        (["token_file=1"], "token_file: 1 given; it must be a text or null"),
        (["backend=onnx"], r"has no onnx/model\.onnx; export it again with graph=onnx"),
        (["model=."], r"is no bundle, it has no tasks\.json"),
    ],
)
def test_serve_refuses_mistakes_in_one_line(folder, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        initialize_config_dir(str(ROOT / "configs"), version_base="1.3"),
    ):
        (tmp_path / "empty.csv").write_text("text\n\n", encoding="utf-8")
        names = {"taken": taken.getsockname()[1], "empty": tmp_path / "empty.csv"}
        overrides = [f"model={folder}", *(argument.format(**names) for argument in arguments)]
        with pytest.raises(UserError, match=message) as error:
            run(compose("serve", overrides=overrides))
    assert "\n" not in str(error.value)


def test_serve_names_all_ranges_that_do_not_fit_at_once(folder):
    wrong = ["port=-1", "batch_texts=0", "stop_seconds=-1", "limits.texts=0"]
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"), pytest.raises(UserError) as error:
        run(compose("serve", overrides=[f"model={folder}", *wrong]))
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == [
        "port",
        "batch_texts",
        "stop_seconds",
        "limits.texts",
    ]
