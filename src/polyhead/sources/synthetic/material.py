"""The words and patterns of a grammar, read from the text files beside this module.

Knows nothing about labels or splits. The files are in INI form; the comments at their heads say what each section
holds, and how to add a sentence pattern.
"""

from configparser import ConfigParser
from functools import cache
from importlib.resources import files

from polyhead.sources.synthetic.grammar import Grammar, Pools


@cache
def read_grammar(side: str) -> Grammar:
    """Read the grammar of one side of the holdout; each file is read once per process.

    Args:
        side: ``train``, or ``held_out`` for what training never shows.

    Raises:
        FileNotFoundError: there is no such side.
    """
    words, patterns = (_read_sections(f"{kind}_{side}.ini") for kind in ("words", "patterns"))
    return Grammar(
        topics=_named(words, "topic"),
        sentiments=_named(words, "sentiment"),
        general=words["general"],
        phrases=_named(patterns, "phrases"),
        frames=_named(patterns, "sentences"),
    )


def _read_sections(name: str) -> dict[str, Pools]:
    # A value ends at an empty line, and has its further lines indented, so that they may hold an equals sign.
    parser = ConfigParser(delimiters=("=",), comment_prefixes=("#",), interpolation=None, empty_lines_in_values=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names of pools as they stand
    parser.read_string(files(__package__).joinpath(name).read_text(encoding="utf-8"), source=name)
    return {section: dict(parser[section]) for section in parser.sections()}


def _named(sections: dict[str, Pools], kind: str) -> dict[str, Pools]:
    """Return the sections ``[kind NAME]`` by name."""
    prefix = f"{kind} "
    return {title.removeprefix(prefix): pools for title, pools in sections.items() if title.startswith(prefix)}
