"""Kept scan: what transformers finds in the files of its models, written down once per installation.

To know its models by name, transformers reads the source of all of them, 60 MB, at each import. What it finds is kept
as JSON in ``POLYHEAD_IMPORTS``, by default ``~/.cache/polyhead/imports``; set empty, nothing is kept.
"""

import hashlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = "POLYHEAD_IMPORTS"
"""Variable of the environment that names the folder."""

_PACKAGES = {"site-packages", "dist-packages"}  # where files change by an installation alone
_SET = "names"

Scan = Callable[[str], dict[Any, Any]]
Stamp = dict[str, str | int]


def keep_scan(utilities: ModuleType, scan: Scan) -> Scan:
    """Return a scan that reads what was found before where it can, and finds the same in any case.

    Args:
        utilities: the module of transformers that looks through its models.
        scan: its function, of a folder.
    """
    models = Path(str(utilities.__file__)).parents[1] / "models"

    def kept(folder: str) -> dict[Any, Any]:
        path = _path(models) if folder == str(models) else None
        stamp = _stamp(Path(str(utilities.__file__)), models) if path else None
        if path is None or stamp is None:
            return scan(folder)
        found = _read(path, stamp)
        if found is None:
            found = scan(folder)
            _write(path, stamp, found)
        return found

    return kept


def _path(models: Path) -> Path | None:
    """Return where the findings of an installation are kept; None where nothing is."""
    home = os.environ.get("HOME")
    folder = os.environ.get(FOLDER, f"{home}/.cache/polyhead/imports" if home else "")
    if not folder.strip() or not _PACKAGES & set(models.parts):
        return None
    digest = hashlib.sha256(str(models).encode()).hexdigest()
    return Path(folder).expanduser() / f"transformers-{digest[:12]}.json"


def _stamp(utilities: Path, models: Path) -> Stamp | None:
    """Return what differs between two installations in the same place."""
    version = getattr(sys.modules.get("transformers"), "__version__", None)
    if not isinstance(version, str):
        return None
    times = {"models": models.stat().st_mtime_ns, "utilities": utilities.stat().st_mtime_ns}
    return {"place": str(models), "version": version, **times}


def _read(path: Path, stamp: Stamp) -> dict[Any, Any] | None:
    """Return what is kept for an installation; None where there is nothing, or what nobody wrote here."""
    from polyhead.storage.documents import read_json

    try:
        content = read_json(path)
        found = _decoded(content["found"]) if content["stamp"] == stamp else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def _write(path: Path, stamp: Stamp, found: dict[Any, Any]) -> None:
    """Keep what was found, if it comes back the same; where that is not possible, the next import looks again."""
    import json

    from polyhead.errors import UserError
    from polyhead.storage.output import write_atomically

    with suppress(OSError, UserError, ValueError, TypeError):
        text = json.dumps({"stamp": stamp, "found": _encoded(found)})
        if _decoded(json.loads(text)["found"]) != found:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as partial:
            partial.write_text(text, encoding="utf-8")


def _encoded(found: Any) -> Any:
    """Return findings for JSON: a mapping as its pairs, since its keys may be sets of names."""
    if isinstance(found, dict):
        return [[sorted(key) if isinstance(key, frozenset) else key, _encoded(value)] for key, value in found.items()]
    return {_SET: sorted(found)}


def _decoded(content: Any) -> Any:
    """Return the findings.

    Raises:
        ValueError: a name that no module, class or library has.
    """
    if isinstance(content, list):
        return {_key(key): _decoded(value) for key, value in content}
    return set(map(_name, content[_SET]))


def _key(key: Any) -> Any:
    """Return the name of a module, or libraries, which may be given with their versions."""
    return frozenset(map(str, key)) if isinstance(key, list) else _name(key)


def _name(name: Any) -> str:
    if not (isinstance(name, str) and name.isidentifier()):
        raise ValueError(f"{name!r} is no name")
    return name
