import mmap
import sys

import numpy as np
import pytest

from polyhead.memory import forget_peak, peak_megabytes


def hold_for_a_moment(size):
    """Fill memory (bytes) that goes back to the system, whatever the allocator of this process keeps."""
    array = np.frombuffer(mmap.mmap(-1, size), dtype=np.uint8)
    array.fill(1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux resets the peak")
def test_a_peak_is_seen_after_the_memory_was_given_back_until_it_is_forgotten():
    forget_peak()
    before = peak_megabytes()["process"]
    hold_for_a_moment(300_000_000)
    assert peak_megabytes()["process"] > before + 250
    forget_peak()
    assert peak_megabytes()["process"] < before + 50
