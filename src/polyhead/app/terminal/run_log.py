"""Run log: what a run says, on the terminal and in its file.

A command has its logging from its configuration; a program of the user's has the same for a run, and its own again
afterwards.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polyhead.errors import UserError

_OURS = "polyhead"
_LIGHTNING = ("lightning", "lightning.pytorch", "lightning.fabric")
_TOUCHED = ("", _OURS, *_LIGHTNING, "py.warnings")
"""Loggers whose levels and handlers a run changes; the first is the root."""


@contextmanager
def run_log(folder: Path | None, quiet: bool) -> Iterator[None]:
    """Write what polyhead says to standard output, unless quiet, and all that is said to ``train.log``.

    Args:
        folder: of the run; None writes no file.
        quiet: leave standard output alone.

    Raises:
        UserError: the file cannot be written.
    """
    with kept_logging():
        root, ours = logging.getLogger(), logging.getLogger(_OURS)
        ours.setLevel(logging.INFO)
        handlers: list[tuple[logging.Logger, logging.Handler]] = []
        if not quiet:
            handlers.append((ours, _handler(logging.StreamHandler(sys.stdout), "%(message)s")))
        if folder is not None:
            root.setLevel(logging.INFO)
            ours.propagate = True  # a command in the same process may have kept it to itself
            file = _handler(_open(folder), "[%(asctime)s][%(name)s][%(levelname)s] %(message)s")
            handlers.append((root, file))
        for logger, handler in handlers:
            logger.addHandler(handler)
        try:
            yield
        finally:
            for logger, handler in handlers:
                logger.removeHandler(handler)
                handler.close()


@contextmanager
def kept_logging() -> Iterator[None]:
    """Give the loggers that a run changes their levels and handlers back, and warnings their way."""
    loggers = [logging.getLogger(name or None) for name in _TOUCHED]
    before = [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    captured = bool(getattr(logging, "_warnings_showwarning", None))
    try:
        yield
    finally:
        for logger, (level, propagate, handlers) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.propagate, logger.handlers = propagate, handlers
        logging.captureWarnings(captured)


def silence_lightning() -> None:
    """Keep Lightning's messages off the terminal; the log file has them."""
    for name in _LIGHTNING:
        logging.getLogger(name).handlers.clear()


def _open(folder: Path) -> logging.Handler:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return logging.FileHandler(folder / "train.log", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UserError(f"run_dir: {str(folder)!r} cannot be written ({error.strerror}); choose another") from error


def _handler(handler: logging.Handler, form: str) -> logging.Handler:
    handler.setFormatter(logging.Formatter(form))
    return handler
