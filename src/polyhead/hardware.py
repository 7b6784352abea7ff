"""The machine: its processors, the precision that suits them, the memory a run held. Knows nothing about models."""

import ctypes
import gc
import logging
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch

from polyhead.errors import did_you_mean

log = logging.getLogger(__name__)

_ACCELERATORS = ("auto", "cpu", "cuda", "gpu", "mps")
_PRECISIONS = ("auto", "32-true", "bf16-mixed", "bf16-true", "16-mixed")
_BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of mallopt, in malloc.h


def keep_freed_memory() -> bool:
    """Make glibc keep the memory that training frees, for the next step.

    By default it hands large blocks back to the system, and every step pays again for the pages of each gradient.

    Returns:
        Whether the C library could be asked.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        return bool(libc.mallopt(_MMAP_THRESHOLD, 1 << 30) and libc.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1))
    except (OSError, AttributeError):  # another C library
        return False


def keep_few_kernels() -> None:
    """Make oneDNN keep compiled code for the last few tensor shapes only; call this before the first matrix product.

    oneDNN compiles for each shape and keeps a thousand of them. Over many texts, most batches are the last of their
    length and have a size of their own: hundreds of megabytes, for shapes that hardly return.
    """
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, "64")


def allow_open_files(count: int) -> int:
    """Let this process have ``count`` files and sockets open, as far as the system lets it.

    Returns:
        How many it may have open.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return count
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def return_freed_memory() -> None:
    """Hand freed memory back to the system, which :func:`keep_freed_memory` keeps."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def use_cores(count: int | None) -> None:
    """Compute on ``count`` cores; None changes nothing. A job sees all cores, also those of the jobs beside it."""
    if count is not None:
        torch.set_num_threads(count)


def problems(
    accelerator: str,
    precision: str,
    keys: tuple[str, str] = ("trainer.accelerator", "trainer.precision"),
    converts_weights: bool = False,
) -> Iterator[str]:
    """Yield a line for each of accelerator and precision that this machine does not have.

    Args:
        accelerator: as Lightning names it.
        precision: as Lightning names it, or ``auto``.
        keys: names of the two in the configuration, for messages.
        converts_weights: whether weights may be in bfloat16, as for predictions; those that are trained would lose
            small steps.
    """
    where, how = keys
    missing = {
        "gpu": not (torch.cuda.is_available() or torch.backends.mps.is_available()),
        "cuda": not torch.cuda.is_available(),
        "mps": not torch.backends.mps.is_available(),
    }
    if accelerator not in _ACCELERATORS:
        yield f"{where}: unknown {accelerator!r}; {did_you_mean(accelerator, _ACCELERATORS)}"
    elif missing.get(accelerator, False):
        yield f"{where}={accelerator}: none is present here; use {where}=cpu|auto"
    if precision not in _PRECISIONS:
        yield f"{how}: unknown {precision!r}; {did_you_mean(precision, _PRECISIONS)}"
    elif precision == "16-mixed" and device_type(accelerator) == "cpu":
        yield f"{how}=16-mixed: a CPU has no fast float16; use {how}=auto|32-true|bf16-mixed"
    elif precision == "bf16-true" and not converts_weights:
        yield f"{how}=bf16-true: weights stay in single precision in training; use {how}=auto|32-true|bf16-mixed"


def device_type(accelerator: str) -> str:
    """Return ``cuda``, ``mps`` or ``cpu``: where the accelerator's tensors live."""
    if accelerator == "cpu":
        return "cpu"
    if torch.cuda.is_available() and accelerator != "mps":
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def best_precision(accelerator: str) -> str:
    """Return ``bf16-mixed`` where the processor multiplies bfloat16 natively, else ``32-true``."""
    device = device_type(accelerator)
    if device == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if device == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return "bf16-mixed"
    return "32-true"


def choose_precision(given: str, accelerator: str, key: str = "precision") -> str:
    """Return the precision that is asked for, and for ``auto`` the best of the accelerator.

    A processor without products in bfloat16 computes them all the same, slowly; a line says so.

    Args:
        given: as Lightning names it, or ``auto``.
        accelerator: as Lightning names it.
        key: its name in the configuration, for that line.
    """
    best = best_precision(accelerator)
    if given.startswith("bf16") and best == "32-true" and device_type(accelerator) == "cpu":
        log.warning("%s=%s: this processor has no products in bfloat16; %s=auto is many times faster", key, given, key)
    return best if given == "auto" else given


def memory_bytes() -> int | None:
    """Return the memory of the machine; None where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def forget_peak() -> None:
    """Measure the peak from here on, so that the runs of one process do not count each other's memory.

    Only Linux can; elsewhere a peak stays that of the whole process. Memory that earlier runs freed goes back to the
    system first, because :func:`keep_freed_memory` keeps it. Memory that they still hold counts.
    """
    gc.collect()
    return_freed_memory()
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
