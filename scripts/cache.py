"""Show what is kept on disk for later runs, or clear it: frozen features, tokens, and tables read from files.

    python scripts/cache.py show
    python scripts/cache.py clear features tokens

``POLYHEAD_FEATURES``, ``POLYHEAD_TOKENS`` and ``POLYHEAD_DATA`` choose other folders, here as in training. A run that
is training keeps the features and tokens it has; clear tables when none is.
"""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from polyhead.errors import interruptible
from polyhead.storage.cache import Cache, size_of

CONFIGS = Path(__file__).parents[1] / "configs"
NAMES = ("features", "tokens", "tables")


@dataclass(frozen=True)
class Tables(Cache):
    """What Hugging Face datasets made of the user's files; it has no limit, and its times are those of reading them."""

    name: ClassVar[str] = "tables"
    stamp: ClassVar[str] = "**/dataset_info.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = ArgumentParser(description="Show what is kept on disk for later runs, or clear it.")
    parser.add_argument("action", choices=["show", "clear"])
    parser.add_argument("what", nargs="*", help=f"of {', '.join(NAMES)} (default: all)")
    options = parser.parse_args(arguments)
    if wrong := [name for name in options.what if name not in NAMES]:
        parser.error(f"nothing called {wrong[0]!r} is kept; valid: {', '.join(NAMES)}")
    stores = [store for store in _stores() if store.name in (options.what or NAMES)]
    table = Table("store", "entry", "last used")
    table.add_column("MB", justify="right")
    for store in stores:
        if options.action == "clear":
            entries, freed = len(store.entries()), store.clear()
            print(f"{store.folder}: {entries - len(store.entries())} entries removed, {freed / 1e6:,.1f} MB freed")
        for entry, moment in store.used().items():
            used = time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
            table.add_row(store.name, str(entry.relative_to(store.path))[:44], used, f"{size_of(entry) / 1e6:,.1f}")
    if options.action == "show":
        Console().print(table)
        for store in stores:
            limit = f" of at most {store.limit_gb:g} GB" if store.limit_gb < float("inf") else ""
            print(f"{store.folder}: {store.size() / 1e6:,.1f} MB{limit}")
    return 0


def _stores() -> list[Cache]:
    from polyhead.data.token_cache import TokenCache
    from polyhead.freezing.activation_cache import (
        ActivationCache,  # imports torch: after a wrong argument has been told
    )

    features, files = (OmegaConf.load(CONFIGS / name) for name in ("activation_cache/disk.yaml", "data/files.yaml"))
    tokens = OmegaConf.load(CONFIGS / "train.yaml").tokens
    return [
        ActivationCache(features.folder, features.limit_gb),
        TokenCache(tokens.folder, tokens.limit_gb),
        Tables(files.data.cache, float("inf")),
    ]


if __name__ == "__main__":
    with interruptible():
        sys.exit(main())
