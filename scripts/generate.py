"""Write hypothetical labelled sentences to a file. Knows nothing about training.

python scripts/generate.py split=train size=100000 seed=0 format=csv output=sentences.csv
python scripts/generate.py split=test size=20 format=jsonl output=- 'imbalance={category: 5}'
"""

import csv
import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, cast

from polyhead.app.terminal.flags import KeyParser
from polyhead.errors import UserError, did_you_mean, interruptible, require_extra
from polyhead.sources.synthetic.corpus import LABELS, SPLITS, HypotheticalCorpus, Sentence
from polyhead.storage.output import write_atomically, write_errors
from polyhead.tasks import PerTask

FORMATS = ("csv", "jsonl", "parquet")
ROW_GROUP = 100_000  # sentences of a Parquet file that are written together
REPORT_EVERY = 50_000  # sentences: about once a second
KNOBS = ("sizes", "seed", "label_noise", "imbalance", "correlation", "missing")  # parameters of the corpus


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        options = _parse(arguments)
        _run(options)
    except BrokenPipeError:
        # The reader has enough. Python flushes once more at exit; give it somewhere to flush to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (UserError, OSError) as error:
        for line in str(error).splitlines():
            print(f"error: {_name_options(line)}", file=sys.stderr)
        return 2
    return 0


def _parse(arguments: Sequence[str] | None) -> Namespace:
    per_task = "a number, or task=number pairs"
    parser = KeyParser(__doc__)
    parser.add_argument("--split", default="train", help=f"one of {', '.join(SPLITS)} (default: train)")
    parser.add_argument("--size", type=int, required=True, help="number of sentences")
    parser.add_argument("--seed", type=int, default=0, help="everything random follows from it (default: 0)")
    parser.add_argument("--format", default="csv", help=f"one of {', '.join(FORMATS)} (default: csv)")
    parser.add_argument("--output", required=True, help="the file to write, or - for standard output")
    parser.add_argument("--force", action="store_true", help="overwrite the file where it exists")
    parser.add_argument("--label-noise", nargs="+", default=["0"], help=f"share of wrong labels: {per_task}")
    parser.add_argument("--imbalance", nargs="+", default=["1"], help=f"most to least frequent: {per_task}")
    parser.add_argument("--correlation", type=float, default=0.0, help="of category and sentiment, 0 to 1")
    parser.add_argument("--missing", nargs="+", default=["0"], help=f"share of missing labels: {per_task}")
    options: Namespace = parser.parse(arguments)
    return options


def _run(options: Namespace) -> None:
    for name, value, valid in (("split", options.split, SPLITS), ("format", options.format, FORMATS)):
        if value not in valid:
            raise UserError(f"{name}: unknown {name} {value!r}; {did_you_mean(value, valid)}")
    corpus = HypotheticalCorpus(
        sizes={options.split: options.size},
        seed=options.seed,
        label_noise=_read_knob("label_noise", options.label_noise),
        imbalance=_read_knob("imbalance", options.imbalance),
        correlation=options.correlation,
        missing=_read_knob("missing", options.missing),
    )
    if options.format == "parquet":
        _check_parquet(options.output)
    sentences = _report(cast(Iterator[Sentence], corpus.sentences(options.split)), options.size)  # no pairs asked for
    if options.output == "-":
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # a real stream here
        TEXT_WRITERS[options.format](sentences, sys.stdout)
        sys.stdout.flush()
        return
    path = Path(options.output)
    _check_output(path, options.force)
    with write_errors(path), write_atomically(path) as partial:
        if options.format == "parquet":
            _write_parquet(sentences, partial)
        else:
            with partial.open("w", encoding="utf-8", newline="") as stream:
                TEXT_WRITERS[options.format](sentences, stream)


def _read_knob(option: str, words: Sequence[str]) -> PerTask:
    """Read ``0.1``, or ``category=0.1 sentiment=0.2``.

    Raises:
        UserError: neither of the two.
    """
    try:
        if len(words) == 1 and "=" not in words[0]:
            return float(words[0])
        return {task: float(value) for task, value in (word.split("=") for word in words)}
    except ValueError:
        raise UserError(f"{option}: {' '.join(words)!r} given; give a number, or pairs such as category=0.1") from None


def _name_options(problem: str) -> str:
    """Return a problem of the corpus with the option of this command in place of the parameter."""
    key, colon, rest = problem.partition(":")
    name, *task = key.removeprefix("data.").split(".")
    if name not in KNOBS:
        return problem
    if name == "sizes":
        return f"size{colon}{rest}"
    return ".".join([name, *task]) + colon + rest


def _write_csv(sentences: Iterable[Sentence], stream: IO[str]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("text", *LABELS))
    writer.writerows((sentence.text, *sentence.labels.values()) for sentence in sentences)  # None: an empty cell


def _write_jsonl(sentences: Iterable[Sentence], stream: IO[str]) -> None:
    encode = json.JSONEncoder(ensure_ascii=False).encode
    stream.writelines(encode({"text": text, **labels}) + "\n" for text, labels in sentences)


TEXT_WRITERS: dict[str, Callable[[Iterable[Sentence], IO[str]], None]] = {"csv": _write_csv, "jsonl": _write_jsonl}


def _check_parquet(output: str) -> None:
    """Check that Parquet can be written.

    Raises:
        UserError: standard output, or no pyarrow.
    """
    if output == "-":
        raise UserError("output: Parquet cannot be written to standard output; name a file")
    with require_extra("parquet", "format: parquet"):
        import pyarrow  # noqa: F401


def _write_parquet(sentences: Iterator[Sentence], path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, pa.string()) for name in ("text", *LABELS)])
    with parquet.ParquetWriter(path, schema) as writer:
        while chunk := list(islice(sentences, ROW_GROUP)):
            writer.write_table(pa.Table.from_pylist([{"text": text, **labels} for text, labels in chunk], schema))


def _check_output(path: Path, force: bool) -> None:
    """Refuse a name that cannot be written.

    Raises:
        UserError: the file exists and ``force`` was not given, or its folder cannot be written.
    """
    if path.exists() and not force:
        raise UserError(f"output: {path} exists; give another name, or force=true to overwrite it")
    if path.is_dir():
        raise UserError(f"output: {path} is a folder; give the name of a file in it")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"output: cannot write in {path.parent}; give another folder")


def _report(sentences: Iterator[Sentence], size: int) -> Iterator[Sentence]:
    """Yield the sentences, and count them on standard error if it is a terminal and there are many."""
    if not sys.stderr.isatty() or size < 2 * REPORT_EVERY:
        yield from sentences
        return
    for count, sentence in enumerate(sentences, start=1):
        if count % REPORT_EVERY == 0:
            print(f"\r{count:,} of {size:,} sentences", end="", file=sys.stderr, flush=True)
        yield sentence
    print(file=sys.stderr)


if __name__ == "__main__":
    with interruptible():
        sys.exit(main())
