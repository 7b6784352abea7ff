"""Runs over several nodes: torchrun on each, here with loopback between them."""

import os
import socket
import subprocess
import sys
import time

import pytest
import torch
from support.commands import ENVIRONMENT, ROOT, TINY, train

from polyhead.processes import Spread, first_process, lost_another_process, torchrun_spread

SAME_STEPS = [
    "+encoder.architecture.hidden_dropout_prob=0.0",
    "+encoder.architecture.attention_probs_dropout_prob=0.0",
    "model.dropout=0.0",
    "trainer.precision=32-true",
    "test=false",
]


def start_nodes(count, folder, *arguments, processes=1, restarts=0):
    """Start a torchrun on each of so many nodes; their output goes to files of their rank's name."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nodes = []
    for rank in range(count):
        command = [sys.executable, "-m", "torch.distributed.run", f"--nnodes={count}", f"--node-rank={rank}"]
        command += [f"--nproc-per-node={processes}", f"--max-restarts={restarts}"]
        command += ["--master-addr=127.0.0.1", f"--master-port={port}", str(ROOT / "train.py")]
        with (folder / f"{rank}.log").open("w") as log:
            nodes.append(
                subprocess.Popen(
                    [*command, *TINY, *arguments, "accelerator=ddp_cpu"],
                    cwd=folder,
                    env=os.environ | ENVIRONMENT | {"GLOO_SOCKET_IFNAME": "lo"},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
    return nodes


def weights(run):
    (path,) = run.glob("checkpoints/best.ckpt")
    state = torch.load(path, weights_only=True)["state_dict"]
    return {name: value for name, value in state.items() if name.startswith("model.")}


@pytest.mark.slow
def test_two_nodes_with_half_the_batch_reach_the_weights_of_one(tmp_path):
    one = train(*TINY, *SAME_STEPS, "loader.batch_size=32", "run_dir=one", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    two = start_nodes(2, tmp_path, *SAME_STEPS, "loader.batch_size=16", "run_dir=two")
    assert [node.wait(timeout=120) for node in two] == [0, 0], (tmp_path / "1.log").read_text()[-2000:]
    assert (tmp_path / "1.log").read_text().count("trainable") == 0  # the first process alone says what is going on
    expected, found = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.slow
def test_run_whose_other_node_ended_says_so_in_one_line_and_continues(tmp_path):
    choices = ["trainer.max_epochs=300", "test=false", "run_dir=run"]
    first, second = start_nodes(2, tmp_path, *choices)
    log = tmp_path / "0.log"
    wait_until((tmp_path / "run" / "checkpoints" / "last.ckpt").exists, first)
    for pid in [second.pid, *children(second.pid)]:
        os.kill(pid, 9)
    assert first.wait(timeout=60) != 0
    second.wait()
    assert "another process of this run has ended" in log.read_text()
    assert "Traceback" not in log.read_text().partition("error: ")[0]

    again = start_nodes(2, tmp_path, "trainer.max_epochs=300", "test=false", "run_dir=run", "resume=auto")
    wait_until(lambda: "continued from" in log.read_text(), again[0])
    for node in again:
        for pid in [node.pid, *children(node.pid)]:
            os.kill(pid, 9)
        node.wait()
    assert "continued from" in log.read_text()


@pytest.mark.slow
def test_run_that_torchrun_restarts_after_a_kill_is_that_which_was_never_killed(tmp_path):
    choices = [*SAME_STEPS, "data.sizes.train=256", "loader.batch_size=4"]
    whole = train(*TINY, *choices, "accelerator=ddp_cpu", "run_dir=whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    more = ["callbacks.last.every_minutes=0", "resume=auto", "run_dir=killed"]
    (node,) = start_nodes(1, tmp_path, *choices, *more, processes=2, restarts=1)
    wait_until((tmp_path / "killed" / "checkpoints" / "last.ckpt").exists, node)
    os.kill(children(node.pid)[1], 9)
    assert node.wait(timeout=240) == 0, (tmp_path / "0.log").read_text()[-2000:]
    assert "continued from" in (tmp_path / "0.log").read_text()
    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def wait_until(holds, process):
    give_up = time.monotonic() + 120
    while not holds() and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.05)


def children(pid):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in found.stdout.split()]


def test_processes_of_torchrun_must_be_given_a_folder_that_all_know(monkeypatch):
    from polyhead.app.training.train import _check_shared_folder
    from polyhead.errors import UserError

    for name, value in {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="^run_dir: name a folder that all processes of torchrun see"):
        _check_shared_folder(["seed=1"])
    _check_shared_folder(["seed=1", "run_dir=runs/a"])


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0", "GROUP_RANK": "0"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0", "GROUP_RANK": "1"}, False),
        ({"NODE_RANK": "1"}, False),
        ({"NODE_RANK": "0", "LOCAL_RANK": "1"}, False),
        ({"SLURM_PROCID": "3", "SLURM_LOCALID": "0"}, False),
    ],
)
def test_first_process_is_that_of_all_nodes(environment, first, monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert first_process() == first


def test_torchrun_spread_is_what_torchrun_says():
    assert torchrun_spread({}) is None
    said = {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"}
    assert torchrun_spread(said) == Spread(nodes=2, devices=4)


def test_lost_process_is_told_from_other_errors():
    lost = "[/__w/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error: Connection reset by peer"
    assert lost_another_process(RuntimeError(lost))
    assert lost_another_process(torch.distributed.DistBackendError("NCCL error"))
    assert not lost_another_process(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
