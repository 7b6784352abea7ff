"""Take the pictures of the documentation again: python docs/lab/pictures.py

Makes a sweep of twelve short runs (some minutes), its report, and a bundle of its last run; opens the report,
TensorBoard and the server's page in Chromium, and writes docs/*.png. It needs chromium with chromedriver, and the extra
``test``.
"""

import argparse
import contextlib
import io
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from PIL import Image
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

DOCS = Path(__file__).parent.parent
ROOT = DOCS.parent
SWEEP = ("-m", "freeze=backbone,lower_layers", "weighting=equal,uncertainty", "seed=0,1,2", "data.sizes.train=1000")
TEXT = "What a wonderful surprise, the new ferry saves me an hour every day!"
# Nothing is asked of other hosts, and nothing of the user's own browser is read.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is shown, unless it is there, and take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "pictures", help="the sweep (runs/pictures)")
    parser.add_argument("--output", type=Path, default=DOCS, help="folder of the pictures (docs)")
    options = parser.parse_args(arguments)
    browser, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not browser or not driver:
        sys.exit("no browser: chromium and chromedriver have to be installed")
    runs = options.runs.resolve()
    make_sweep(runs)
    with TemporaryDirectory() as folder, browsing(browser, driver, folder) as window:
        report, bundle = Path(folder) / "report", Path(folder) / "bundle"
        polyhead("report", str(runs), f"output={report}")
        take(window, report.with_suffix(".html").as_uri(), options.output / "report.png", (1100, 707), seconds=2)
        with serving(
            [sys.executable, "-m", "tensorboard.main", f"--logdir={runs.name}"], "--port={}", runs.parent
        ) as address:
            name = "tensorboard_{}.png"
            for tab, seconds in (("custom_scalars", 15), ("hparams", 10), ("projector", 25)):
                take(window, f"{address}/#{tab}", options.output / name.format(tab), (1400, 720), seconds)
        last = max(path for path in runs.iterdir() if path.name.startswith("11_"))
        polyhead("export", str(last), f"output={bundle}", "sentences=train")
        serve = [sys.executable, str(ROOT / "scripts" / "serve.py"), f"model={bundle}", "name=demonstration"]
        with serving(serve, "port={}") as address:
            take(window, f"{address}/?text={quote(TEXT)}", options.output / "page.png", (900, 820), seconds=3)


def make_sweep(folder: Path) -> None:
    """Train the twelve runs; those that are done are not repeated."""
    subprocess.run([sys.executable, str(ROOT / "train.py"), *SWEEP, f"hydra.sweep.dir={folder}"], check=True)


def polyhead(command: str, *arguments: str) -> None:
    """Run a command."""
    subprocess.run([sys.executable, str(ROOT / "scripts" / f"{command}.py"), *arguments], check=True)


@contextlib.contextmanager
def browsing(browser: str, driver: str, folder: str) -> Iterator[Chrome]:
    """Open a browser without a window."""
    options = ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={folder}/profile"):
        options.add_argument(flag)
    window = Chrome(options, Service(driver))
    try:
        yield window
    finally:
        window.quit()


@contextlib.contextmanager
def serving(command: Sequence[str], port: str, folder: Path = ROOT) -> Iterator[str]:
    """Start a server in a folder and on a free port of this machine, wait until it answers, and give its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    process = subprocess.Popen([*command, port.format(number)], cwd=folder)
    try:
        address = f"http://127.0.0.1:{number}"
        wait_for(address, process)
        yield address
    finally:
        process.terminate()
        process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
    for _ in range(240):
        with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(address):
            return
        if process.poll() is not None:
            break
        time.sleep(0.5)
    sys.exit(f"no answer from {address}")


def take(window: Chrome, address: str, path: Path, size: tuple[int, int], seconds: float) -> None:
    """Open a page, wait until it has drawn itself, and write what is seen of it."""
    window.get("about:blank")  # else another part of the same page would not be loaded
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    window.get(address)
    time.sleep(seconds)
    picture = Image.open(io.BytesIO(window.get_screenshot_as_png())).convert("RGB")
    picture.quantize(256).save(path, optimize=True)  # a third of the size, and no difference to be seen
    print(path)


if __name__ == "__main__":
    main()
