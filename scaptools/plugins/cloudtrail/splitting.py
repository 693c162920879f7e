"""Splitting a log file into records.

A log file is one object with a list of records, but it is not parsed as a whole: every object that begins one brace
deep is a record, cut out as it is. Braces inside strings do not count; brackets, names and what is around them are
not looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from scaptools.plugins.jsontext.tokens import QUOTE, backslashes, escaped_positions, shape_tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.plugins.jsontext.tokens import Bytes, Positions

_OPEN: Final = 0x7B
_STRING_OR_BRACE: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{}]', re.DOTALL)


def split_records(text: Bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the records begin and end; one that is cut off is left out."""
    braces = _braces(text)
    opening = text[braces] == _OPEN
    depth = np.cumsum(np.where(opening, 1, -1))
    starts = braces[opening & (depth == 2)]
    ends = braces[~opening & (depth == 1)] + 1
    return starts[: len(ends)].astype(np.int64), ends.astype(np.int64)


def _braces(text: Bytes) -> Positions:
    """Positions of the braces outside strings."""
    slashes = backslashes(text)
    tokens = shape_tokens(text, slashes)
    kind = text[tokens]
    inside = np.bitwise_xor.accumulate((kind == QUOTE).view(np.uint8)).view(bool)
    escaped = escaped_positions(slashes)
    escaped = escaped[escaped < len(text)]
    quotes = escaped[text[escaped] == QUOTE]
    before = np.searchsorted(tokens, quotes) - 1
    if len(quotes) and (before[0] < 0 or not inside[before].all()):
        # Outside strings a backslash escapes nothing, so a quote was left out that begins a string.
        found = (match.start() for match in _STRING_OR_BRACE.finditer(text.tobytes()) if match[0] in {b"{", b"}"})
        return np.fromiter(found, np.intp)
    return tokens[~inside & (kind >= _OPEN)]
