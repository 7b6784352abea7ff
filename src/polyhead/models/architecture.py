"""Architectures: an encoder by its family and sizes, for random weights. Knows nothing about where weights lie."""

import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from math import isfinite
from typing import Any

from torch import nn
from transformers import AutoConfig, AutoModel, PretrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from polyhead.errors import ParameterError, UserError, did_you_mean, one_line, parameter_problems
from polyhead.models.sizes import MOST_LAYERS

_FAMILIES = tuple(MODEL_FOR_MASKED_LM_MAPPING_NAMES)
"""Those that fill in masked words: bidirectional encoders of text."""

_SIZE = re.compile(r"(num|n)_.*|.*_(size|dim|embeddings)|dim")
_LARGEST = dict.fromkeys(("num_hidden_layers", "n_layers"), MOST_LAYERS)  # each takes time before it takes memory
_LARGEST_SIZE = 1_000_000
_LONGEST_REASON = 200  # characters of what transformers says


def config_for(architecture: Mapping[str, Any], tokenizer: Mapping[str, Any]) -> PretrainedConfig:
    """Make the configuration of a family.

    Args:
        architecture: ``model_type``, and what differs from the family's defaults.
        tokenizer: entries that follow from the tokenizer; families differ in them.

    Raises:
        ParameterError: an unknown family, or values that it cannot have; all at once.
    """
    family = architecture.get("model_type")
    if family not in _FAMILIES:
        hint = did_you_mean(family, _FAMILIES)
        raise ParameterError(f"architecture.model_type: {family!r} is no encoder of transformers; {hint}")
    if problems := list(_problems(architecture, AutoConfig.for_model(family), tokenizer)):
        raise ParameterError("\n".join(f"architecture.{problem}" for problem in problems))
    with _sizes_that_fit("architecture", family):
        config: PretrainedConfig = AutoConfig.for_model(**{**architecture, **tokenizer})
    return config


def build_model(config: PretrainedConfig, key: str = "architecture") -> nn.Module:
    """Build the model of a configuration, with random weights, on torch's default device.

    Args:
        config: of the family.
        key: where the sizes are stated, for the line.

    Raises:
        ParameterError: its sizes do not go together.
    """
    with _sizes_that_fit(key, config.model_type):
        model: nn.Module = AutoModel.from_config(config, trust_remote_code=False)
    return model


@contextmanager
def _sizes_that_fit(key: str, family: str) -> Iterator[None]:
    """Turn whatever transformers raises for an architecture into a line; each family fails in its own way."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = one_line(error, _LONGEST_REASON)
        raise ParameterError(f"{key}: no {family} can be made of it ({reason}); see its sizes") from error


def _mentioned(name: str, module: str) -> bool:
    """Return whether the source of a family names an entry: some are read, and have no default."""
    sources = [
        inspect.getsource(import_module(place)) for place in (module, module.replace("configuration", "modeling"))
    ]
    return any(re.search(rf"\b{re.escape(name)}\b", source) for source in sources)


def _problems(
    architecture: Mapping[str, Any], defaults: PretrainedConfig, tokenizer: Mapping[str, Any]
) -> Iterator[str]:
    """Yield a line for each entry that a family does not have, or not with this value."""
    known = {*defaults.to_dict(), *defaults.attribute_map}
    for name, value in architecture.items():
        if name not in known and not _mentioned(str(name), type(defaults).__module__):
            yield f"{name}: {defaults.model_type} has no such entry; {did_you_mean(name, known)}"
        elif name in tokenizer and value != tokenizer[name]:
            yield f"{name}: {value!r} given; the tokenizer decides, and has {tokenizer[name]}, so leave it out"
        elif _SIZE.fullmatch(name):
            least = 0 if getattr(defaults, name, 1) == 0 else 1
            most = _LARGEST.get(name, _LARGEST_SIZE)
            allowed = type(value) is int and least <= value <= most
            yield from parameter_problems((name, value, allowed, f"a whole number, {least} to {most}"))
        elif isinstance(value, float):
            share = "dropout" in name
            allowed = isfinite(value) and value >= 0 and not (share and value > 1)
            yield from parameter_problems((name, value, allowed, "0 to 1" if share else "0 or more, and finite"))
