"""The contests by name."""

from benchmarks.encoding import encode
from benchmarks.loading import load
from benchmarks.serving import serve
from benchmarks.starting import corpus, startup
from benchmarks.training import finetune, frozen, partly_frozen, weighting

CONTESTS = {
    "encode": encode,
    "finetune": finetune,
    "frozen": frozen,
    "partial": partly_frozen,
    "weighting": weighting,
    "startup": startup,
    "corpus": corpus,
    "serve": serve,
    "load": load,
}
