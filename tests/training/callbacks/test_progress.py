import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest
from rich.console import Console
from support.commands import ROOT
from support.training import make_trainer

from polyhead.training.callbacks.progress import ProgressBar

COLUMNS = 80


def run_in_terminal(command, columns):
    """Run a command in a pseudo-terminal and return what it shows there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    paths = [str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths), "TERM": "xterm"}
    environment.pop("COLUMNS", None)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, close_fds=True
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # how Linux says that the other side is closed
                break
            if not part:
                break
            shown += part
        errors = process.stderr.read().decode()
    os.close(ours)
    assert process.returncode == 0, errors[-2000:]
    return shown.decode()


def lines_of(shown):
    """Return the lines of all frames without colors and movements of the cursor."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    return [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()]


@pytest.mark.slow
def test_progress_bar_has_one_line_of_80_columns(tmp_path):
    command = [sys.executable, "tests/support/progress_run.py", str(tmp_path)]
    lines = lines_of(run_in_terminal(command, COLUMNS))
    bars = [line for line in lines if "it/s" in line or "•" in line]
    assert len(bars) > 12
    whole = re.compile(
        r"(Epoch \d+/11|Validation|Testing) +[━╸╺ ]+ \d+/\d+ \d:\d\d:\d\d • [\d:-]+ \d+\.\d\dit/s( loss: \d+\.\d{3})? *"
    )
    for line in bars:
        assert whole.fullmatch(line), line
        assert len(line) <= COLUMNS
    assert [line for line in lines if line not in bars] == []  # nothing has wrapped below
    assert any("loss: " in line for line in bars if line.startswith("Epoch 11/11"))


def test_progress_bar_fits_a_long_run(tmp_path):
    """The widest columns of a run of many epochs and batches, laid out as Rich does."""
    bar = ProgressBar()
    trainer = make_trainer(tmp_path)
    bar_column = bar.configure_columns(trainer)[1]
    texts = ["Epoch 99/99", "12345/12345", "0:59:59 • 1:59:59", "123.45it/s", "loss: 1.234"]
    assert sum(map(len, texts)) + len(texts) + bar_column.bar_width <= Console(width=COLUMNS).width
