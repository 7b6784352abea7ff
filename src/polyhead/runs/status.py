"""Status: how far a run got, and the error in its log if it failed. Knows nothing about metrics."""

import re
from pathlib import Path

from polyhead.runs.folder import RunFolder

DONE, FAILED, UNFINISHED, UNTESTED = "done", "failed", "unfinished", "untested"

_LOG_TAIL = 20_000  # bytes
_ERROR = re.compile(r"\]\[ERROR\] (?P<message>.*)")
_FAILED = "this run failed"


def status_of(folder: Path) -> tuple[str, str]:
    """Return how a run ended, if it did, and for a failed one the last error in its log.

    Returns:
        ``done``, ``failed`` or ``unfinished``, and the error; a run that is still going is unfinished.
    """
    if RunFolder(folder).done:
        return DONE, ""
    message = _last_error(folder / "train.log")
    return (FAILED, message) if message else (UNFINISHED, "")


def _last_error(log: Path) -> str:
    """Return the last error of a log, or the exception's own line where a traceback follows it; empty without one."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LOG_TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    errors = [match["message"] for line in lines if (match := _ERROR.search(line))]
    if not errors:
        return ""
    if errors[-1] == _FAILED:  # a traceback follows
        return lines[-1].strip()
    return errors[-1].removeprefix(f"{_FAILED}: ")
