import sys

import numpy as np
import pytest

from polyhead.memory import forget_peak, peak_megabytes


def test_a_peak_is_seen_after_the_memory_was_given_back():
    before = peak_megabytes()["process"]
    size = int(before * 1e6)  # bytes: as much again as the process ever held
    held = np.ones(size, dtype=np.uint8)
    del held
    assert peak_megabytes()["process"] > 1.2 * before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux resets the peak")
def test_a_forgotten_peak_does_not_count():
    held = np.ones(500_000_000, dtype=np.uint8)
    peak = peak_megabytes()["process"]
    del held
    forget_peak()
    assert peak_megabytes()["process"] < peak - 300
