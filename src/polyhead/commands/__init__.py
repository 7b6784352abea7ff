"""The commands, ``polyhead train`` and the others: arguments -> a call of the app, and an exit code."""

import os

from polyhead.app.terminal.late_imports import delay_unused

__all__: list[str] = []

# How often a thread of OpenMP looks whether the others are done before it sleeps. By default it looks for milliseconds,
# and where other programs want the cores, too, the threads mostly wait for one that has none (docs/lab/speed.md).
_SPINS = "5000"

if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & {*os.environ}:
    os.environ["GOMP_SPINCOUNT"] = _SPINS
delay_unused()
