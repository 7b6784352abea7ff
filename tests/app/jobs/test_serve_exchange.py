"""A server as it is started: several models, bundles that are replaced, the time between SIGTERM and the end."""

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from support.bundles import make_bundle, spoken
from support.commands import ROOT
from support.models import FAMILIES
from transformers import AutoConfig, AutoModel

from polyhead import Predictor
from polyhead.app.jobs import served_models
from polyhead.app.jobs.serve import run
from polyhead.app.jobs.served_models import Loader, Place, read_places
from polyhead.deployment.bundle.folder import Bundle
from polyhead.errors import UserError
from polyhead.models.encoder import Encoder
from polyhead.models.multitask import MultiTaskModel
from polyhead.tasks import Task

pytestmark = pytest.mark.slow
TEXT = spoken(3)[2]
COMMAND = [sys.executable, str(ROOT / "scripts" / "serve.py")]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Make three bundles with different weights, the third of them damaged."""
    folder = tmp_path_factory.mktemp("bundles")
    tasks = (Task("sentiment", ("Positive", "Negative")),)
    for number, name in enumerate(("one", "two")):
        torch.manual_seed(number)
        encoder = Encoder(AutoModel.from_config(AutoConfig.for_model("bert", **FAMILIES["bert"])), "mean")
        make_bundle(folder / name, MultiTaskModel(encoder, tasks, 0.0), tasks)
    shutil.copytree(folder / "two", folder / "damaged")
    weights = folder / "damaged" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    tasks_file = folder / "damaged" / "tasks.json"
    tasks_file.write_text(tasks_file.read_text(encoding="utf-8") + "\n", encoding="utf-8")  # another version
    return folder


def point(link, target):
    """Have a symbolic link lead elsewhere, at once."""
    new = link.with_name("new")
    new.symlink_to(target)
    new.replace(link)


def start(*arguments, **options):
    process = subprocess.Popen(
        [*COMMAND, "port=0", "precision=32-true", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        **options,
    )
    line = process.stdout.readline()
    assert " at http://127.0.0.1:" in line, process.stderr.read()
    return process, line.split()[-1]


def ask(address, **more):
    body = json.dumps({"texts": [TEXT], **more}).encode()
    request = Request(f"{address}/embed", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=60) as response:
        return np.array(json.load(response)["embeddings"][0]), response.headers


def status(address, path):
    try:
        with urlopen(f"{address}{path}", timeout=20) as response:
            return response.status
    except HTTPError as error:
        return error.code


def test_server_takes_in_a_bundle_that_was_replaced_and_drains(bundles, tmp_path):
    """One process: an exchange while clients ask, a damaged bundle, SIGTERM."""
    expected = [
        Predictor.load(bundles / name, precision="32-true").predict([TEXT]).embeddings[0] for name in ("one", "two")
    ]
    link = tmp_path / "current"
    link.symlink_to(bundles / "one")
    process, address = start(f"model={{a: {link}, b: {bundles / 'one'}}}", "drain_seconds=2")
    answers, done = [[] for _ in range(3)], threading.Event()

    def client(found):
        while not done.is_set():
            found.append(ask(address)[0])

    clients = [threading.Thread(target=client, args=[found]) for found in answers]
    for thread in clients:
        thread.start()
    try:
        point(link, bundles / "two")
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline().startswith("a: version ")
        assert process.stdout.readline().startswith("b: version ")
        np.testing.assert_allclose(ask(address)[0], expected[1], atol=1e-5)
        np.testing.assert_allclose(ask(address, model="b")[0], expected[0], atol=1e-5)
        point(link, bundles / "damaged")
        process.send_signal(signal.SIGHUP)
        assert "nothing to exchange" in process.stdout.readline()
        np.testing.assert_allclose(ask(address)[0], expected[1], atol=1e-5)
    finally:
        done.set()
        for thread in clients:
            thread.join(timeout=60)
        process.terminate()
    deadline = time.monotonic() + 20
    while status(address, "/health") == 200 and time.monotonic() < deadline:
        pass
    assert status(address, "/health") == 503
    embedding, headers = ask(address)  # it is answered all the same, and the connection ends with it
    np.testing.assert_allclose(embedding, expected[1], atol=1e-5)
    assert headers["Connection"] == "close"
    out, problems = process.communicate(timeout=60)
    assert out == ""
    (line,) = problems.splitlines()
    assert line.startswith(f"a: version {Bundle.open(bundles / 'two').version} stays in service; ")
    with pytest.raises(URLError):
        ask(address)
    for found in answers:
        turns = [int(np.abs(row - expected[0]).max() > 1e-4) for row in found]
        assert turns == sorted(turns)  # the old one, then the new one
        for turn, row in zip(turns, found, strict=True):
            np.testing.assert_allclose(row, expected[turn], atol=1e-5)


def start_in_terminal(model, ignored=False):
    """Return the process and the terminal of a server that serves, and has printed where."""
    child, terminal = pty.fork()
    if child == 0:
        if ignored:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.execv(sys.executable, [*COMMAND, "port=0", f"model={model}"])
    return child, terminal, read_until(terminal, b" at http://127.0.0.1:", b"\r\n").split()[-1].decode()


def read_until(terminal, *parts):
    """Return what a terminal has printed once it holds these parts, one after the other."""
    printed, start = b"", 0
    for part in parts:
        while part not in printed[start:]:
            assert select.select([terminal], [], [], 60)[0], printed
            try:
                printed += os.read(terminal, 1000)
            except OSError as error:  # the process has ended
                raise AssertionError(printed) from error
        start = printed.index(part, start) + len(part)
    return printed


def test_server_ends_with_the_terminal_it_was_started_from(bundles):
    """There SIGHUP says that the terminal has gone, not that a bundle was replaced."""
    child, terminal, _ = start_in_terminal(bundles / "one")
    os.kill(child, signal.SIGHUP)  # somebody asks for what lies there, and the terminal is there
    read_until(terminal, b"nothing to exchange")
    os.close(terminal)
    deadline = time.monotonic() + 60
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_server_that_ignores_hang_ups_outlives_its_terminal(bundles):
    """As under nohup."""
    child, terminal, address = start_in_terminal(bundles / "one", ignored=True)
    os.close(terminal)
    try:
        os.kill(child, signal.SIGHUP)
        for _ in range(3):
            assert status(address, "/health") == 200
            time.sleep(0.2)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_loader_refuses_a_bundle_that_is_replaced_while_it_is_read(bundles, tmp_path, monkeypatch):
    link = tmp_path / "current"
    link.symlink_to(bundles / "one")
    load = served_models.Predictor.load

    def replaced(*given):
        point(link, bundles / "two")
        return load(*given)

    monkeypatch.setattr(served_models.Predictor, "load", replaced)
    loader = Loader("torch", "32-true", "cpu", [], None)
    with pytest.raises(UserError, match="was replaced while it was read; load it again"):
        loader.load(Place(str(link), None))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("model=a/reviews", [("a/reviews", "called")]),
        ("model=[a/reviews,b/mails/]", [("a/reviews", "reviews"), ("b/mails/", "mails")]),
        ("model={x: a/bundle, y: b/bundle}", [("a/bundle", "x"), ("b/bundle", "y")]),
    ],
)
def test_places_have_the_names_of_their_folders_or_those_given(given, names):
    config = composed(given, *(["name=called"] if "{" not in given and "[" not in given else []))
    assert [(place.folder, place.name) for place in read_places(config)] == names


def composed(*overrides):
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        return compose("serve", overrides=list(overrides))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["model=[a/bundle,b/bundle]"], "model: two models are called 'bundle'; give them names: model={NAME: FOLDER"),
        (["model=[]"], "model: no model given"),
        (["model=[1]"], r"model: \[1\] given; it must be a folder"),
        (["model=3"], "model: 3 given; it must be a text"),
        (["model=[a,b]", "name=c"], "name: given beside several models; leave it out"),
        (["model=[a,b]"], "a' is no bundle.*\n.*b' is no bundle"),
        (["model=a", "drain_seconds=-1"], "drain_seconds: -1 given; it must be 0 or more"),
    ],
)
def test_serve_refuses_models_that_it_cannot_serve(given, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        run(composed(*given))
