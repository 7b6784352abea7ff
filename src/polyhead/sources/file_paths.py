"""File paths: what a user names, wildcards included -> the files. Knows nothing about what is in them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from glob import glob, has_magic
from pathlib import Path

from polyhead.errors import ParameterError, collect_errors
from polyhead.sources.table_reader import DATA_SET, SAVED_SPLITS
from polyhead.storage.row_readers import READERS, format_of

FORMATS = tuple(name for name in READERS if name != "txt")
"""The formats of files that can hold labels."""


def find_files(parameter: str, sources: object, formats: Sequence[str] = FORMATS) -> list[list[Path]]:
    """Return the files of each source: one source if paths are given, several if paths by name are.

    Raises:
        ParameterError: no file, or one of an unknown format, or one that is named twice.
    """
    groups = sources.values() if isinstance(sources, Mapping) else [sources]
    found = [_expand_all(parameter, paths, formats) for paths in groups]
    counts = Counter(path.resolve() for group in found for path in group)
    repeated = [path for path, count in counts.items() if count > 1]  # as overlapping wildcards do
    if repeated:
        more = f" and {len(repeated) - 1:,} more files" if len(repeated) > 1 else ""
        hint = "name each file once, and see the wildcards"
        raise ParameterError(f"{parameter}: {repeated[0]}{more} named more than once; {hint}")
    return found


def _expand_all(parameter: str, paths: object, formats: Sequence[str]) -> list[Path]:
    patterns = [paths] if isinstance(paths, str) else paths
    if not isinstance(patterns, Sequence) or not patterns or not all(isinstance(path, str) for path in patterns):
        rule = "it must be a path, a list of paths, or such by the name of a source"
        raise ParameterError(f"{parameter}: {paths!r} given; {rule}")
    problems: list[str] = []
    files: list[Path] = []
    for pattern in patterns:
        with collect_errors(problems):
            files += _expand(parameter, pattern, formats)
    if problems:
        raise ParameterError("\n".join(problems))
    return files


def _expand(parameter: str, pattern: str, formats: Sequence[str]) -> list[Path]:
    """Return the files that a path or a pattern stands for, in alphabetical order."""
    literal = Path(pattern).is_file() or not has_magic(pattern)  # brackets may be part of a name
    found = [Path(pattern)] if literal else sorted(map(Path, glob(pattern, recursive=True)))
    if literal and (Path(pattern) / SAVED_SPLITS).is_file():
        raise ParameterError(f"{parameter}: {_splits_hint(Path(pattern))}")
    if literal and found[0].is_dir() and not (found[0] / DATA_SET).is_file():
        found = _files_in(found[0])
    files = [path for path in found if path.is_file() or (path / DATA_SET).is_file()]
    if not files:
        raise ParameterError(f"{parameter}: no file {pattern!r}; relative paths start in the current folder")
    problems: list[str] = []
    for path in files:
        with collect_errors(problems):
            if path.is_file():
                format_of(str(path), formats)
    if problems:
        raise ParameterError("\n".join(f"{parameter}: {problem}" for problem in problems))
    return files


def _files_in(folder: Path) -> list[Path]:
    """Return the files in a folder, but for hidden ones and the marks of whoever wrote it, as ``_SUCCESS``."""
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith((".", "_")))


def _splits_hint(folder: Path) -> str:
    """Say how to name the splits of a folder that ``DatasetDict.save_to_disk`` wrote."""
    splits = sorted(path.parent.name for path in folder.glob(f"*/{DATA_SET}"))
    example = splits[0] if splits else "train"
    return (
        f"{str(folder)!r} holds several splits ({', '.join(splits)}); name one, as in {folder / example}, or take all "
        f"by data=hub data.name={folder}"
    )
