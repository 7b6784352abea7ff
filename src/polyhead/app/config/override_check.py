"""The check of overrides that Hydra takes in silence though they change nothing."""

from collections.abc import Collection, Iterator, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser

from polyhead.app.config.sections import SECTIONS
from polyhead.errors import did_you_mean


def override_problems(overrides: Sequence[str], groups: Collection[str]) -> Iterator[str]:
    """Yield a line for each override that has no effect.

    Args:
        overrides: of the command line, without those of Hydra.
        groups: of which the configuration has an option.
    """
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.key_or_group
        section = key.partition(".")[0]
        if key not in groups and section not in SECTIONS:
            yield f"{override.input_line}: no such key; {did_you_mean(section, SECTIONS)}"
        elif override.value() == {}:  # Hydra merges entries into those that there are
            yield (
                f"{override.input_line}: no entries given, so nothing is changed; set one by {key}.NAME=VALUE, or "
                f"take one out by '~{key}.NAME'"
            )
