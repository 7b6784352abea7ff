"""The defaults of our classes and the values of the YAML files, which say the same where both say something."""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest
import yaml
from hydra.utils import get_object
from support.commands import ROOT

CONFIGS = ROOT / "configs"
NONE = {
    "FileSource.files": "the data themselves",
    "ShardSource.files": "the data themselves",
    "HubSource.name": "the data themselves",
    "PretrainedEncoder.location": "the encoder itself",
    "FreezeSpec.frozen": "the freezing itself",
    "FreezeSpec.lower_layers.count": "how many there are is the encoder's",
    "FreezeSpec.upper_layers.count": "how many there are is the encoder's",
    "UnfreezeSchedule.frozen": "the freezing itself",
    "UnfreezeSchedule.unfreeze": "the freezing itself",
    "Fixed.weights": "the weighting itself",
    "Aggregation.aggregator": "the weighting itself",
    "Scalarized.scalarizer": "the weighting itself",
    "Soup.runs": "the runs themselves",
    "Mistakes.folder": "where to write",
    "LastCheckpoint.dirpath": "where to write",
    "SaveOnInterruption.path": "where to write",
    "FileSource.cache": "where to write",
    "HubSource.cache": "where to write",
    "ShardSource.cache": "where to write",
    "ActivationCache.folder": "where to write",
    "TokenCache.folder": "where to write",
}
"""Parameter -> why it has no default, though YAML states a value."""

UNLIKE = {
    "PretrainedEncoder.prompt": "runs of version 0.1.0 have none",
    "PretrainedEncoder.layers": "encoder=teacher is there to keep some",
    "PretrainedEncoder.architecture": "each option is another family",
    "PretrainedEncoder.max_length": "ModernBERT's own 8,192 tokens are slow to train",
    "PretrainedEncoder.sha256": "the packaged weights are known",
    "BestCheckpoint.min_rows": "runs of version 0.1.0 know no such limit",
    "LastStageStopping.min_rows": "runs of version 0.1.0 know no such limit",
    "FreezeSpec.trained": "freeze=bias_only and the like are there to name some",
    "MultiTaskLoss.beta": "loss=class_balanced is there to set it",
    "MultiTaskLoss.gamma": "loss=focal is there to set it",
    "Aggregation.gives_mean": "it is as the aggregator",
    "Aggregation.settings": "they are those of the aggregator",
    "Scalarized.settings": "they are those of the scalarizer",
    "HypotheticalCorpus.label_noise": "the same number, by task, so that one of them can be set",
    "HypotheticalCorpus.imbalance": "the same number, by task, so that one of them can be set",
    "HypotheticalCorpus.missing": "the same number, by task, so that one of them can be set",
}
"""Parameter -> why some YAML says something else than its default."""


class Stated(NamedTuple):
    """A value that a YAML file states for a parameter of one of our classes."""

    parameter: str
    value: object
    default: object


def objects_in(node: object) -> Iterator[Mapping[str, object]]:
    """Yield all entries that name one of our classes."""
    if isinstance(node, dict):
        if str(node.get("_target_")).startswith("polyhead."):
            yield node
        for value in node.values():
            yield from objects_in(value)


def default_of(target, parameter):
    """Return the default of a parameter, made where each object gets its own; ``empty`` where there is none."""
    factories = {
        field.name: field.default_factory
        for field in (dataclasses.fields(target) if dataclasses.is_dataclass(target) else ())
        if field.default_factory is not dataclasses.MISSING
    }
    return factories[parameter.name]() if parameter.name in factories else parameter.default


def stated(entry):
    """Yield all that an entry states."""
    target = get_object(entry["_target_"])
    for name, parameter in inspect.signature(target).parameters.items():
        if name in entry:
            yield Stated(f"{target.__qualname__}.{name}", entry[name], default_of(target, parameter))


def plain(value):
    """Return lists as tuples, and any mapping as a dict."""
    if isinstance(value, list | tuple):
        return tuple(map(plain, value))
    return {key: plain(part) for key, part in value.items()} if isinstance(value, Mapping) else value


FILES = {str(path.relative_to(CONFIGS)): yaml.safe_load(path.read_text()) for path in sorted(CONFIGS.rglob("*.yaml"))}
ALL = {name: [line for entry in objects_in(content) for line in stated(entry)] for name, content in FILES.items()}
EVERY = [line for lines in ALL.values() for line in lines]


def without_default(lines):
    return {line.parameter for line in lines if line.default is inspect.Parameter.empty}


def unlike(lines):
    """Return the parameters whose value is another; what refers to another key is compared where that stands."""
    known = [line for line in lines if line.default is not inspect.Parameter.empty and "${" not in str(line.value)]
    return {line.parameter for line in known if plain(line.value) != plain(line.default)}


@pytest.mark.parametrize("name", [name for name, lines in ALL.items() if lines])
def test_yaml_states_the_defaults_of_the_class(name):
    assert unlike(ALL[name]) <= {*UNLIKE}
    assert without_default(ALL[name]) <= {*NONE}


def test_exceptions_are_all_needed():
    assert unlike(EVERY) == {*UNLIKE}
    assert without_default(EVERY) == {*NONE}


def test_yaml_states_many_defaults():
    assert sum(line.parameter not in NONE for line in EVERY) > 250
