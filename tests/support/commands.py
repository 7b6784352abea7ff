"""The commands as a user runs them, each in a process of its own."""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


def sizes(train, others):
    """Return the overrides for so many sentences to train on, and so many of validation and of test each."""
    return [f"data.sizes.train={train}", f"data.sizes.validation={others}", f"data.sizes.test={others}"]


SMALL_DATA = [*sizes(64, 32), "trainer.max_epochs=2"]
TINY_ENCODER = [
    "encoder.pretrained=false",
    "encoder.architecture.hidden_size=24",
    "encoder.architecture.intermediate_size=48",
    "encoder.architecture.num_hidden_layers=2",
]
NO_PICTURES = [  # they take half of a tiny run's time
    "~callbacks.confusion",
    "~callbacks.gallery",
    "~callbacks.reliability",
    "+callbacks.progress.refresh_rate=0",  # no bar: the end of each stage waits until its thread has slept a second
]
NO_HEALTH = ["health=off"]  # it embeds the validation sentences twice more, a tenth of a tiny run's time
TINY = [*SMALL_DATA, *TINY_ENCODER, *NO_PICTURES, *NO_HEALTH, "accelerator=cpu"]
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
TIMEOUT = 300  # seconds


def train(*arguments, cwd, **environment):
    """Run ``python train.py`` as a user does, in another folder."""
    return run(ROOT / "train.py", *arguments, cwd=cwd, **environment)


def script(name, *arguments, cwd=None, stdin=None, text=True, **environment):
    """Run a script as a user does, in this folder or in another."""
    return run(ROOT / "scripts" / f"{name}.py", *arguments, cwd=cwd, stdin=stdin, text=text, **environment)


def run(path, *arguments, cwd=None, stdin=None, text=True, **environment):
    """Run a command to its end, forked from a process with its imports unless these may depend on the environment."""
    streams = {"encoding": "utf-8"} if text else {}
    if any(not name.startswith("POLYHEAD_") for name in environment):
        return subprocess.run(
            [sys.executable, str(path), *arguments],
            capture_output=True,
            cwd=cwd,
            input=stdin,
            env=os.environ | ENVIRONMENT | environment,
            timeout=TIMEOUT,
            **streams,
        )
    given = b"" if stdin is None else stdin if isinstance(stdin, bytes) else stdin.encode()
    with tempfile.TemporaryFile() as inp, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        inp.write(given)
        inp.seek(0)
        argv = [str(path), *arguments]
        code = _fork(argv, cwd or Path.cwd(), environment, [file.fileno() for file in (inp, out, err)])
        out.seek(0)
        err.seek(0)
        outputs = [out.read(), err.read()]
    if text:
        outputs = [output.decode() for output in outputs]
    return subprocess.CompletedProcess([sys.executable, *argv], code, *outputs)


def _fork(argv, cwd, environment, descriptors):
    """Have the warm process fork a command; return its exit code."""
    started = Started(argv, cwd, environment, descriptors)
    try:
        return started.wait()
    except TimeoutError:
        started.kill()
        raise


class Started:
    """A command that the warm process has forked, and that runs."""

    def __init__(self, argv, cwd, environment, descriptors):
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(TIMEOUT)
        script = Path(argv[0])
        self._connection.connect(_warm(ROOT if ROOT in script.parents else script.parent))
        socket.send_fds(self._connection, [b"!"], descriptors)
        request = {"argv": argv, "cwd": str(cwd), "environment": os.environ | ENVIRONMENT | environment}
        self._stream = self._connection.makefile("rw")
        print(json.dumps(request), file=self._stream, flush=True)
        self.pid = int(self._stream.readline())

    def wait(self):
        """Return the exit code; below 0 it is the signal that ended the command."""
        with self._connection, self._stream:
            return int(self._stream.readline())

    def has_ended(self):
        return bool(select.select([self._connection], [], [], 0)[0])

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)


def start(path, *arguments, cwd, log, **environment):
    """Start a command whose output goes to a file; its environment may name another folder for temporary files."""
    with open(os.devnull) as nothing, open(log, "w") as file:
        descriptors = [nothing.fileno(), file.fileno(), file.fileno()]
        return Started([str(path), *arguments], cwd, environment, descriptors)


SHARED = "POLYHEAD_TESTS_WARM"  # names the socket of a warm process of this checkout that another process has started


@cache
def _warm(root):
    """Return the path of the socket of the process that has the imports of a checkout, once it listens."""
    shared = os.environ.get(SHARED) if root == ROOT else None
    path, process = (shared, None) if shared else start_warm(root)
    end = time.monotonic() + TIMEOUT
    while not os.path.exists(path):
        if time.monotonic() > end or (process and process.poll() is not None):
            raise RuntimeError("the process with the imports ended")
        time.sleep(0.05)
    return path


def start_warm(root=ROOT):
    """Start the process that has the imports of a checkout; return the path of its socket to come, and the process.

    It ends with this one.
    """
    folder = tempfile.TemporaryDirectory()
    path = str(Path(folder.name) / "socket")
    package = {} if root == ROOT else {"PYTHONPATH": str(root / "src")}
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("warm.py")), path],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=os.environ | ENVIRONMENT | package,
    )

    @atexit.register
    def end():
        process.stdin.close()
        process.wait()
        folder.cleanup()

    return path, process
