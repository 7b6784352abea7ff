"""Show what the feature store holds, or clear it.

    python scripts/features.py show
    python scripts/features.py clear

``POLYHEAD_FEATURES`` chooses another folder, here as in training.
"""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from polyhead.errors import interruptible

CONFIG = Path(__file__).parents[1] / "configs" / "features" / "disk.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = ArgumentParser(description="Show what the feature store holds, or clear it.")
    parser.add_argument("action", choices=["show", "clear"])
    action = parser.parse_args(arguments).action

    from polyhead.features import FeatureStore  # imports torch: after a wrong argument has been told

    config = OmegaConf.load(CONFIG)
    store = FeatureStore(config.folder, config.limit_gb)
    if action == "clear":
        entries = len(store.entries())
        print(f"{store.folder}: {entries} entries removed, {store.clear() / 1e6:,.1f} MB freed")
        return 0
    table = Table("entry", "last used")
    table.add_column("MB", justify="right")
    for path in store.entries():
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))
        table.add_row(path.stem[:16], used, f"{path.stat().st_size / 1e6:,.1f}")
    Console().print(table)
    print(f"{store.folder}: {store.size() / 1e6:,.1f} MB of at most {store.limit_gb:g} GB")
    return 0


if __name__ == "__main__":
    with interruptible():
        sys.exit(main())
