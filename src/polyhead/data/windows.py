"""Windows: a long text as overlapping pieces of token ids. Knows nothing about texts, tokenizers or models.

All windows of a text but the last have the same number of tokens, the most that an encoder takes; so they can be told
apart in the ids of the text, one window after the other, by that number alone.
"""

from collections.abc import Sequence

MOST_WINDOWS = 1000
"""Windows that a text may have: each costs as much as a text of its own."""

_OVERLAP = 4  # a window shares a quarter of its own tokens with the next, so that what is cut is whole in one of them


def cut_windows(
    ids: Sequence[int], before: int, after: int, limit: int, most: int, from_the_end: bool = False
) -> tuple[list[int], bool]:
    """Cut the token ids of a text into windows, each with the special tokens and the prompt of the text.

    >>> cut_windows([101, 1, 2, 3, 4, 5, 6, 102], before=1, after=1, limit=6, most=8)
    ([101, 1, 2, 3, 4, 102, 101, 4, 5, 6, 102], False)

    Args:
        ids: of the text; one no longer than ``limit`` stays as it is.
        before: tokens at its start that each window has: special ones, and those of the prompt.
        after: special tokens at its end.
        limit: tokens of a window, at most.
        most: windows of a text, at most; the rest is left out.
        from_the_end: begin with the end of the text, for what is cut on the left.

    Returns:
        The ids of all windows, one after the other, and whether any of the text was left out.
    """
    if len(ids) <= limit:
        return list(ids), False
    start, body, end = ids[:before], ids[before : len(ids) - after], ids[len(ids) - after :]
    room = max(1, limit - before - after)
    step = room - room // _OVERLAP
    needed = 1 + -(-(len(body) - room) // step)  # rounded up
    windows: list[int] = []
    for first in range(0, min(needed, most) * step, step):
        last = first + room
        piece = body[max(0, len(body) - last) : len(body) - first] if from_the_end else body[first:last]
        windows += [*start, *piece, *end]
    return windows, needed > most
