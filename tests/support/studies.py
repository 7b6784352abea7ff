"""A small search with a known best value."""

import sqlite3

from sqlalchemy import Engine, event

from polyhead.runs.tuning import Tuning

SPACE = {"lr": {"low": 1e-4, "high": 1e-1, "log": True}, "size": {"low": 1, "high": 8}, "rule": ["equal", "fixed"]}
PRUNING = {"startup_trials": 1, "warmup_epochs": 0}


def make_tuning(**changes):
    return Tuning(**{"space": SPACE, "objectives": ["quality"], "seeds": [0], "pruning": PRUNING} | changes)


def distance(trial, tuning):
    """Return a value that is best at lr=0.01 and size=4."""
    values = tuning.suggest(trial)
    return [-abs(values["lr"] - 0.01) - abs(values["size"] - 4)]


@event.listens_for(Engine, "connect")
def write_without_waiting(connection, record):
    """Have SQLite leave it to the system when a commit reaches the disk, as conftest.py has Python."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")
