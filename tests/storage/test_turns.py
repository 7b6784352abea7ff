import logging
import os
import platform
import threading
import time

import pytest
import torch
from support.commands import ROOT, start

from polyhead.storage import turns
from polyhead.storage.turns import turn

ATTACH = ROOT / "tests" / "support" / "attach_run.py"


def start_attach(folder, name, *arguments):
    paths = os.pathsep.join([str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return start(ATTACH, str(folder), name, *arguments, cwd=ROOT, log=folder / f"{name}.log", PYTHONPATH=paths)


def passes(folder, name):
    counted = folder / f"{name}.passes"
    return len(counted.read_text()) if counted.exists() else 0


@pytest.mark.slow
def test_activations_are_computed_by_one_of_two_processes_that_start_at_once(tmp_path):
    for process in [start_attach(tmp_path, "a"), start_attach(tmp_path, "b")]:
        assert process.wait() == 0, (tmp_path / "a.log").read_text() + (tmp_path / "b.log").read_text()
    counts = [passes(tmp_path, name) for name in ("a", "b")]
    assert min(counts) == 0
    assert max(counts) > 0
    waited = "b" if counts[0] else "a"
    assert "activations: another process makes them; waiting for it" in (tmp_path / f"{waited}.log").read_text()
    assert "'reused': 1" in (tmp_path / f"{waited}.log").read_text()
    assert torch.equal(*(torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("a", "b")))


@pytest.mark.slow
def test_activations_are_computed_by_the_second_process_where_the_first_is_killed(tmp_path):
    first = start_attach(tmp_path, "a", "hang")
    wait_until((tmp_path / "a.ready").exists)
    (tmp_path / "x.ready").touch()
    wait_until(lambda: passes(tmp_path, "a"))
    second = start_attach(tmp_path, "b")
    wait_until(lambda: "waiting for it" in (tmp_path / "b.log").read_text())
    first.kill()
    first.wait()
    assert second.wait() == 0, (tmp_path / "b.log").read_text()
    assert passes(tmp_path, "b") > 0
    assert not list((tmp_path / "activations").glob("*.lock"))


def wait_until(holds):
    give_up = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_turns_of_one_path_follow_each_other_and_leave_no_file(tmp_path):
    inside, most, lock = [], [], threading.Lock()

    def enter():
        with turn(tmp_path / "cache" / "key.lock", "things"):
            with lock:
                inside.append(1)
                most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8
    assert not list((tmp_path / "cache").iterdir())


def test_turn_that_lasts_is_said_from_time_to_time_to_those_who_wait(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(turns, "FIRST_REMINDER", 0.01)
    monkeypatch.setattr(turns, "REMINDER", 0.01)
    caplog.set_level(logging.WARNING)
    got = threading.Event()

    def wait():
        with turn(tmp_path / "key.lock", "things"):
            got.set()

    waiting = threading.Thread(target=wait)
    with turn(tmp_path / "key.lock", "things"):
        waiting.start()
        wait_until(lambda: len(caplog.messages) >= 3)
        assert not got.is_set()
    waiting.join()
    assert got.is_set()
    maker = f"things: still waiting for process {os.getpid()} of {platform.node()}, since {time.strftime('%Y-')}"
    assert all(message.startswith(maker) for message in caplog.messages)
    assert not [*tmp_path.iterdir()]


def test_turn_is_over_where_its_block_fails(tmp_path):
    with pytest.raises(OSError, match="full"), turn(tmp_path / "key.lock", "things"):
        raise OSError("full")
    with turn(tmp_path / "key.lock", "things"):
        pass


def test_turn_of_a_path_that_cannot_be_written_waits_for_nobody(tmp_path):
    (tmp_path / "file").write_text("")
    with turn(tmp_path / "file" / "key.lock", "things"), turn(tmp_path / "file" / "key.lock", "things"):
        pass
