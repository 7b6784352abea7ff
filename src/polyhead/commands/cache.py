"""Show what is kept on disk for later runs, or clear it: frozen activations, tokens, and tables read from files.

    python scripts/cache.py show
    python scripts/cache.py clear activations tokens

``POLYHEAD_ACTIVATIONS``, ``POLYHEAD_TOKENS`` and ``POLYHEAD_DATA`` choose other folders, here as in training. A run
that is training keeps the activations and tokens it has; clear tables when none is.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import OmegaConf

from polyhead.app.config.config_folder import CONFIGS
from polyhead.app.terminal.flags import KeyParser
from polyhead.errors import did_you_mean, interruptible
from polyhead.storage.cache import Cache, Description, size_of
from polyhead.storage.markdown import markdown_table

NAMES = ("activations", "tokens", "tables")
_LONGEST = 40  # characters of an encoder, data or run in the table
OLD_NAMES = {"features": "activations"}  # of version 0.1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = KeyParser(__doc__, "show|clear [WHAT ...]")
    parser.add_argument("action", choices=["show", "clear"])
    parser.add_argument("what", nargs="*", help=f"of {', '.join(NAMES)} (default: all)")
    options = parser.parse(arguments)
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
    from polyhead.app.config.old_names import announce_environment
    from polyhead.data.token_cache import TokenCache
    from polyhead.freezing.activation_cache import ActivationCache
    from polyhead.sources.table_cache import TableCache

    announce_environment()
    activations = OmegaConf.load(CONFIGS / "activation_cache" / "disk.yaml")
    tokens = OmegaConf.load(CONFIGS / "train.yaml").tokens
    files = OmegaConf.load(CONFIGS / "data" / "files.yaml")
    return {
        "activations": ActivationCache(activations.folder, activations.limit_gb),
        "tokens": TokenCache(tokens.folder, tokens.limit_gb),
        "tables": TableCache(files.data.cache, files.data.limit_gb),
    }


def _clear(caches: dict[str, Cache]) -> None:
    for cache in caches.values():
        before = len(cache.entries())
        left = sum(cache.partials().values())
        freed = cache.clear()
        removed = before - len(cache.entries())
        unfinished = f" and {left} that killed processes left" if left else ""
        print(f"{cache.folder}: {removed} entries{unfinished} removed, {freed / 1e6:,.1f} MB freed")


def _show(caches: dict[str, Cache]) -> None:
    rows = [row for name, cache in caches.items() for row in _rows(name, cache)]
    columns = ["cache", "entry", "encoder", "data", "run", "last used", "MB"]
    print(markdown_table(columns, rows, right=[6]) if rows else "nothing is kept")
    for cache in caches.values():
        print(f"{cache.folder}: {cache.size() / 1e6:,.1f} MB of at most {cache.limit_gb:g} GB")
    old = Path.home() / ".cache" / "polyhead" / "features"
    if old.is_dir() and old not in [cache.path for cache in caches.values()]:
        print(f"{old}: {size_of(old) / 1e6:,.1f} MB that version 0.1.0 left; this version does not read it, remove it")


def _rows(name: str, cache: Cache) -> Iterator[list[str]]:
    """Yield a row for each entry, and for each that is not finished."""
    for entry, moment in cache.used().items():
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
        yield _row(name, cache, entry, used, cache.describe(entry))
    for partial, abandoned in cache.partials().items():
        yield _row(name, cache, partial, "left by a killed process" if abandoned else "being written", {})


def _row(name: str, cache: Cache, path: Path, used: str, description: Description) -> list[str]:
    known = [_end_of(description.get(what, "")) for what in ("encoder", "data", "run")]
    return [name, str(path.relative_to(cache.path))[:12], *known, used, f"{size_of(path) / 1e6:,.1f}"]


def _end_of(text: str) -> str:
    """Return a text, or the end of a long one, by which paths differ."""
    return text if len(text) <= _LONGEST else f"...{text[-_LONGEST:]}"


def command() -> None:
    """Run the command line."""
    with interruptible():
        sys.exit(main())


if __name__ == "__main__":
    command()
