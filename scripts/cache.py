"""Show what is kept on disk for later runs, or clear it: frozen activations, tokens, and tables read from files.

    python scripts/cache.py show
    python scripts/cache.py clear activations tokens

``POLYHEAD_ACTIVATIONS``, ``POLYHEAD_TOKENS`` and ``POLYHEAD_DATA`` choose other folders, here as in training. A run
that is training keeps the activations and tokens it has; clear tables when none is.
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

from polyhead.errors import did_you_mean, interruptible
from polyhead.storage.cache import Cache, size_of

CONFIGS = Path(__file__).parents[1] / "configs"
NAMES = ("activations", "tokens", "tables")
OLD_NAMES = {"features": "activations"}  # of version 0.1.0


@dataclass(frozen=True)
class Tables(Cache):
    """Tables that Hugging Face datasets made of the user's files: without a limit, dated by their last reading."""

    name: ClassVar[str] = "tables"
    stamp: ClassVar[str] = "**/dataset_info.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = ArgumentParser(description="Show what is kept on disk for later runs, or clear it.")
    parser.add_argument("action", choices=["show", "clear"])
    parser.add_argument("what", nargs="*", help=f"of {', '.join(NAMES)} (default: all)")
    options = parser.parse_args(arguments)
    names = [_new_name(name) for name in options.what] or list(NAMES)
    if unknown := [name for name in names if name not in NAMES]:
        parser.error(f"nothing called {unknown[0]!r} is kept; {did_you_mean(unknown[0], NAMES)}")
    caches = {name: cache for name, cache in _caches().items() if name in names}
    if options.action == "clear":
        _clear(caches)
    else:
        _show(caches)
    return 0


def _new_name(name: str) -> str:
    if name not in OLD_NAMES:
        return name
    new = OLD_NAMES[name]
    print(f"note: {name} is now {new}; the old name works in this version, and not in the next", file=sys.stderr)
    return new


def _caches() -> dict[str, Cache]:
    # They import torch: only after a wrong argument has been refused.
    from polyhead.app.old_names import announce_environment
    from polyhead.data.token_cache import TokenCache
    from polyhead.freezing.activation_cache import ActivationCache

    announce_environment()
    activations = OmegaConf.load(CONFIGS / "activation_cache" / "disk.yaml")
    tokens = OmegaConf.load(CONFIGS / "train.yaml").tokens
    files = OmegaConf.load(CONFIGS / "data" / "files.yaml")
    return {
        "activations": ActivationCache(activations.folder, activations.limit_gb),
        "tokens": TokenCache(tokens.folder, tokens.limit_gb),
        "tables": Tables(files.data.cache, float("inf")),
    }


def _clear(caches: dict[str, Cache]) -> None:
    for cache in caches.values():
        before = len(cache.entries())
        freed = cache.clear()
        removed = before - len(cache.entries())
        print(f"{cache.folder}: {removed} entries removed, {freed / 1e6:,.1f} MB freed")


def _show(caches: dict[str, Cache]) -> None:
    table = Table("cache", "entry", "last used")
    table.add_column("MB", justify="right")
    for name, cache in caches.items():
        for entry, moment in cache.used().items():
            used = time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
            table.add_row(name, str(entry.relative_to(cache.path))[:44], used, f"{size_of(entry) / 1e6:,.1f}")
    Console().print(table)
    for cache in caches.values():
        limit = f" of at most {cache.limit_gb:g} GB" if cache.limit_gb < float("inf") else ""
        print(f"{cache.folder}: {cache.size() / 1e6:,.1f} MB{limit}")
    old = Path.home() / ".cache" / "polyhead" / "features"
    if old.is_dir() and old not in [cache.path for cache in caches.values()]:
        print(f"{old}: {size_of(old) / 1e6:,.1f} MB that version 0.1.0 left; this version does not read it, remove it")


if __name__ == "__main__":
    with interruptible():
        sys.exit(main())
