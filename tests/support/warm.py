"""A process that has imported what the commands import, and forks for each command: that saves four seconds a command.

Started by :mod:`support.commands` with the path of a Unix socket to listen on; it ends when its standard input does.
Not for tests of starting itself, of signals or of what is imported.
"""

import json
import os
import runpy
import select
import socket
import sys
import tempfile
from importlib import import_module
from pathlib import Path

IMPORTS = [
    *(f"polyhead.app.{command}" for command in ("encode", "export", "predict", "reproduce", "run", "soup", "train")),
    "torch.utils.tensorboard",
    "transformers.models.bert.modeling_bert",
    "transformers.models.bert.tokenization_bert",
]


def wait_for_command(path: str) -> dict[str, str] | None:
    """Return, in a process of its own, each command that was asked for; None in this one, when the tests have ended."""
    for name in IMPORTS:
        import_module(name)
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
    tempfile.tempdir = None  # an import may have asked for the folder of temporary files, and the command's is another
    sys.argv = command["argv"]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
