"""Made with: what an object was made with, remembered, so that a configuration can describe an equal one."""

from collections.abc import Mapping
from inspect import signature
from typing import Any, Self


class RecordsArguments:
    """A base whose objects know the arguments that they were made with.

    An attribute of an argument's name is no substitute: it may hold what the object has made of the argument.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the object, and note the arguments in it; they are bound to names when they are asked for."""
        made = super().__new__(cls)
        object.__setattr__(made, "_made_with", (args, kwargs))
        return made

    def made_with(self) -> Mapping[str, Any]:
        """Return the arguments by name, as they were given; defaults are left out."""
        args, kwargs = self._made_with  # type: ignore[attr-defined]
        given = signature(type(self)).bind(*args, **kwargs)
        collected = [name for name, one in given.signature.parameters.items() if one.kind is one.VAR_KEYWORD]
        arguments = dict(given.arguments)
        for name in collected:
            arguments |= arguments.pop(name, {})
        return arguments
