"""Write a small project to start from: sample sentences, options of its own, and the commands to try.

polyhead init DIR
"""

import csv
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from polyhead.app.terminal.flags import KeyParser
from polyhead.errors import UserError, interruptible

_PROJECT = Path(__file__).parent / "project"
_SIZES = {"train": 400, "test": 100}  # sentences


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = KeyParser(__doc__, "DIR")
    parser.add_argument("dir", type=Path, help="the folder to write; new, or empty")
    folder = parser.parse(arguments).dir
    try:
        write_project(folder)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{folder}: a project with sample sentences; {folder / 'README.md'} says what to try")
    return 0


def write_project(folder: Path) -> None:
    """Write the files of a project, all of them or none.

    Raises:
        UserError: the folder holds something, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"dir: {str(folder)!r} is a file; name a new folder")
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"dir: {str(folder)!r} holds files; name a new folder, or an empty one")
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _fill(folder)
        except OSError:
            if is_new:
                folder.rmdir()
            raise
    except OSError as error:
        raise UserError(f"dir: {str(folder)!r} cannot be written ({error.strerror}); name another folder") from error


def _fill(folder: Path) -> None:
    """Write all files beside their places, and then move them there: a full disk leaves none of them.

    The folder itself is not replaced, for a shell may stand in it.
    """
    with TemporaryDirectory(dir=folder, prefix=".polyhead-") as place:
        whole = Path(place)
        shutil.copytree(_PROJECT, whole, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        _write_samples(whole)
        for path in whole.iterdir():
            path.replace(folder / path.name)


def _write_samples(folder: Path) -> None:
    """Write sentences of the hypothetical corpus: none that belongs to anybody."""
    from polyhead.sources.synthetic.corpus import HypotheticalCorpus

    corpus = HypotheticalCorpus(_SIZES, seed=0, label_noise=0, imbalance=1, correlation=0, missing=0)
    for split in _SIZES:
        with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "category", "sentiment"])
            for sentence in corpus.sentences(split):
                writer.writerow([sentence.text, *(sentence.labels[task] for task in ("category", "sentiment"))])


def command() -> None:
    """Run the command line."""
    with interruptible():
        sys.exit(main())


if __name__ == "__main__":
    command()
