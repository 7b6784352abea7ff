import ctypes
import mmap
import platform
import sys

import numpy as np
import pytest
import torch

from polyhead import hardware


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_kept():
    assert hardware.keep_freed_memory()


def test_without_glibc_nothing_is_asked_for(monkeypatch):
    def absent(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", absent)
    assert not hardware.keep_freed_memory()


@pytest.mark.parametrize("accelerator", ["gpu", "cuda", "mps"])
def test_a_missing_accelerator_is_told_with_what_to_use(no_gpu, accelerator):
    (problem,) = hardware.problems(accelerator, "auto")
    assert problem == f"trainer.accelerator={accelerator}: none is present here; use trainer.accelerator=cpu|auto"


def test_a_present_accelerator_is_no_problem(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert list(hardware.problems("gpu", "16-mixed")) == []
    assert hardware.device_type("auto") == hardware.device_type("gpu") == "cuda"
    assert hardware.device_type("cpu") == "cpu"


def test_float16_on_a_cpu_is_refused(no_gpu):
    for accelerator in ("cpu", "auto"):
        (problem,) = hardware.problems(accelerator, "16-mixed")
        assert "16-mixed: a CPU has no fast float16; use trainer.precision=auto|32-true|bf16-mixed" in problem


@pytest.mark.parametrize(
    ("avx512", "amx", "precision"),
    [(True, False, "bf16-mixed"), (False, True, "bf16-mixed"), (False, False, "32-true")],
)
def test_precision_follows_the_processor(no_gpu, monkeypatch, avx512, amx, precision):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert hardware.best_precision("auto") == precision


@pytest.mark.parametrize(
    ("given", "native", "lines"), [("bf16-mixed", False, 1), ("bf16-true", True, 0), ("auto", False, 0)]
)
def test_choice_of_a_precision_that_the_processor_lacks_is_a_line(no_gpu, monkeypatch, caplog, given, native, lines):
    monkeypatch.setattr(hardware, "best_precision", lambda accelerator: "bf16-mixed" if native else "32-true")
    assert hardware.choose_precision(given, "cpu", "trainer.precision") == given.replace("auto", "32-true")
    assert len(caplog.messages) == lines
    assert all(f"trainer.precision={given}" in message for message in caplog.messages)


def test_precision_follows_the_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for supported, precision in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, s=supported: s)
        assert hardware.best_precision("auto") == precision


def fill_for_a_moment(size):
    """Fill memory (bytes) that goes back to the system, whatever the allocator of this process keeps."""
    array = np.frombuffer(mmap.mmap(-1, size), dtype=np.uint8)
    array.fill(1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux resets the peak")
def test_a_peak_is_seen_after_the_memory_was_given_back_until_it_is_forgotten():
    hardware.forget_peak()
    before = hardware.peak_megabytes()["process"]
    fill_for_a_moment(300_000_000)
    assert hardware.peak_megabytes()["process"] > before + 250
    hardware.forget_peak()
    assert hardware.peak_megabytes()["process"] < before + 50


@pytest.mark.parametrize("precision", ["16-true", "64-true", "transformer-engine", "16-mixed", "bf16-true"])
def test_problems_name_a_precision_that_training_does_not_have(precision):
    (problem,) = hardware.problems("cpu", precision)
    assert problem.startswith("trainer.precision")
    assert precision in problem
    assert "\n" not in problem


def test_problems_allow_weights_of_bfloat16_for_predictions():
    assert list(hardware.problems("cpu", "bf16-true", ("device", "precision"), converts_weights=True)) == []
