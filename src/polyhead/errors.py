"""A user's mistakes: the one exception, its hints, and the end of a command."""

import errno
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from math import isfinite
from typing import TypeGuard

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The numbers of the system's errors for which making room helps."""

_LISTED = 50  # legal values that a message names


class UserError(ValueError):
    """A mistake of the user's; the message has one line per mistake.

    A line names the value given, the values allowed and the next step. Entry scripts print it without a traceback.
    """


class DivergenceError(UserError, RuntimeError):
    """Training whose losses are no numbers any more: in a search the fault of one trial's values, not of its user."""


class ParameterError(UserError):
    """Parameters whose values are not allowed: a line each, ``name: 0 given; it must be 1 or more``.

    A class knows the names of its own parameters alone. The code that builds it from a configuration knows where they
    stand there, and puts that in front (:func:`parameters_under`).
    """

    def under(self, key: str) -> "ParameterError":
        """Return the same error with ``key.`` in front of each parameter."""
        return ParameterError("\n".join(f"{key}.{line}" for line in str(self).splitlines()))


def parameter_problems(*checks: tuple[str, object, bool, str]) -> list[str]:
    """Return a line for each parameter whose value is not allowed.

    Args:
        checks: name, value, whether the value is allowed, and the rule: ``("rank", rank, rank >= 1, "1 or more")``.
    """
    return [f"{name}: {value!r} given; it must be {rule}" for name, value, allowed, rule in checks if not allowed]


def check_parameters(*checks: tuple[str, object, bool, str]) -> None:
    """Raise one error for all parameters whose values are not allowed; see :func:`parameter_problems`.

    Raises:
        ParameterError: at least one value is not allowed.
    """
    if problems := parameter_problems(*checks):
        raise ParameterError("\n".join(problems))


@contextmanager
def parameters_under(key: str) -> Iterator[None]:
    """Put ``key.`` in front of the parameters of an error raised inside."""
    try:
        yield
    except ParameterError as error:
        raise error.under(key) from error


def is_finite(value: object) -> TypeGuard[float]:
    """Return whether a value is a number, no bool, and finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def one_line(error: object, longest: int | None = None) -> str:
    """Return the message of an exception in one line, cut to a number of characters."""
    return " ".join(str(error).split())[:longest]


def did_you_mean(name: object, valid: Iterable[str]) -> str:
    """Return the legal values in words, the nearest first: ``did you mean 'none'? Valid: all, backbone, none``.

    Args:
        name: as given; it is none of them.
        valid: the legal values; of very many only the first are named.
    """
    options = sorted(valid)
    close = _closest(str(name), options)
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    more = f" and {len(options) - _LISTED:,} more" if len(options) > _LISTED else ""
    return f"{hint}Valid: {', '.join(options[:_LISTED])}{more}"


def _closest(name: str, options: list[str]) -> list[str]:
    """Return the options nearest to a name; case counts for less than other letters."""
    by_form: dict[str, list[str]] = {}
    for option in options:
        by_form.setdefault(option.casefold(), []).append(option)
    forms = get_close_matches(name.casefold(), by_form, n=3, cutoff=0.5)
    return [option for form in forms for option in by_form[form]][:3]


@contextmanager
def interruptible() -> Iterator[None]:
    """End the process on Ctrl-C with one line, and with the exit code that shells give it."""
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


@contextmanager
def require_extra(extra: str, what: str) -> Iterator[None]:
    """Turn an ImportError inside into an error that names the extra to install.

    Args:
        extra: of this package.
        what: the user's choice that needs it, such as ``output``.

    Raises:
        UserError: an import inside failed.
    """
    try:
        yield
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError)
        reason = f"{error.name} is not installed" if missing else str(error).splitlines()[0]
        raise UserError(f'{what}: {reason}; run: pip install "polyhead[{extra}]"') from error


@contextmanager
def collect_errors(problems: list[str]) -> Iterator[None]:
    """Add the lines of a user error that is raised inside to ``problems``; the block ends there."""
    try:
        yield
    except UserError as error:
        problems.extend(str(error).splitlines())
