"""Finding the bytes that shape JSON text, for a whole buffer at once.

The shape is given by quotes and brackets alone. A quote behind an odd run of backslashes belongs to the string around
it; a bracket inside a string is text, but which ones are depends on where a document begins, so that is left to the
caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Bytes: TypeAlias = "NDArray[np.uint8]"
Positions: TypeAlias = "NDArray[np.intp]"
Runs: TypeAlias = "tuple[Positions, Positions]"

QUOTE: Final = 0x22
BACKSLASH: Final = 0x5C
#: Bytes of a machine word.
WORD: Final = 8
_MASKS: Final = np.array([(1 << (8 * size)) - 1 for size in range(WORD + 1)], np.uint64)
#: Bytes looked at in one go, so that the temporary arrays stay in the processor's cache.
_SLICE: Final = 1 << 17


def backslash_runs(text: Bytes) -> Runs:
    """Where each run of backslashes begins and ends."""
    found = np.flatnonzero(text == BACKSLASH)
    if not len(found):
        return found, found
    apart = np.flatnonzero(np.diff(found) != 1)
    return found[np.append(0, apart + 1)], found[np.append(apart, -1)] + 1


def shape_tokens(text: Bytes, runs: Runs) -> Positions:
    """Positions of all brackets of both kinds and of the quotes that are not escaped.

    ``runs`` are the text's runs of backslashes.
    """
    parts: list[Positions] = [np.zeros(0, np.intp)]
    for start in range(0, len(text), _SLICE):
        piece = text[start : start + _SLICE]
        folded = piece | 0x20  # [ becomes {, ] becomes }
        wanted = piece == QUOTE
        wanted |= folded == 0x7B
        wanted |= folded == 0x7D
        found = np.flatnonzero(wanted)
        found += start
        parts.append(found)
    positions = np.concatenate(parts)
    quotes = escaped_quotes(text, runs)
    return np.delete(positions, np.searchsorted(positions, quotes)) if len(quotes) else positions


def escaped_quotes(text: Bytes, runs: Runs) -> Positions:
    """Positions of the quotes right behind an odd run of backslashes."""
    starts, ends = runs
    behind = ends[(ends - starts) % 2 == 1]
    behind = behind[behind < len(text)]
    quotes: Positions = behind[text[behind] == QUOTE]
    return quotes


def words(padded: Bytes, starts: Positions, sizes: Positions) -> NDArray[np.uint64]:
    """Texts of at most eight bytes as little-endian numbers; ``padded`` goes on for eight bytes behind the last."""
    every: NDArray[np.uint64] = np.ndarray((len(padded) - WORD + 1,), "<u8", padded, 0, (1,))
    found: NDArray[np.uint64] = every[starts] & _MASKS[sizes]
    return found
