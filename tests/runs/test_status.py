import pytest
from support.run_folders import make_run

from polyhead.runs.status import status_of


def test_status_of_a_run_with_metrics_is_done_whatever_its_log_says(tmp_path):
    folder = make_run(tmp_path)
    (folder / "train.log").write_text("[now][x][ERROR] this run failed: no\n")
    assert status_of(folder) == ("done", "")


def test_status_of_a_run_without_metrics_is_unfinished(tmp_path):
    assert status_of(tmp_path) == ("unfinished", "")
    (tmp_path / "train.log").write_text("[now][x][INFO] trainable 3 of 5\n")
    assert status_of(tmp_path) == ("unfinished", "")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("this run failed: freeze.frozen: the model has no 'x'\n", "freeze.frozen: the model has no 'x'"),
        ("this run failed\nTraceback (most recent call last):\nRuntimeError: no memory\n", "RuntimeError: no memory"),
        ("early\n[now][x][ERROR] this run failed: late\n", "late"),
    ],
)
def test_status_of_a_failed_run_has_the_last_error_of_its_log(tmp_path, lines, message):
    (tmp_path / "train.log").write_text(f"[now][x][INFO] begun\n[now][x][ERROR] {lines}")
    assert status_of(tmp_path) == ("failed", message)


def test_status_reads_the_end_of_a_long_log(tmp_path):
    (tmp_path / "train.log").write_text("[now][x][INFO] step\n" * 10_000 + "[now][x][ERROR] this run failed: no\n")
    assert status_of(tmp_path) == ("failed", "no")
