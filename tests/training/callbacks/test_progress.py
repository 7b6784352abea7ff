import fcntl
import io
import os
import pty
import re
import struct
import termios

import pytest
from lightning.pytorch.callbacks import RichProgressBar
from rich.console import Console
from rich.progress import Progress, TextColumn
from support.commands import ROOT, Started
from support.training import make_trainer

from polyhead.training.callbacks.progress import ProgressBar

COLUMNS = 80


def run_in_terminal(script, *arguments, columns, log):
    """Run a script in a pseudo-terminal and return what it shows there; its errors go to a file."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    paths = [str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {"PYTHONPATH": os.pathsep.join(paths), "TERM": "xterm", "COLUMNS": ""}
    with log.open("w") as errors:
        process = Started([str(script), *arguments], ROOT, environment, [theirs, theirs, errors.fileno()])
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
    os.close(ours)
    assert process.wait() == 0, log.read_text()[-2000:]
    return shown.decode()


def lines_of(shown):
    """Return the lines of all frames without colors and movements of the cursor."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    return [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()]


@pytest.mark.slow
def test_progress_bar_has_one_line_of_80_columns(tmp_path):
    script = ROOT / "tests" / "support" / "progress_run.py"
    lines = lines_of(run_in_terminal(script, str(tmp_path), columns=COLUMNS, log=tmp_path / "log"))
    bars = [line for line in lines if "it/s" in line or "•" in line]
    assert len(bars) > 12
    whole = re.compile(
        r"(Epoch \d+/11|Validation|Testing) +[━╸╺ ]+ \d+/\d+ \d:\d\d:\d\d • [\d:-]+ \d+\.\d\dit/s( loss: \d+\.\d{3})? *"
    )
    for line in bars:
        assert whole.fullmatch(line), line
        assert len(line) <= COLUMNS
    others = [line for line in lines if line not in bars]  # nothing has wrapped below
    number = r"\d\.\d{4}"
    kept = rf"epoch (\d+): validation/macro_f1 {number} \(category {number}\)"
    assert [int(re.fullmatch(kept, line)[1]) for line in others] == list(range(12))
    assert any("loss: " in line for line in bars if line.startswith("Epoch 11/11"))


@pytest.mark.parametrize("bar", [ProgressBar(), RichProgressBar()], ids=["ours", "lightning"])
def test_progress_bar_of_a_long_run_stays_in_one_line(tmp_path, bar):
    """Lightning's own does not, which is why there is another."""
    clock = [0.0]
    console = Console(width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system=None)
    columns = [*bar.configure_columns(make_trainer(tmp_path)), TextColumn("loss: 1.234")]
    progress = Progress(*columns, console=console, get_time=lambda: clock[0], speed_estimate_period=1e6)
    task = progress.add_task("Epoch 99/99", total=999_999)
    for done in range(0, 500_000, 100_000):
        clock[0] = done / 123.45
        progress.update(task, completed=done)
    console.print(progress.get_renderable())
    lines = lines_of(console.file.getvalue())
    if isinstance(bar, ProgressBar):
        assert len(lines) == 1
        assert re.fullmatch(r"Epoch 99/99 .* 400000/999999 .* • .* 123.45it/s loss: 1.234", lines[0])
    else:
        assert len(lines) > 1
