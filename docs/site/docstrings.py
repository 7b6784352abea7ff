"""What docstrings have of reStructuredText, as the Markdown and MathML of the site."""

import re
from typing import Any

import griffe
from latex2mathml.converter import convert

BLOCK = re.compile(r"^( *)\.\. math:: *(.+(?:\n\1 +\S.*)*)", re.MULTILINE)
INLINE = re.compile(r":math:`([^`]+)`")
DOCTEST = re.compile(r"(?<=\n\n)( *)>>> (?:.+\n?)+")
ROLE = re.compile(r":(?:func|class|meth|mod|attr|data):`~?([^`]+)`")


class PlainDocstrings(griffe.Extension):
    """Formulas become MathML, which browsers draw by themselves; names of roles become code."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of an object."""
        if obj.docstring is not None:
            text = BLOCK.sub(lambda found: found[1] + convert(_joined(found[2]), display="block"), obj.docstring.value)
            text = DOCTEST.sub(lambda found: f"{found[1]}```pycon\n{found[0].rstrip()}\n{found[1]}```\n", text)
            text = re.sub(r"::$", ":", text, flags=re.MULTILINE)  # of the text before a literal block
            text = INLINE.sub(lambda found: convert(found[1]), text)
            obj.docstring.value = ROLE.sub(r"``\1``", text)


def _joined(formula: str) -> str:
    return " ".join(formula.split())
