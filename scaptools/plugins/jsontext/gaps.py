"""Gaps: what stands between neighbouring strings and brackets, and where each kind of gap may stand.

A gap holds colons, commas, white space and the scalars that are no strings. `ALLOWED` is the grammar of JSON told in
gaps: a document is well formed exactly when its brackets pair up and every gap fits what is before and behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from scaptools.plugins.jsontext import grammar
from scaptools.plugins.jsontext.tokens import WORD, words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.plugins.jsontext.tokens import Bytes, Positions

# What a gap holds, white space aside: nothing; a colon; a comma; the scalar of an object member with or without more
# members to come; scalars of an array with or without neighbours.
NOTHING, COLON, COMMA, MEMBER_MORE, MEMBER_LAST, LIST, LIST_MORE, MORE_LIST, MORE_LIST_MORE, WRONG = range(10)
#: How many kinds there are.
KINDS: Final = 10

# What a gap follows, including the kind of container it lies in.
ARRAY_OPEN, OBJECT_OPEN, CLOSED_IN_ARRAY, CLOSED_IN_OBJECT, VALUE_IN_ARRAY, VALUE_IN_OBJECT, KEY = range(7)
_BEFORE: Final = 7

# What a gap precedes.
OPENING, CLOSING, STRING = range(3)
#: How many there are of those.
BEHINDS: Final = 3

_GRAMMAR: Final = (
    (OBJECT_OPEN, NOTHING, (STRING, CLOSING)),
    (KEY, COLON, (STRING, OPENING)),
    (KEY, MEMBER_MORE, (STRING,)),
    (KEY, MEMBER_LAST, (CLOSING,)),
    (VALUE_IN_OBJECT, COMMA, (STRING,)),
    (VALUE_IN_OBJECT, NOTHING, (CLOSING,)),
    (CLOSED_IN_OBJECT, COMMA, (STRING,)),
    (CLOSED_IN_OBJECT, NOTHING, (CLOSING,)),
    (ARRAY_OPEN, NOTHING, (STRING, OPENING, CLOSING)),
    (ARRAY_OPEN, LIST, (CLOSING,)),
    (ARRAY_OPEN, LIST_MORE, (STRING, OPENING)),
    (VALUE_IN_ARRAY, COMMA, (STRING, OPENING)),
    (VALUE_IN_ARRAY, NOTHING, (CLOSING,)),
    (VALUE_IN_ARRAY, MORE_LIST, (CLOSING,)),
    (VALUE_IN_ARRAY, MORE_LIST_MORE, (STRING, OPENING)),
    (CLOSED_IN_ARRAY, COMMA, (STRING, OPENING)),
    (CLOSED_IN_ARRAY, NOTHING, (CLOSING,)),
    (CLOSED_IN_ARRAY, MORE_LIST, (CLOSING,)),
    (CLOSED_IN_ARRAY, MORE_LIST_MORE, (STRING, OPENING)),
)


def _allowed() -> NDArray[np.bool_]:
    table = np.zeros((_BEFORE, KINDS, BEHINDS), bool)
    for before, kind, behinds in _GRAMMAR:
        table[before, kind, list(behinds)] = True
    return table.ravel()


#: Whether a gap may stand there, by ``(before * KINDS + kind) * BEHINDS + behind``, which fits a byte.
ALLOWED: Final = _allowed()

_W: Final = grammar.WHITE
_S: Final = grammar.SCALAR
#: The group marks the scalar of an object member.
_FORMS: Final = tuple(
    (kind, re.compile(form + rb"\Z"))
    for kind, form in (
        (NOTHING, _W),
        (COLON, _W + b":" + _W),
        (COMMA, _W + b"," + _W),
        (MEMBER_MORE, _W + b":" + _W + b"(" + _S + b")" + _W + b"," + _W),
        (MEMBER_LAST, _W + b":" + _W + b"(" + _S + b")" + _W),
        (LIST, _W + _S + _W + b"(?:," + _W + _S + _W + b")*+"),
        (LIST_MORE, b"(?:" + _W + _S + _W + b",)++" + _W),
        (MORE_LIST, b"(?:" + _W + b"," + _W + _S + _W + b")++"),
        (MORE_LIST_MORE, b"(?:" + _W + b"," + _W + _S + _W + b")++," + _W),
    )
)
_BLANK: Final = re.compile(rb"[ \t\r\n]")
#: Longest gap worth remembering.
_MEMORABLE: Final = 256
#: Most gaps that are remembered.
_MEMORY: Final = 1 << 14


class Gap(NamedTuple):
    """What one gap holds, where its member's scalar begins and ends, and whether it has white space."""

    kind: int
    begin: int
    end: int
    blank: bool


def classify(gap: bytes) -> Gap:
    """Read the text of one gap."""
    for kind, form in _FORMS:
        match = form.match(gap)
        if match:
            begin, end = match.span(1) if form.groups else (0, 0)
            return Gap(kind, begin, end, _BLANK.search(gap) is not None)
    return Gap(WRONG, 0, 0, blank=False)


@dataclass(slots=True)
class GapReader:
    """Reads many gaps: those that hold plain numbers by arrays, any other text once for all gaps that are the same."""

    known: dict[bytes, Gap] = field(default_factory=dict)

    def read(self, padded: Bytes, starts: Positions, lengths: Positions) -> NDArray[np.int64]:
        """Rows of `Gap`, shape ``(len(starts), 4)``; no gap is empty.

        ``padded`` must have eight more bytes behind the last gap, and a byte in front of the first.
        """
        rows = np.zeros((len(starts), 4), np.int64)
        rest = np.flatnonzero(~_read_numbers(padded, starts, lengths, rows))
        starts, lengths = starts[rest], lengths[rest]
        short = lengths <= WORD
        distinct, inverse = np.unique(words(padded, starts[short], lengths[short]), return_inverse=True)
        texts = [int(word).to_bytes(WORD, "little").rstrip(b"\0") for word in distinct]
        table = np.array([self._gap(gap) for gap in texts], np.int64).reshape(-1, 4)
        found = table[inverse]
        # A NUL byte at the end of a gap looks like the padding of a shorter one.
        sizes = np.array([len(gap) for gap in texts], np.int64)
        found[sizes[inverse] != lengths[short], 0] = WRONG
        rows[rest[short]] = found
        for row in np.flatnonzero(~short):
            start = starts[row]
            rows[rest[row]] = self._gap(padded[start : start + lengths[row]].tobytes())
        return rows

    def _gap(self, text: bytes) -> Gap:
        gap = self.known.get(text)
        if gap is None:
            gap = classify(text)
            if len(text) <= _MEMORABLE and len(self.known) < _MEMORY:
                self.known[text] = gap
        return gap


#: Bytes numbers are made of, and signs, which are no number alone.
_NUMERIC: Final = np.isin(np.arange(256), list(b"0123456789.+-eE"))
_SIGN: Final = np.isin(np.arange(256), list(b"+-"))
#: The kind of a gap that holds numbers by what is in front of them (nothing, a comma) and behind (nothing, a comma).
_NUMBERS: Final = np.array([[LIST, LIST_MORE], [MORE_LIST, MORE_LIST_MORE]], np.int64)


def _read_numbers(padded: Bytes, starts: Positions, lengths: Positions, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Fill in the rows of gaps that hold nothing but numbers, commas and a colon; says which those are."""
    first, last = padded[starts], padded[starts + lengths - 1]
    member, after = first == ord(":"), first == ord(",")
    begin = starts + (member | after)
    end = starts + lengths - (last == ord(","))
    done: NDArray[np.bool_] = (begin < end) & _NUMERIC[padded[begin]]
    chosen = np.flatnonzero(done)
    if not len(chosen):
        return done
    sizes = (end - begin)[chosen]
    bounds = np.cumsum(sizes) - sizes
    at = np.repeat(begin[chosen] - bounds, sizes) + np.arange(bounds[-1] + sizes[-1])
    text = padded[at]
    beside = _NUMERIC[padded[at - 1]], _NUMERIC[padded[at + 1]]
    comma = text == ord(",")
    fits = _NUMERIC[text] | (comma & beside[0] & beside[1])
    fits &= ~_SIGN[text] | beside[0] | beside[1]
    good = np.logical_and.reduceat(fits, bounds)
    good &= ~(member[chosen] & np.logical_or.reduceat(comma, bounds))
    done[chosen] = good
    chosen = chosen[good]
    more = end[chosen] < (starts + lengths)[chosen]
    single = member[chosen]
    rows[chosen, 0] = np.where(
        single, np.where(more, MEMBER_MORE, MEMBER_LAST), _NUMBERS[after[chosen].astype(int), more.astype(int)]
    )
    rows[chosen, 1] = single
    rows[chosen, 2] = np.where(single, (end - starts)[chosen], 0)
    return done
