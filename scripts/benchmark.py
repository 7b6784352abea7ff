"""Measure Polyhead and its peers side by side, alternating, and print medians and ratios.

    python scripts/benchmark.py encode data=texts.csv
    python scripts/benchmark.py finetune frozen partial weighting data=/path/to/trec6 repeats=3
    python scripts/benchmark.py profile data=/path/to/trec6 repeats=1
    python scripts/benchmark.py serve data=texts.csv
    python scripts/benchmark.py load data=texts.csv clients=64 seconds=60 repeats=1
    python scripts/benchmark.py label data=/path/to/trec6 repeats=5
    python scripts/benchmark.py few_shot data=/path/to/trec6 labels=8 repeats=5
    python scripts/benchmark.py budget data=/path/to/trec6 repeats=1
    python scripts/benchmark.py startup corpus
    python scripts/benchmark.py shards rows=20000000 repeats=1
    python scripts/benchmark.py scale axis=tasks
    python scripts/benchmark.py finetune device=gpu encoder=bert_base length=128 batch_size=64 compile=1
    python scripts/benchmark.py startup finetune encode against=/path/to/another/checkout

``data`` is ``hypothetical`` or a folder with train.csv, validation.csv and test.csv, all with a column ``text`` and for
training, ``category`` or ``sentiment`` or both. ``against`` measures Polyhead alone, as it is here and as it is there.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.settings import Settings, describe_options, parse

from polyhead.errors import UserError, interruptible
from polyhead.storage.output import write_atomically, write_errors


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code."""
    if {"-h", "--help"} & {*arguments}:
        print(__doc__, describe_options(), sep="\n")
        return 0
    try:
        names, settings = parse(arguments)
        measure(names, settings)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def measure(names: Sequence[str], settings: Settings) -> None:
    """Run the benchmarks, print their tables, and write the file if one is asked for."""
    from benchmarks import checkouts, peak, registry, table  # torch and the peers take seconds to import

    results = []
    for name in names:
        print(f"\n{name}: {settings.device}, {settings.encoder}, {settings.data}", flush=True)
        if settings.against:
            comparisons = checkouts.compare_checkouts(name, settings)
        else:
            comparisons = [registry.BENCHMARKS[name](settings)]
        for comparison in comparisons:
            table.show(comparison)
            results.append(asdict(comparison))
    if settings.json:
        report = {"settings": asdict(replace(settings, json="")), "machine": peak.machine(), "results": results}
        path = Path(settings.json)
        with write_errors(path), write_atomically(path) as partial:
            partial.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with interruptible():
        sys.exit(main(sys.argv[1:]))
