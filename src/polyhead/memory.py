"""Memory: the most that this process held at a time. Knows nothing about what it held."""

import ctypes
import gc
import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

_BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


def forget_peak() -> None:
    """Measure anew from here, so that the runs of one process do not count each other's memory.

    Only Linux can; elsewhere a peak stays that of the whole process. What earlier runs freed goes back to the system
    first: the allocator may have been told to keep it. What they still hold counts.
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5): resets the peak of resident memory
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_megabytes() -> dict[str, float]:
    """Return the peak of resident memory, and of allocated memory on the GPU where there is one, in MB (10^6 bytes)."""
    peak = {"process": _resident_peak() / 1e6}
    if torch.cuda.is_available():
        peak["gpu"] = torch.cuda.max_memory_allocated() / 1e6
    return peak


def _resident_peak() -> int:
    """Return bytes; the kernel's own counter where there is one, because only that can be reset."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _BYTES_PER_UNIT
