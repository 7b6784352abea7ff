"""Literals: plain values put into a configuration as they are, ``${...}`` in a text included."""

import re
from collections.abc import Mapping
from typing import Any

_OPENING = re.compile(r"(\\*)\$\{")


def literal(value: Any) -> Any:
    r"""Return plain values that a configuration gives back as they are, none of their texts resolved.

    >>> from omegaconf import OmegaConf
    >>> OmegaConf.create(literal({"label": "${oc.env:HOME}"})).label
    '${oc.env:HOME}'
    """
    if isinstance(value, Mapping):
        return {key: literal(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [literal(part) for part in value]
    return _OPENING.sub(r"\1\1\\${", value) if isinstance(value, str) else value
