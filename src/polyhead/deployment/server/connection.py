"""Connection: one client's connection, bounded in time and number. Knows nothing about what is served.

uvicorn parses HTTP, but waits for ever for a request that does not come whole and for an answer that is not taken, and
it drops the answer of a client that has closed its sending half.
"""

import asyncio
import sys
from collections.abc import Callable

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from polyhead.deployment.server.limits import Limits
from polyhead.deployment.server.problems import STOPPING, Problem

_HEAD_BYTES = 16_384  # of a request's head; between this and twice as many it depends on how they arrive
_LINGER_SECONDS = 1.0  # a refused client has this long to see why; closed at once, it may see a reset instead
_LINGERING = 256  # refused clients that are granted it at the same time


class BoundedProtocol(H11Protocol):
    """A connection whose client has ``read_seconds`` per turn.

    It is the client's turn while a request is not there whole, and while an answer is not taken. It is the server's
    turn, without a limit here, from the end of a request's body to its answer.
    """

    limits: Limits
    lingering: set["BoundedProtocol"]
    count_refusal: Callable[[int], None]
    _ended = False  # the client sends no more
    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the client's turn, or refuse the client where too many are connected."""
        full = len(self.connections) >= self.limits.connections
        super().connection_made(transport)
        if full:
            self.connections.discard(self)
            self._turn_away()
        else:
            self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self.lingering.discard(self)
        self._stop_clock()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request; a first part begins a turn of its own."""
        if self in self.lingering or self.transport.is_closing():
            return
        if self._idle():
            self._start_clock()
        # h11 measures a head only while it is not whole: given all at once, one of any size would pass.
        while data and not self.transport.is_closing():
            size = _HEAD_BYTES if self.conn.their_state is h11.IDLE else len(data)
            part, data = data[:size], data[size:]
            super().data_received(part)
        self._set_clock()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that sends no more, if its request is there whole; refuse it, if it is cut off."""
        if self in self.lingering:
            return False  # closes
        self._ended = True
        self._end()
        return True

    def on_response_complete(self) -> None:
        """Begin the client's turn to take the answer."""
        super().on_response_complete()
        self._set_clock()
        if self._ended:
            self._end()

    def pause_writing(self) -> None:
        """Begin the client's turn: it does not take the answer as fast as it is given."""
        super().pause_writing()
        self._set_clock()

    def resume_writing(self) -> None:
        """End the client's turn."""
        super().resume_writing()
        self._set_clock()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or has a head that is too large."""
        status = getattr(sys.exception(), "error_status_hint", 400)
        message = "the head of the request is too large; send fewer and shorter headers" if status == 431 else msg
        self._refuse(status, message)

    def shutdown(self) -> None:
        """End with the server: at once where no whole request is there, else with the answer."""
        if self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete:
            self._refuse(503, STOPPING)
        elif self.conn.our_state is not h11.ERROR:
            super().shutdown()

    def _end(self) -> None:
        """Close after the last byte of a client, once all its whole requests are answered."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        elif self.cycle.more_body:
            self._refuse(400, "the body ends before its time; send as many bytes as Content-Length says")

    def _idle(self) -> bool:
        """Return whether nothing of a request has come."""
        at_rest = self.conn.our_state is h11.IDLE and self.conn.their_state is h11.IDLE
        return at_rest and not self.conn.trailing_data[0]

    def _clients_turn(self) -> bool:
        if self.flow.write_paused or self.cycle is None:
            return True
        return self.cycle.response_complete or self.cycle.more_body

    def _set_clock(self) -> None:
        if not self._clients_turn():
            self._stop_clock()
        elif self._clock is None:
            self._start_clock()

    def _start_clock(self) -> None:
        self._stop_clock()
        self._clock = self.loop.call_later(self.limits.read_seconds, self._end_turn)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _end_turn(self) -> None:
        """End the connection of a client that has had its time."""
        self._clock = None
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.transport.abort()  # it takes no answer
        elif self._idle():
            self.transport.close()
        else:
            seconds = f"{self.limits.read_seconds:g}"
            self._refuse(
                408, f"the request did not come whole within {seconds} seconds; send it faster, or a smaller one"
            )

    def _turn_away(self) -> None:
        if len(self.lingering) >= _LINGERING:
            self.count_refusal(503)
            self.transport.abort()
            return
        self.lingering.add(self)
        self._write_problem(503, "too many connections; try again in a second", ("Retry-After", "1"))
        self.transport.write_eof()
        self._clock = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def _refuse(self, status: int, message: str) -> None:
        """Answer in the application's place, and close; what the application may still answer is dropped."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._write_problem(status, message)
        self.transport.close()
        self._start_clock()  # to take the answer

    def _write_problem(self, status: int, message: str, *headers: tuple[str, str]) -> None:
        body = Problem(error=message).model_dump_json().encode()
        head = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
        answer = h11.Response(status_code=status, headers=[*head, *headers], reason=STATUS_PHRASES[status])
        if self.cycle is None or self.cycle.response_complete:
            self.count_refusal(status)  # a request whose head came is counted by the application
        for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")


def bounded_by(limits: Limits, count_refusal: Callable[[int], None]) -> type[BoundedProtocol]:
    """Return the protocol of a server's connections.

    Args:
        limits: of time and number.
        count_refusal: takes the status of each answer that is given in the application's place.
    """
    members = {"limits": limits, "lingering": set(), "count_refusal": staticmethod(count_refusal)}
    return type("BoundedProtocol", (BoundedProtocol,), members)
