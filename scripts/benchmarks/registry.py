"""The benchmarks by name."""

from collections.abc import Callable

from benchmarks.budget.ways import budget
from benchmarks.conflict import conflict
from benchmarks.corpus import corpus
from benchmarks.embedding import encode
from benchmarks.few_labels import defaults, few_shot
from benchmarks.labeling import label
from benchmarks.measurement import Comparison
from benchmarks.prediction import serve
from benchmarks.scaling import scale
from benchmarks.server_load import load
from benchmarks.settings import Settings
from benchmarks.shard_reading import shards
from benchmarks.startup import startup
from benchmarks.step_profile import step_profile
from benchmarks.training import finetune, frozen, partly_frozen, weighting

BENCHMARKS: dict[str, Callable[[Settings], Comparison]] = {
    "encode": encode,
    "finetune": finetune,
    "profile": step_profile,
    "frozen": frozen,
    "partial": partly_frozen,
    "weighting": weighting,
    "conflict": conflict,
    "startup": startup,
    "corpus": corpus,
    "shards": shards,
    "scale": scale,
    "serve": serve,
    "load": load,
    "label": label,
    "few_shot": few_shot,
    "defaults": defaults,
    "budget": budget,
}
