import fcntl
import os
import subprocess
import sys

import pytest

from polyhead.storage.output import write_atomically
from polyhead.storage.partials import is_abandoned, partials, remove_abandoned

WRITER = """
import sys, time
from pathlib import Path
from polyhead.storage.output import write_atomically
with write_atomically(Path(sys.argv[1]), folder=sys.argv[2] == "folder"):
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["file", "folder"])
def test_partial_is_abandoned_once_its_process_is_killed(tmp_path, what):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path / "x", what], stdout=subprocess.PIPE)
    writer.stdout.readline()
    (partial,) = partials(tmp_path)
    assert not is_abandoned(partial)
    remove_abandoned(tmp_path)
    assert partial.exists()
    writer.kill()
    writer.communicate()
    assert is_abandoned(partial)
    with write_atomically(tmp_path / "x") as again:  # the next writer of the same name removes it
        again.write_text("whole")
    assert os.listdir(tmp_path) == ["x"]


def test_partials_of_other_names_are_left_to_their_own_writers(tmp_path):
    (tmp_path / "xy.01234567.partial").touch()
    (tmp_path / "x[1].89abcdef.partial").touch()
    with write_atomically(tmp_path / "x[1]") as partial:
        partial.write_text("whole")
    assert sorted(os.listdir(tmp_path)) == ["x[1]", "xy.01234567.partial"]


def test_partial_counts_as_abandoned_after_a_day_where_there_are_no_locks(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    old, young = tmp_path / "a.01234567.partial", tmp_path / "b.01234567.partial"
    old.touch()
    young.touch()
    os.utime(old, (0, 0))
    with write_atomically(tmp_path / "c") as partial:
        partial.write_text("whole")
    remove_abandoned(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["b.01234567.partial", "c"]


def test_abandoned_partials_stay_where_nothing_may_be_removed(tmp_path, monkeypatch):
    (tmp_path / "a.01234567.partial").touch()

    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    remove_abandoned(tmp_path)
