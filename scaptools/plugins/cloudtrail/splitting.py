"""Splitting a log file into records.

A log file is one object with a list of records, but it is not parsed as a whole: every object that begins one brace
deep is a record, cut out as it is. Braces inside strings do not count; brackets, names and what is around them are
not looked at.
"""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING, Final

import numpy as np

from scaptools.plugins.jsontext.tokens import BACKSLASH, QUOTE, backslash_runs, escaped_quotes, shape_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scaptools.plugins.jsontext.tokens import Bytes, Positions

_OPEN: Final = 0x7B
_STRING_OR_BRACE: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("?)|[{}]', re.DOTALL)
#: Bytes looked at in one go.
_PIECE: Final = 1 << 22


def split_records(text: Bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the records begin and end; one that is cut off is left out."""
    starts: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    ends: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    depth, inside = 0, False
    for first, last in _pieces(text):
        piece = text[first:last]
        braces, inside = _braces(piece, inside=inside)
        opening = piece[braces] == _OPEN
        depths = depth + np.cumsum(np.where(opening, 1, -1))
        starts.append(braces[opening & (depths == 2)] + first)
        ends.append(braces[~opening & (depths == 1)] + first + 1)
        if len(depths):
            depth = int(depths[-1])
    end = np.concatenate(ends)
    return np.concatenate(starts)[: len(end)], end


def _pieces(text: Bytes) -> Iterator[tuple[int, int]]:
    """Bounds of pieces that do not end in a backslash, but for the last."""
    first = 0
    while first < len(text):
        last = first + _PIECE
        while last < len(text) and text[last - 1] == BACKSLASH:
            others = np.flatnonzero(text[last : last + _PIECE] != BACKSLASH)
            last += int(others[0]) + 1 if len(others) else _PIECE
        yield first, min(last, len(text))
        first = last


def _braces(piece: Bytes, *, inside: bool) -> tuple[Positions, bool]:
    """Positions of the braces outside strings, and whether a string is open at the end.

    ``inside`` says whether one is open at the beginning.
    """
    runs = backslash_runs(piece)
    tokens = shape_tokens(piece, runs)
    kind = piece[tokens]
    # In front of the first token, and behind each.
    quoted = np.bitwise_xor.accumulate(np.append(inside, kind == QUOTE))
    if not quoted[np.searchsorted(tokens, escaped_quotes(piece, runs))].all():
        # Outside strings a backslash escapes nothing, so a quote was left out that begins a string.
        return _braces_one_by_one(piece.tobytes(), inside=inside)
    return tokens[~quoted[1:] & (kind >= _OPEN)], bool(quoted[-1])


def _braces_one_by_one(piece: bytes, *, inside: bool) -> tuple[Positions, bool]:
    found = array("q")
    opened = b'"' if inside else b""
    unclosed = False
    for match in _STRING_OR_BRACE.finditer(opened + piece):
        unclosed = match[1] == b""
        if match[1] is None:
            found.append(match.start() - len(opened))
    return np.array(found, np.intp), unclosed
