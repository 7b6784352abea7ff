"""Children: processes that a command starts end with it, also where it is killed. Imports nothing heavy.

Distributed training, launchers of sweeps and others start processes that run this package's commands again. One whose
parent is gone would wait for it, or compute for nobody, at full load.
"""

import os
import signal
import threading
import time

_PARENT = "POLYHEAD_PARENT"  # environment variable: the process whose end is that of its children
_PERIOD = 1.0  # seconds between two looks at the parent


def end_with_parent() -> None:
    """End this process once the one that started it is gone, if that is a command of this package.

    A process that another program started, such as torchrun or a scheduler, is left to that.
    """
    parent = os.environ.get(_PARENT)
    os.environ[_PARENT] = str(os.getpid())  # for those that this process starts
    if parent is None or parent == str(os.getpid()):
        return
    if _is_watched(int(parent)):
        threading.Thread(target=_watch, args=(int(parent),), daemon=True, name="watch of the parent").start()


def _is_watched(parent: int) -> bool:
    """Return whether the parent is this process's own, or was: one that is gone has left it to another."""
    return os.getppid() == parent or not _exists(parent)


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PERIOD)
    os.kill(os.getpid(), signal.SIGKILL)  # a process that waits for others in a library hears nothing else
