"""Processes that a command starts end with it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.commands import ROOT, SMALL_DATA, TINY_ENCODER, start

WAIT = 10  # seconds

CHILD = """
import time
from polyhead.app.terminal.children import end_with_parent
end_with_parent()
print("child", flush=True)
while True:
    sum(range(10_000))
"""
PARENT = f"""
import subprocess, sys, time
from polyhead.app.terminal.children import end_with_parent
end_with_parent()
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}])
print(child.pid, flush=True)
time.sleep(100)
"""


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def descendants(pid):
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += [int(path.parent.name), *descendants(int(path.parent.name))]
    return found


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("way", ["kill", "terminate"])
def test_a_child_that_computes_ends_with_its_parent(way):
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        assert parent.stdout.readline() == "child\n"
        assert is_alive(child)
        getattr(parent, way)()
        parent.wait()
        assert wait_until(lambda: not is_alive(child), WAIT)


@needs_proc
def test_a_process_of_another_program_is_left_alone():
    code = (
        "import os; from polyhead.app.terminal.children import end_with_parent; end_with_parent(); import threading; "
    )
    code += "print(threading.active_count())"
    for parent in (None, "1"):  # nobody's, and that of a process which lives and is not the parent
        environment = {name: value for name, value in os.environ.items() if name != "POLYHEAD_PARENT"}
        environment |= {} if parent is None else {"POLYHEAD_PARENT": parent}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        assert done.stdout == "1\n"


@needs_proc
@pytest.mark.slow
def test_processes_of_distributed_training_end_when_the_first_is_killed(tmp_path):
    arguments = [*SMALL_DATA, *TINY_ENCODER, "trainer.max_epochs=5000", "accelerator=ddp_cpu", "logger=none"]
    first = start(ROOT / "train.py", *arguments, "hydra.run.dir=run", cwd=tmp_path, log=tmp_path / "log")
    try:
        last = tmp_path / "run" / "checkpoints" / "last.ckpt"
        assert wait_until(last.exists, 240), (tmp_path / "log").read_text()[-2000:]  # both train
        others = descendants(first.pid)
        assert any(map(is_alive, others))
    finally:
        first.kill()
        first.wait()
    assert wait_until(lambda: not any(map(is_alive, others)), WAIT)
