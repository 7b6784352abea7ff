"""The notation of the word and pattern files, and its compiler. Knows nothing about splits or seeds.

Alternatives stand one per line or between bars. In them:

    {thing}                  draws from the pool of that name; {Thing} does so with a capital first letter
    {kind.1} {kind.2}        draw from every other alternative, so that the two differ
    {adj} {!adj}             draw from the words of the sentence's own sentiment, and of the opposite one
    {+adj} {-adj} {=adj}     draw from the positive, the negative and the neutral words
    is/was                   forms of a word: {fact} takes the first, {fact:s} the next, {fact:ed} the last
    _ and ~                  a space that survives stripping, and nothing at all
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random

Pools = Mapping[str, str]
Symbol = Sequence["str | tuple[str | Symbol, ...]"]
"""The alternatives of one pool: each a literal, or the literals and pools it is made of, in order."""

_SLOT = re.compile(r"\{([!+=-]?)(\w+)(?:\.([12]))?(?::(s|ed))?\}")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiouAEIOU])")
_OPPOSITE = {"Positive": "Negative", "Negative": "Positive"}
_ABSOLUTE = {"+": "Positive", "-": "Negative", "=": "Neutral"}


@dataclass(frozen=True)
class Grammar:
    """The words and patterns of one side of the hold-out: what training sees, or what it never sees.

    Args:
        topics: topic -> pool name -> alternatives. A topic's pool goes before one of the same name elsewhere.
        sentiments: sentiment -> pool name -> alternatives.
        general: pool name -> alternatives.
        phrases: ``any``, ``polar`` or ``neutral`` -> pool name -> alternatives that are made of other pools.
        frames: category -> ``any``, ``polar`` or ``neutral`` -> whole sentences.
    """

    topics: Mapping[str, Pools]
    sentiments: Mapping[str, Pools]
    general: Pools
    phrases: Mapping[str, Pools]
    frames: Mapping[str, Pools]

    def compile(self, topic: str) -> dict[tuple[str, str], Symbol]:
        """Return, for each (category, sentiment), the pool of all sentences on ``topic`` with these labels.

        Raises:
            KeyError: a pattern names a pool that is not there.
        """
        compiler = _Compiler(lambda name, sentiment: self._find(name, sentiment, topic))
        return {
            (category, sentiment): compiler.compile_frames(
                split_alternatives(frames["any"] + "\n" + frames[_kind(sentiment)]), sentiment
            )
            for category, frames in self.frames.items()
            for sentiment in self.sentiments
        }

    def _find(self, name: str, sentiment: str, topic: str) -> str:
        topic_words = self.topics[topic]
        if name == "flair":  # what a topic has instead of one pool: its own praise and its own blame
            return topic_words["praise" if sentiment == "Positive" else "blame"]
        places = (
            topic_words,
            self.sentiments[sentiment],
            self.phrases[_kind(sentiment)],
            self.phrases["any"],
        )
        for pools in (*places, self.general):
            if name in pools:
                return pools[name]
        raise KeyError(f"no pool is called {name!r}")


@dataclass(frozen=True)
class _Compiler:
    find: Callable[[str, str], str]
    known: dict[tuple[str, str, str | None, str | None, bool], Symbol] = field(default_factory=dict)

    def compile_frames(self, frames: Sequence[str], sentiment: str) -> Symbol:
        return [self._compile_one(frame, sentiment, capital=True) for frame in frames]

    def _compile_one(self, text: str, sentiment: str, capital: bool) -> "str | tuple[str | Symbol, ...]":
        if text and "{" not in text:  # most are words alone
            return _capitalise(text) if capital else text
        pieces: list[str | Symbol] = []
        # an odd split of the text: literal, then the four groups of a slot, literal, and so on
        literals, slots = _SLOT.split(text)[::5], _SLOT.findall(text)
        for position, literal in enumerate(literals):
            if literal:
                pieces.append(_capitalise(literal) if capital and not pieces else literal)
            if position < len(slots):
                pole, name, half, form = slots[position]
                pieces.append(self._compile_slot(pole, name, half, form, sentiment, capital and not pieces))
        return pieces[0] if len(pieces) == 1 and isinstance(pieces[0], str) else tuple(pieces)

    def _compile_slot(self, pole: str, name: str, half: str, form: str, sentiment: str, capital: bool) -> Symbol:
        sentiment = _OPPOSITE[sentiment] if pole == "!" else _ABSOLUTE.get(pole, sentiment)
        capital = capital or name[0].isupper()
        key = (name.lower(), sentiment, half, form, capital)
        if key not in self.known:
            texts = split_alternatives(self.find(name.lower(), sentiment))
            texts = texts[int(half) - 1 :: 2] if half else texts
            self.known[key] = [self._compile_one(choose_form(text, form), sentiment, capital) for text in texts]
        return self.known[key]


@cache
def split_alternatives(text: str) -> tuple[str, ...]:
    """Return the alternatives of one pool: one a line, or between bars."""
    parts = (part.strip() for part in re.split(r"[|\n]", text))
    return tuple(part.replace("_", " ").replace("~", "") for part in parts if part)


def choose_form(text: str, form: str) -> str:
    """Return ``text`` with one form of each word that is written as ``is/was``."""
    if "/" not in text:
        return text
    position = {"": 0, "s": 1, "ed": -1}[form]
    return " ".join(word.split("/")[position] if "/" in word else word for word in text.split(" "))


def draw(symbol: Symbol, generator: Random) -> str:
    """Return one sentence of ``symbol``, with ``a`` or ``an`` as the next word wants it."""
    return _ARTICLE.sub(r"\1n ", _expand(symbol, generator.random))


def _expand(symbol: Symbol, uniform: Callable[[], float]) -> str:
    # random() and a product cost a third of choice(), which draws bits until they fit
    alternative = symbol[int(uniform() * len(symbol))]
    if isinstance(alternative, str):
        return alternative
    return "".join([piece if isinstance(piece, str) else _expand(piece, uniform) for piece in alternative])


def _kind(sentiment: str) -> str:
    return "neutral" if sentiment == "Neutral" else "polar"


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
