"""Hardware: what is here, and the precision that suits it. Knows nothing about models."""

import ctypes
from collections.abc import Iterator

import torch

from polyhead.errors import neighbours

_ACCELERATORS = ("auto", "cpu", "cuda", "gpu", "mps")
_PRECISIONS = ("auto", "32-true", "bf16-mixed", "bf16-true", "16-mixed")


_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of mallopt, in malloc.h


def keep_freed_memory() -> bool:
    """Have glibc keep the memory that training frees, for the next step; tell whether it could be asked to.

    By default it hands large blocks back to the system, and every step pays anew for the pages of each gradient.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        return bool(libc.mallopt(_MMAP_THRESHOLD, 1 << 30) and libc.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1))
    except (OSError, AttributeError):  # another C library, which has its own ways
        return False


def problems(accelerator: str, precision: str, group: str = "trainer.") -> Iterator[str]:
    """Say what of the accelerator and precision asked for is not to be had here, a line each.

    Args:
        accelerator: as Lightning names it.
        precision: as Lightning names it, or ``auto``.
        group: where the two stand in the configuration, for messages.
    """
    missing = {
        "gpu": not (torch.cuda.is_available() or torch.backends.mps.is_available()),
        "cuda": not torch.cuda.is_available(),
        "mps": not torch.backends.mps.is_available(),
    }
    if accelerator not in _ACCELERATORS:
        yield f"{group}accelerator: unknown {accelerator!r}; {neighbours(accelerator, _ACCELERATORS)}"
    elif missing.get(accelerator, False):
        yield f"{group}accelerator={accelerator}: none is present here; use {group}accelerator=cpu|auto"
    if precision not in _PRECISIONS:
        yield f"{group}precision: unknown {precision!r}; {neighbours(precision, _PRECISIONS)}"
    elif precision == "16-mixed" and device_type(accelerator) == "cpu":
        yield f"{group}precision=16-mixed: a CPU has no fast float16; use {group}precision=auto|32-true|bf16-mixed"


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
