"""Indexing many documents at once: where every object member lies, by array operations.

The work goes from bytes to quotes and brackets (`tokens`), from those to *items* (strings, and brackets outside
strings), pairs the brackets level by level and looks up every gap between neighbouring items (`gaps`).

Documents this cannot prove well formed, and those that nest deeper than `MAX_LEVELS`, are left to `grammar.scan`,
which decides; both give the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from scaptools.plugins.jsontext import gaps, grammar
from scaptools.plugins.jsontext.tokens import QUOTE, backslash_runs, shape_tokens, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scaptools.plugins.jsontext.tokens import Bytes, Positions, Runs

#: Deepest nesting that is worth arrays; each level costs a pass over the brackets.
MAX_LEVELS: Final = 32
#: Longest member name that is told apart by its length.
MAX_NAME: Final = 0x7F
#: Bytes of documents indexed in one go, so that the arrays stay in the processor's cache.
_BLOCK: Final = 1 << 20
#: Below this many bytes one document after the other is faster.
_FEW_BYTES: Final = 1 << 13


@dataclass(frozen=True, slots=True)
class Index:
    """Every object member of ``n`` documents that lie in one buffer; positions count from the buffer's start.

    ``start``, ``end`` of shape ``(n,)`` give each document's value, both 0 where it does not parse; ``spaced`` says
    which may have white space between their tokens. ``key``, ``sign``, ``value``, ``value_end`` have one entry per
    member, in the order of the text: where its name begins, its `signature`, and its value's span. ``slashes`` are
    the positions where runs of backslashes begin.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    spaced: NDArray[np.bool_]
    key: NDArray[Any]
    sign: NDArray[np.uint32]
    value: NDArray[Any]
    value_end: NDArray[Any]
    slashes: NDArray[Any]


def signature(depth: Any, length: Any, word: Any) -> Any:
    """A number that members of the same depth (1 in the outermost container) and name share.

    ``word`` holds the first eight bytes of the name, little-endian, zeros behind a shorter one.
    """
    mixed = (word ^ word >> np.uint64(29)) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(48)
    return (depth << 23 | np.minimum(length, MAX_NAME) << 16).astype(np.uint32) | mixed.astype(np.uint32)


@lru_cache
def signature_of(depth: int, name: bytes) -> np.uint32:
    """The signature of members called ``name``."""
    word = np.array([int.from_bytes(name[:8], "little")], np.uint64)
    return np.uint32(signature(np.array([depth]), np.array([len(name)]), word)[0])


def depth_of(sign: Any) -> Any:
    """The depth a signature was made with."""
    return sign >> 23


def length_of(sign: Any) -> Any:
    """The length of the name a signature was made with, at most `MAX_NAME`."""
    return sign >> 16 & MAX_NAME


def build_index(buffer: Bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Index:
    """Index the documents ``buffer[starts[i]:ends[i]]``; they must be in ascending order and not overlap."""
    count = len(starts)
    positions = np.dtype(np.int32 if len(buffer) < 1 << 31 else np.int64)
    start, end = np.zeros(count, np.int64), np.zeros(count, np.int64)
    spaced = np.zeros(count, bool)
    members: list[_Members] = [_Members.empty()]
    slashes: list[NDArray[Any]] = [np.zeros(0, positions)]
    reader = gaps.GapReader()
    for first, last in _blocks(starts, ends):
        base = int(starts[first])
        block = _Block(buffer[base : int(ends[last - 1])], starts[first:last] - base, ends[first:last] - base)
        rows = block.index(reader)
        here = slice(first, last)
        start[here] = np.where(block.value_end > 0, block.value + base, 0)
        end[here] = np.where(block.value_end > 0, block.value_end + base, 0)
        spaced[here] = block.spaced
        slashes.append((block.runs[0] + base).astype(positions))
        members.append(rows.moved(base, positions))
    joined = _Members.joined(members)
    return Index(start, end, spaced, joined.key, joined.sign, joined.value, joined.value_end, np.concatenate(slashes))


def _blocks(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    first = 0
    while first < len(starts):
        last = max(int(np.searchsorted(ends, starts[first] + _BLOCK, "right")), first + 1)
        yield first, last
        first = last


@dataclass(frozen=True, slots=True)
class _Members:
    key: NDArray[Any]
    sign: NDArray[np.uint32]
    value: NDArray[Any]
    value_end: NDArray[Any]

    @staticmethod
    def empty() -> _Members:
        none = np.zeros(0, np.int32)
        return _Members(none, none.astype(np.uint32), none, none)

    @staticmethod
    def joined(parts: list[_Members]) -> _Members:
        return _Members(
            np.concatenate([part.key for part in parts]),
            np.concatenate([part.sign for part in parts]),
            np.concatenate([part.value for part in parts]),
            np.concatenate([part.value_end for part in parts]),
        )

    def moved(self, base: int, dtype: np.dtype[Any]) -> _Members:
        return _Members(
            (self.key + base).astype(dtype),
            self.sign,
            (self.value + base).astype(dtype),
            (self.value_end + base).astype(dtype),
        )

    def taken(self, rows: NDArray[Any]) -> _Members:
        return _Members(self.key[rows], self.sign[rows], self.value[rows], self.value_end[rows])


class _Block:
    """Documents that are indexed together; positions count from the block's start.

    ``value``, ``value_end`` are the documents' spans once `index` has run, 0 where one does not parse.
    """

    def __init__(self, text: Bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        #: The text, and eight bytes more so that a word can be read at each of its positions.
        self.padded = np.append(text, np.zeros(8, np.uint8))
        self.text = self.padded[: len(text)]
        self.starts = starts
        self.ends = ends
        self.runs = backslash_runs(self.text)
        self.value = np.zeros(len(starts), np.int64)
        self.value_end = np.zeros(len(starts), np.int64)
        self.spaced = np.zeros(len(starts), bool)

    def index(self, reader: gaps.GapReader) -> _Members:
        """The members of all documents, in the order of the text."""
        odd = np.ones(len(self.starts), bool)
        parts: list[_Members] = [_Members.empty()]
        # More than a block's worth is a single document, for which the arrays might be large.
        if _FEW_BYTES <= len(self.text) <= _BLOCK:
            items = _items(self.text, self.starts, self.ends, self.runs)
            if items is not None:
                parts.append(self._regular(items, reader, odd))
        for document in np.flatnonzero(odd):
            rows = self._scanned(int(document))
            if rows is not None:
                parts.append(rows)
        if len(parts) <= 2:
            return parts[-1]
        joined = _Members.joined(parts)
        return joined.taken(np.argsort(joined.key, kind="stable"))

    def _scanned(self, document: int) -> _Members | None:
        start, end = int(self.starts[document]), int(self.ends[document])
        found = grammar.scan(self.text[start:end].tobytes())
        if found is None:
            return None
        self.value[document] = start + found.start
        self.value_end[document] = start + found.end
        self.spaced[document] = True
        key, key_end, depth, value, value_end = np.frombuffer(found.members, np.int64).reshape(-1, 5).T
        return self._members(start + key, depth, key_end - key, start + value, start + value_end)

    def _members(self, key: Positions, depth: Any, length: Any, value: Any, value_end: Any) -> _Members:
        word = words(self.padded, key, np.minimum(length, 8))
        return _Members(key, signature(depth, length, word), value, value_end)

    def _regular(self, items: _Items, reader: gaps.GapReader, odd: NDArray[np.bool_]) -> _Members:
        """Members of the documents that prove well formed; clears ``odd`` for those."""
        text, start, end, depth = self.text, items.start, items.end, items.depth
        in_object, full_end, wrong = _pair(items)
        documents = items.documents
        between = items.bounds[1:-1] - 1

        size = start[1:] - end[:-1]
        size[between] = 0
        single = text[end[:-1]]
        single *= size == 1
        gap = (single == ord(":")) * np.uint8(gaps.COLON)
        gap += (single == ord(",")) * np.uint8(gaps.COMMA)
        value, value_end = start[1:].copy(), full_end[1:].copy()
        other = np.flatnonzero((size > 0) & (gap == gaps.NOTHING))
        rows = reader.read(self.padded, end[other], size[other])
        gap[other] = rows[:, 0]
        scalar = rows[:, 2] > 0
        at = other[scalar]
        value[at] = end[at] + rows[scalar, 1]
        value_end[at] = end[at] + rows[scalar, 2]
        blank = other[rows[:, 3] > 0]

        named = items.quote[:-1] & in_object[:-1]
        named[1:] &= gap[:-1] != gaps.COLON
        before = items.close[:-1] * np.uint8(gaps.CLOSED_IN_ARRAY)
        before += items.quote[:-1] * np.uint8(gaps.VALUE_IN_ARRAY)
        before += in_object[:-1]
        before += named
        behind = items.close[1:] * np.uint8(gaps.CLOSING)
        behind += items.quote[1:] * np.uint8(gaps.STRING)
        fits = gaps.ALLOWED[(before * np.uint8(gaps.KINDS) + gap) * np.uint8(gaps.BEHINDS) + behind]
        fits[between] = True
        wrong.append(np.flatnonzero(~fits))

        good = np.ones(len(documents), bool)
        good[items.document_of(np.concatenate(wrong))] = False
        good &= items.blank_around(text, self.starts, self.ends)
        self.spaced[documents[items.document_of(blank)]] = True
        odd[documents[good]] = False
        first = items.bounds[:-1][good]
        self.value[documents[good]] = start[first]
        self.value_end[documents[good]] = full_end[first]

        keys = np.flatnonzero(named)
        if not good.all():
            keys = keys[good[items.document_of(keys)]]
        key = start[keys] + 1
        return self._members(key, depth[keys].astype(np.intp), end[keys] - 1 - key, value[keys], value_end[keys])


@dataclass(frozen=True, slots=True)
class _Items:
    """Strings and brackets of the documents whose brackets balance.

    ``kind`` is the first byte, ``quote`` and ``close`` say which are strings and closing brackets, ``depth`` is the
    number of containers open behind the item. Document ``documents[i]`` has the items ``bounds[i]`` to
    ``bounds[i + 1]``.
    """

    documents: Positions
    bounds: Positions
    kind: Bytes
    quote: NDArray[np.bool_]
    close: NDArray[np.bool_]
    start: Positions
    end: Positions
    depth: NDArray[np.int8]

    def document_of(self, item: Positions) -> Positions:
        return np.searchsorted(self.bounds, item, "right") - 1

    def blank_around(self, text: Bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which documents have nothing but white space before the first and behind the last item."""
        good = np.ones(len(self.documents), bool)
        outer, outer_end = starts[self.documents], ends[self.documents]
        inner, inner_end = self.start[self.bounds[:-1]], self.end[self.bounds[1:] - 1]
        for row in np.flatnonzero((outer != inner) | (outer_end != inner_end)):
            around = text[outer[row] : inner[row]].tobytes() + text[inner_end[row] : outer_end[row]].tobytes()
            good[row] = not around.strip(grammar.BLANKS)
        return good


def _items(text: Bytes, starts: NDArray[np.int64], ends: NDArray[np.int64], runs: Runs) -> _Items | None:
    """Items of every document that has an even number of quotes and balanced brackets; None if there is none."""
    tokens = shape_tokens(text, runs)
    left, right = np.searchsorted(tokens, starts), np.searchsorted(tokens, ends)
    documents = np.flatnonzero(right > left)
    while len(documents):
        bounds, chosen = _ranges(left[documents], right[documents], len(tokens))
        here = tokens[chosen]
        kind = text[here]
        quote = kind == QUOTE
        inside = np.bitwise_xor.accumulate(quote.view(np.uint8)).view(bool)
        uneven = np.logical_xor(inside[bounds[1:] - 1], np.append(False, inside[bounds[1:-1] - 1]))
        if uneven.any():
            documents = documents[~uneven]
            continue
        # Behind an odd number of quotes there is a string's beginning, or a bracket that is text.
        item = np.flatnonzero(quote == inside)
        start, kind = here[item], kind[item]
        string = kind == QUOTE
        close = (kind & 0x04).astype(bool)  # set in ] and }, not in [ and {
        end = start + 1
        end[string] = here.compress(quote > inside) + 1
        bounds = np.searchsorted(item, bounds)
        # In one byte: a depth that does not fit turns negative on the way, and is then rejected.
        depth = np.add.accumulate(1 - string.view(np.int8) - 2 * close.view(np.int8))
        unbalanced = np.diff(depth[bounds[1:] - 1], prepend=np.int8(0)) != 0
        if not unbalanced.any():
            roots = np.flatnonzero(depth == 0)
            if depth.min() >= 0 and depth.max() <= MAX_LEVELS and np.array_equal(roots, bounds[1:] - 1):
                return _Items(documents, bounds, kind, string, close, start, end, depth)
            first = bounds[:-1]
            unbalanced = (np.minimum.reduceat(depth, first) < 0) | (np.maximum.reduceat(depth, first) > MAX_LEVELS)
            unbalanced |= np.add.reduceat(depth == 0, first, dtype=np.int64) != 1
        documents = documents[~unbalanced]
    return None


def _ranges(left: Positions, right: Positions, total: int) -> tuple[Positions, Positions | slice]:
    """Bounds of ranges put one behind the other, and the selection of their members."""
    sizes = right - left
    bounds = np.concatenate(([0], np.cumsum(sizes)))
    if bounds[-1] == total:
        return bounds, slice(None)
    return bounds, np.repeat(left - bounds[:-1], sizes) + np.arange(bounds[-1])


def _pair(items: _Items) -> tuple[NDArray[np.bool_], Positions, list[Positions]]:
    """Pair the brackets.

    Returns for each item whether the innermost container behind it is an object, where it ends with all it contains,
    and lists of items whose bracket is closed by one of the other kind.
    """
    brackets = np.flatnonzero(~items.quote)
    kind = items.kind[brackets]
    closes = items.close[brackets]
    level = items.depth[brackets] + closes
    in_object = np.zeros(len(brackets), bool)
    partner = np.zeros(len(brackets), np.intp)
    wrong: list[Positions] = []
    outer = np.zeros(0, np.intp)
    for number in range(1, int(level.max(initial=0)) + 1):
        here = np.flatnonzero(level == number)
        opened, closed = here[0::2], here[1::2]
        partner[opened] = closed
        wrong.append(brackets[opened[kind[closed] - kind[opened] != 2]])
        in_object[opened] = kind[opened] == 0x7B
        if number > 1:
            in_object[closed] = in_object[outer[np.searchsorted(outer, closed) - 1]]
        outer = opened
    full_end = items.end.copy()
    opened = np.flatnonzero(~closes)
    full_end[brackets[opened]] = items.end[brackets[partner[opened]]]
    # Items in front of the first bracket are documents of their own.
    behind = np.zeros(len(items.kind), bool)
    if len(brackets):
        behind[brackets[0] :] = np.repeat(in_object, np.diff(brackets, append=len(behind)))
    return behind, full_end, wrong
