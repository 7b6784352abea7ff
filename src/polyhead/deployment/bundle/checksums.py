"""Checksums: the sha256 of every file of a folder, written down and compared. Knows nothing about models."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from polyhead.errors import UserError
from polyhead.storage.digests import file_digest


def checksums(folder: Path, exempt: Collection[str]) -> dict[str, str]:
    """Return the sha256 of every file below a folder by its relative name, in alphabetical order.

    Args:
        folder: hidden files and folders in it are passed over; they belong to systems and version control.
        exempt: names of further files to pass over.
    """
    return {name: file_digest(folder / name) for name in _file_names(folder, exempt)}


def check_files(folder: Path, expected: Mapping[str, str], exempt: Collection[str]) -> None:
    """Compare a folder's files with the checksums of those that were written.

    Args:
        folder: as for :func:`checksums`.
        expected: sha256 of each file by its relative name.
        exempt: as for :func:`checksums`.

    Raises:
        UserError: a file is missing, altered, or not listed.
    """
    present = _file_names(folder, exempt)
    for name in sorted(expected):
        if name not in present:
            raise UserError(f"{str(folder)!r}: the file {name!r} is missing; copy or export the bundle again")
    for name in present:
        if name not in expected or not (folder / name).is_file():  # a pipe would be waited for
            raise UserError(
                f"{str(folder)!r}: the file {name!r} does not belong to the bundle; remove it, or export again"
            )
        if file_digest(folder / name) != expected[name]:
            raise UserError(f"{str(folder)!r}: the file {name!r} was altered; copy or export the bundle again")


def _file_names(folder: Path, exempt: Collection[str]) -> list[str]:
    return sorted(set(_visible_files(folder, "")) - set(exempt))


def _visible_files(folder: Path, prefix: str) -> Iterator[str]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _visible_files(path, f"{prefix}{path.name}/")
        else:
            yield prefix + path.name
