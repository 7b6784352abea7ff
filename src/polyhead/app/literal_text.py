"""Literal text: what users named or wrote, put into a configuration without being resolved there.

OmegaConf takes ``${...}`` in any text for an interpolation: a label ``${oc.env:HOME}`` would name a folder.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

_INTERPOLATION = re.compile(r"(\\*)\$\{")


def escaped(content: Any) -> Any:
    r"""Return data whose texts mean themselves in a configuration.

    >>> escaped({"tone": ["dry", "${oc.env:HOME}"]})
    {'tone': ['dry', '\\${oc.env:HOME}']}
    """
    return with_texts(content, _escaped_text)


def with_texts(content: Any, change: Callable[[str], str]) -> Any:
    """Return data with each text in it changed; keys stay as they are."""
    if isinstance(content, str):
        return change(content)
    if isinstance(content, Mapping):
        return {key: with_texts(value, change) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [with_texts(value, change) for value in content]
    return content


def _escaped_text(text: str) -> str:
    """Put a backslash before each interpolation, and double those that stand there: a backslash escapes a backslash."""
    return _INTERPOLATION.sub(lambda match: f"{match[1] * 2}\\${{", text)
