"""Folding: texts that a person takes for the same become equal. Knows nothing about tables or labels."""

from unicodedata import normalize


def fold(text: str) -> str:
    r"""Return a text without what a person reads over: case, the amount of space, and the Unicode form.

    Compatibility forms count, too: full-width letters, ligatures, no-break spaces.

    >>> fold("  Stra\u00dfe\tCafe\u0301 ") == fold("STRASSE Caf\u00e9")
    True
    """
    if text.isascii():
        folded = text.strip().lower()
        is_odd = (
            "  " in folded or "\n" in folded or "\t" in folded or "\r" in folded or "\v" in folded or "\f" in folded
        )
    else:
        folded = normalize("NFKC", normalize("NFKC", text).casefold())
        is_odd = True
    return " ".join(folded.split()) if is_odd else folded  # millions are folded, and most have no odd space
