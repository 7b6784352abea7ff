"""Trial owner: which process a trial belongs to, and whether that is certainly gone. Reads /proc alone."""

import os
from pathlib import Path


def this_process() -> str:
    """Return a name of this process that no other has, as far as this system can name one; else nothing.

    It says which boot of which kernel, which space of process numbers (a container has its own), the number, and when
    the process started, since numbers are used again.
    """
    return _name(os.getpid()) or ""


def is_gone(owner: str) -> bool:
    """Return whether a process of this machine has ended; False where it may be one of another machine."""
    ours = this_process().split()
    parts = owner.split()
    if not ours or len(parts) != len(ours) or parts[:2] != ours[:2]:
        return False
    return _name(int(parts[2])) != owner


def _name(process: int) -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid")
        started = _fields(process)[19]  # proc_pid_stat(5), without the number and the name
    except (OSError, IndexError):
        return None
    return f"{boot} {space} {process} {started}"


def _fields(process: int) -> list[str]:
    """Return the fields of a process's state, after its name, which may hold spaces."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
