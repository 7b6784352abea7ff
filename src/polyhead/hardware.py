"""Hardware: what is here, and the precision that suits it. Knows nothing about models."""

import ctypes
import os
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


def keep_few_kernels() -> None:
    """Have oneDNN keep the code of the last few shapes of tensors only; call it before anything is multiplied.

    It compiles for each shape it meets and keeps a thousand of them. Over many texts, most batches are the last of
    their length and have a size of their own: hundreds of megabytes, for shapes that hardly come again.
    """
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, "64")


def first_process() -> bool:
    """Tell whether this is the first of a run's processes, the one that writes and tells."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def use_cores(count: int | None) -> None:
    """Compute on ``count`` cores where a launcher has dealt them out; a job on this machine sees all of them."""
    if count is not None:
        torch.set_num_threads(count)


def problems(
    accelerator: str, precision: str, keys: tuple[str, str] = ("trainer.accelerator", "trainer.precision")
) -> Iterator[str]:
    """Say what of the accelerator and precision asked for is not to be had here, a line each.

    Args:
        accelerator: as Lightning names it.
        precision: as Lightning names it, or ``auto``.
        keys: what the two are called in the configuration, for messages.
    """
    where, how = keys
    missing = {
        "gpu": not (torch.cuda.is_available() or torch.backends.mps.is_available()),
        "cuda": not torch.cuda.is_available(),
        "mps": not torch.backends.mps.is_available(),
    }
    if accelerator not in _ACCELERATORS:
        yield f"{where}: unknown {accelerator!r}; {neighbours(accelerator, _ACCELERATORS)}"
    elif missing.get(accelerator, False):
        yield f"{where}={accelerator}: none is present here; use {where}=cpu|auto"
    if precision not in _PRECISIONS:
        yield f"{how}: unknown {precision!r}; {neighbours(precision, _PRECISIONS)}"
    elif precision == "16-mixed" and device_type(accelerator) == "cpu":
        yield f"{how}=16-mixed: a CPU has no fast float16; use {how}=auto|32-true|bf16-mixed"


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
