"""The terminal: what a person types and sees, from the arguments of a command to its exit code."""

from typing import TYPE_CHECKING

from polyhead import lazy_exports

if TYPE_CHECKING:
    from polyhead.app.terminal.sweeps import SweepStatus

__all__ = [
    "SweepStatus",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "SweepStatus": "sweeps",
    },
)
