"""Replicas behind nginx: a rolling update under load loses no request. Skipped where nginx is not installed."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import ExitStack, contextmanager

import pytest
import torch
import yaml
from support.bundles import make_bundle
from support.commands import ROOT, start
from support.load import Load
from support.models import FAMILIES
from transformers import AutoConfig, AutoModel

from polyhead.models.encoder import Encoder
from polyhead.models.multitask import MultiTaskModel
from polyhead.tasks import Task

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
DEPLOY = ROOT / "deploy"
SERVICES = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def until(found):
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


class Replica:
    """A server as scripts/serve.py starts it."""

    def __init__(self, bundle, port, log):
        options = [f"model={bundle}", f"port={port}", "drain_seconds=2", "precision=32-true", "device=cpu"]
        self.port = port
        self.process = start(ROOT / "scripts" / "serve.py", *options, cwd=bundle.parent, log=log)

    def wait(self):
        until(lambda: is_healthy(self.port))

    def stop(self):
        os.kill(self.process.pid, signal.SIGTERM)
        self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()


@contextmanager
def proxy(folder, ports):
    """Start nginx as deploy/nginx.conf says, but for its port and the names of the replicas; give its address."""
    config = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    port = free_port()
    config, listens = re.subn(r"listen 8080;", f"listen 127.0.0.1:{port};", config)
    line = re.search(r"server server:8000 resolve (.*?;)", config)
    replicas = "\n".join(f"server 127.0.0.1:{replica} {line[1]}" for replica in ports)
    config = config.replace(line[0], replicas)
    assert listens == 1
    (folder / "nginx.conf").write_text(config, encoding="utf-8")
    command = [NGINX, "-e", "stderr", "-p", f"{folder}/", "-c", str(folder / "nginx.conf")]
    with (folder / "nginx.log").open("w") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        until(lambda: is_healthy(port))
        yield ("127.0.0.1", port)
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def bundles(tmp_path):
    """Make the bundles of before and after the update."""
    tasks = (Task("sentiment", ("Positive", "Negative")),)
    for number, name in enumerate(("before", "after")):
        torch.manual_seed(number)
        encoder = Encoder(AutoModel.from_config(AutoConfig.for_model("bert", **FAMILIES["bert"])), "mean")
        make_bundle(tmp_path / name, MultiTaskModel(encoder, tasks, 0.0), tasks)
    return tmp_path / "before", tmp_path / "after"


@pytest.mark.slow
@pytest.mark.skipif(NGINX is None, reason="no nginx is installed: apt-get install nginx")
def test_rolling_update_loses_no_request(bundles, tmp_path, trials, capsys):
    """Each of two replicas is replaced by one of another bundle, while clients ask through nginx."""
    before, after = bundles
    with ExitStack() as stack:
        replicas = [Replica(before, free_port(), tmp_path / f"{number}.log") for number in range(2)]
        for place in range(2):
            stack.callback(lambda place=place: replicas[place].kill())
        for replica in replicas:
            replica.wait()
        address = stack.enter_context(proxy(tmp_path, [replica.port for replica in replicas]))
        with Load(address, clients=4) as load:
            until(lambda: load.answered > 50)
            for round_ in range(trials(1, 20)):
                for place, replica in enumerate(replicas):
                    replica.stop()
                    replicas[place] = Replica(after, replica.port, tmp_path / f"{place}-{round_}.log")
                    replicas[place].wait()
            answered = load.answered
            until(lambda: load.answered > answered + 50)
    assert set(load.outcomes) == {"200"}, load.outcomes
    assert {len(found) for found in load.embeddings.values()} == {2}  # those of before, and those of after
    load.seconds.sort()
    with capsys.disabled():
        figures = [load.seconds[int(share * (len(load.seconds) - 1))] for share in (0.5, 0.99, 1)]
        print(
            f"\n{len(load.seconds):,} requests, none lost; seconds (median, 99 %, most)", *(f"{s:.3f}" for s in figures)
        )


def test_nginx_lets_through_what_the_server_takes():
    config = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    limits = yaml.safe_load((ROOT / "configs" / "serve.yaml").read_text(encoding="utf-8"))["limits"]
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", config)
    assert int(megabytes) * 2**20 >= limits["body_bytes"]


def test_replica_that_nginx_leaves_alone_is_back_before_the_next_one_stops():
    config = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    (left_alone,) = re.findall(r"resolve .*fail_timeout=(\d+)s", config)
    (drain,) = re.findall(r"drain_seconds=(\d+)", " ".join(SERVICES["server"]["command"]))
    assert int(drain) > int(left_alone)


def test_nginx_and_prometheus_find_the_replicas_by_the_name_of_the_service():
    config = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    (scrape,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    (discovery,) = scrape["dns_sd_configs"]
    ((name, port),) = re.findall(r"server (\w+):(\d+) resolve", config)
    assert (discovery["names"], discovery["port"]) == ([name], int(port))
    assert name in SERVICES
    (hosts,) = [word for word in SERVICES[name]["command"] if word.startswith("hosts=")]
    assert name in hosts


def test_replicas_are_published_to_this_machine_alone_and_have_time_to_end():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    stop = yaml.safe_load((ROOT / "configs" / "serve.yaml").read_text(encoding="utf-8"))["stop_seconds"]
    (drain,) = re.findall(r"drain_seconds=(\d+)", " ".join(SERVICES["server"]["command"]))
    assert int(SERVICES["server"]["stop_grace_period"].removesuffix("s")) > int(drain) + stop


def test_files_that_are_mounted_are_there():
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    files = [name for name in mounted if name.startswith("./")]
    assert len(files) == 2
    assert all((DEPLOY / name).is_file() for name in files)
