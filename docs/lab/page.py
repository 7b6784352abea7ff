"""Take docs/page.png, the server's page, in Chromium: python docs/lab/page.py http://127.0.0.1:8000

The server is one that was started by hand, as in docs/howto/deploy.md.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

HERE = Path(__file__).parent
TEXT = "What a wonderful surprise, the new ferry saves me an hour every day!"
NAMES = ("chromium", "chromium-browser", "google-chrome")
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
    "--virtual-time-budget=20000",  # milliseconds for the page's own requests
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Open the page with a sentence in its address, and take its picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", help="address of a server")
    parser.add_argument("--text", default=TEXT, help="the sentence to predict")
    parser.add_argument("--output", type=Path, default=HERE.parent / "page.png", help="the picture (docs/page.png)")
    parser.add_argument("--size", default="900,820", help="width and height in pixels (900,820)")
    options = parser.parse_args(arguments)
    browser = next((found for name in NAMES if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit(f"no browser: none of {', '.join(NAMES)} is installed")
    address = f"{options.server.rstrip('/')}/?text={quote(options.text)}"
    with tempfile.TemporaryDirectory() as profile:
        own = (
            f"--user-data-dir={profile}",
            f"--screenshot={options.output.resolve()}",
            f"--window-size={options.size}",
        )
        subprocess.run([browser, *FLAGS, *own, address], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
