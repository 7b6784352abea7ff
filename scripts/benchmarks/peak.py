"""The machine: its hardware, and the peak rate of its matrix products, beside which a model's rate is put."""

import statistics
import time
from typing import Any

import torch

from benchmarks.measurement import Comparison
from benchmarks.second_half import SECOND_HALF
from polyhead.runs.environment import describe_environment

_SHAPES = [(2048, 384, 1536), (2048, 1024, 1024), (4096, 2048, 2048)]  # (m, k, n) of products (m, k) @ (k, n)
_LARGE_SHAPE = (8192, 8192, 8192)  # fills a large GPU
_QUEUED = 5  # a GPU works through a queue: waiting after every product would measure the wait


def note_share_of_peak(comparison: Comparison, flops_per_token: float, length: float, device: torch.device) -> None:
    """Note tokens per second of each entry, and their share of the machine's rate of matrix products.

    Of training it is the rate of the second half: compiling and warming up multiply nothing.

    Args:
        comparison: of a benchmark whose unit is a sentence.
        flops_per_token: floating-point operations that the model needs per token; those spent on padding are waste.
        length: mean number of tokens per sentence.
        device: where it ran.
    """
    dtypes = [torch.float32]
    if any(entry.bf16 for entry in comparison.entries):
        dtypes.append(torch.bfloat16)
    peaks = {dtype: matrix_product_rate(dtype, device) for dtype in dtypes}
    comparison.notes.append(f"{length:.1f} tokens per sentence, {flops_per_token / 1e6:.1f} MFLOP per token")
    for dtype, peak in peaks.items():
        comparison.notes.append(f"matrix products in {dtype}: {peak / 1e9:,.0f} GFLOP/s")
    for entry in comparison.entries:
        dtype = torch.bfloat16 if entry.bf16 else torch.float32
        tokens = statistics.median(entry.extra.get(SECOND_HALF, entry.rates)) * length
        flops = tokens * flops_per_token
        comparison.notes.append(
            f"{entry.name}: {tokens:,.0f} tokens/s, {flops / 1e9:,.0f} GFLOP/s, "
            f"{flops / peaks[dtype]:.0%} of the matrix products in {dtype}"
        )


def matrix_product_rate(dtype: torch.dtype, device: torch.device, seconds: float = 2.0) -> float:
    """Return the floating-point operations per second of the fastest of several shapes of matrix product."""
    shapes = [*_SHAPES, _LARGE_SHAPE] if device.type == "cuda" else _SHAPES
    return max(_product_rate(shape, dtype, device, seconds / len(shapes)) for shape in shapes)


def _product_rate(shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device, seconds: float) -> float:
    m, k, n = shape
    a = torch.randn(m, k, device=device).to(dtype)
    b = torch.randn(k, n, device=device).to(dtype)
    (a @ b).sum().item()  # a warm-up
    started, products = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        for _ in range(_QUEUED):
            result = a @ b
        result[0, 0].item()
        products += _QUEUED
    return 2 * m * k * n * products / (time.perf_counter() - started)


def machine() -> dict[str, Any]:
    """Describe hardware, versions and thread count."""
    facts = describe_environment()
    return {"hardware": facts["hardware"], "versions": facts["versions"], "python": facts["python"]}
