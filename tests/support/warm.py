"""A process that has imported what the commands import, and forks for each command: that saves four seconds a command.

It has composed a configuration and generated sentences, too: what Hydra has loaded, and the compiled grammar, stay.

Started by :mod:`support.commands` with the path of a Unix socket to listen on; it ends when its standard input does.
Not for tests of starting itself, of signals or of what is imported.
"""

import atexit
import gc
import json
import os
import runpy
import select
import socket
import sys
import tempfile
import threading
from importlib import import_module
from pathlib import Path

CONFIGS = Path(__file__).parents[2] / "configs"

IMPORTS = [
    "polyhead.commands",  # first: it lets what a library imports for nothing wait
    *(
        f"polyhead.app.{module}"
        for module in (
            *("jobs.encode", "jobs.export", "jobs.label", "jobs.predict"),
            *("training.reproduce", "training.run", "training.soup", "training.train"),
        )
    ),
    "torch.utils.tensorboard",
    "transformers.models.bert.modeling_bert",
    "transformers.models.bert.tokenization_bert",
    *(f"polyhead.training.callbacks.{name}" for name in ("gradients", "interruption", "last", "mistakes", "progress")),
    "tensorboard.plugins.hparams.api_pb2",
    "datasets",
    "peft",
]


def wait_for_command(path: str) -> dict[str, str] | None:
    """Return, in a process of its own, each command that was asked for; None in this one, when the tests have ended."""
    os.fsync = lambda file: None  # as in conftest.py
    gc.disable()
    for name in IMPORTS:
        import_module(name)
    _use()
    gc.collect()
    gc.freeze()  # a collection in a child would touch, and so copy, every page of them
    gc.enable()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.new")
        listener.listen()
        Path(f"{path}.new").rename(path)  # whoever sees it can connect
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return None
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    return _fork_command(connection)
            _reap()


def _use() -> None:
    """Do once what nearly every command does, and what is kept in memory."""
    hydra, synthetic = import_module("hydra"), import_module("polyhead.sources.synthetic.corpus")
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        hydra.compose("train", return_hydra_config=True)
    source = synthetic.HypotheticalCorpus({"train": 1000, "test": 1000}, 0, 0, 1, 0, 0)
    for split in ("train", "test"):
        list(source.sentences(split))


def _fork_command(connection: socket.socket) -> dict[str, str]:
    """Return the command in a child, and report the child's end from this process, which waits for it."""
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rw") as stream:
        request = json.loads(stream.readline())
        child = os.fork()
        if child:
            print(child, file=stream, flush=True)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=stream, flush=True)
            os._exit(0)
    for standard, descriptor in enumerate(descriptors):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    return request


def run_to_the_end() -> None:
    """Run the command and end the process as Python does, except that nothing is freed.

    To free thousands of imported objects, each on a page that is still shared with the parent, takes two seconds.
    """
    code = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = _exit_code(end)
    except BaseException:  # what Python itself would print
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _exit_code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xFF
    print(end.code, file=sys.stderr)
    return 1


def _reap() -> None:
    """Forget the ended processes that waited for a command."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__" and (command := wait_for_command(sys.argv[1])):
    os.chdir(command["cwd"])
    os.environ.clear()
    os.environ.update(command["environment"])
    sys.path[1:1] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in sys.path]
    tempfile.tempdir = None  # an import may have asked for the folder of temporary files, and the command's is another
    sys.argv = command["argv"]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    run_to_the_end()
