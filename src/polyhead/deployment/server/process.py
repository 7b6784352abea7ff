"""Process: the signals of a server process. Knows nothing about what is served."""

import asyncio
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn

from polyhead.deployment.server.stop import Stop


class ServerProcess(uvicorn.Server):
    """Serves until it is stopped, and exchanges what it serves meanwhile.

    - SIGTERM: ``/health`` is 503 at once, and all else is answered for ``drain_seconds``, so that those who send
      requests here have time to stop it; then it ends as by Ctrl-C: it finishes what it accepted. A second SIGTERM
      ends the wait.
    - SIGHUP: ``reload`` runs, unless the terminal that the process was started from has gone: then it ends, or
      reloads all the same if it was started to outlive its terminal (``nohup``).

    Args:
        settings: of uvicorn.
        stop: of the application.
        drain_seconds: from SIGTERM to the end of listening.
        reload: exchanges what is served; a call waits for the one before.
        hang_up: what the process knows of SIGHUP before it serves.
    """

    def __init__(
        self,
        settings: uvicorn.Config,
        stop: Stop,
        drain_seconds: float,
        reload: Callable[[], Awaitable[None]],
        hang_up: "EarlyHangUp",
    ) -> None:
        super().__init__(settings)
        self.stop = stop
        self.drain_seconds = drain_seconds
        self.reload = reload
        self._end = float("inf")  # of draining, in seconds of the monotonic clock
        self._reloading = asyncio.Lock()
        self._reloads: set[asyncio.Task[None]] = set()
        self._early = hang_up
        self._ends_with_terminal = _has_terminal() and not hang_up.ignored

    async def startup(self, sockets: Any = None) -> None:
        """Begin to serve, and to take SIGHUP, that which came meanwhile included."""
        await super().startup(sockets)
        if threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.hang_up)
        if self._early.came:
            self.hang_up()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take SIGTERM and Ctrl-C."""
        first = not self.stop.begun
        self.stop.begun = True
        if sig == signal.SIGTERM and first and self.drain_seconds:
            self._end = time.monotonic() + self.drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Return whether to end; uvicorn asks ten times per second."""
        if time.monotonic() >= self._end:
            self._end = float("inf")
            super().handle_exit(signal.SIGTERM, None)
        return await super().on_tick(counter)

    def hang_up(self) -> None:
        """Take SIGHUP."""
        if self._ends_with_terminal and not _has_terminal():
            self.handle_exit(signal.SIGTERM, None)
            return
        task = asyncio.get_running_loop().create_task(self._reload())
        self._reloads.add(task)  # the loop itself would not keep it
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        async with self._reloading:
            await self.reload()


def _has_terminal() -> bool:
    """Return whether the process has a terminal that is there."""
    try:
        with open("/dev/tty", "rb"):
            return True
    except OSError:
        return False


@dataclass
class EarlyHangUp:
    """SIGHUP before there is a server to take it.

    Attributes:
        came: whether it did.
        ignored: whether the process was started with it ignored, as ``nohup`` does.
    """

    came: bool = False
    ignored: bool = False


@contextmanager
def hang_up_kept() -> Iterator[EarlyHangUp]:
    """Keep SIGHUP, which would end the process, until a :class:`ServerProcess` takes it.

    It is handled rather than blocked: a mask holds for one thread, and libraries have started others by now.
    """
    early = EarlyHangUp(ignored=signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)

    def keep(*_: Any) -> None:
        early.came = True

    before = signal.signal(signal.SIGHUP, keep)
    try:
        yield early
    finally:
        signal.signal(signal.SIGHUP, before)
