"""The benchmark ``corpus``: how fast hypothetical sentences are generated."""

import time
from functools import partial

from benchmarks.measurement import Baseline, Comparison, Measurement, compare
from benchmarks.settings import Settings
from benchmarks.workload import SPLITS
from polyhead.sources.synthetic.corpus import HypotheticalCorpus

_SIZE = 100_000  # sentences where rows=0


def corpus(settings: Settings) -> Comparison:
    """Measure how fast hypothetical sentences are generated, on one core."""
    size = settings.rows or _SIZE
    baselines = {split: Baseline(partial(generate, split, size)) for split in SPLITS}
    return compare("corpus", "sentences", baselines, settings)


def generate(split: str, size: int, seed: int) -> Measurement:
    """Generate a split; ``distinct`` is the share of texts that occur once or are the first of their kind."""
    source = HypotheticalCorpus({split: size}, seed, label_noise=0, imbalance=1, correlation=0, missing=0)
    started = time.perf_counter()
    texts = [sentence.text for sentence in source.sentences(split)]
    distinct = len(set(texts))
    seconds = time.perf_counter() - started
    return Measurement(len(texts), seconds, {"distinct": distinct / len(texts)})
