"""Many JSON documents as a column: paths into them, and the values found there as columns.

`Documents` indexes its documents once, when the first path is asked for, and remembers every path walked. Walking
follows the lenient reader: names compare after unescaping, the first of several equal names wins, and a step into an
array is a decimal index.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaptools.plugins.jsontext import grammar
from scaptools.plugins.jsontext.index import MAX_NAME, Index, build_index, depth_of, length_of, signature_of
from scaptools.plugins.jsontext.printing import compact
from scaptools.plugins.jsontext.strings import unescape
from scaptools.plugins.jsontext.texts import edges_of, replaced, slices, text_type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.columns import Mask

_INDEX: Final = re.compile(rb"[-+]?0*([0-9]+)")


@dataclass(frozen=True, slots=True)
class Spans:
    """Where a value lies for each row; absent where ``end`` is not behind ``start``.

    ``level`` is how many steps below the root the values are, the same for all rows.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    level: int

    @property
    def present(self) -> Mask:
        """Which rows have a value."""
        return self.end > self.start

    def where(self, mask: Mask) -> Spans:
        """The same spans, absent where ``mask`` is false."""
        return Spans(np.where(mask, self.start, 0), np.where(mask, self.end, 0), self.level)


class Documents:
    """``n`` documents that lie in one buffer, in ascending order and without overlap."""

    def __init__(self, buffer: pa.Buffer, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """Document ``i`` is ``buffer[starts[i]:ends[i]]``."""
        self.buffer = buffer if buffer.size else pa.py_buffer(b"\0")
        self.bytes = np.frombuffer(self.buffer, np.uint8)
        self._starts, self._ends = starts, ends
        self._paths: dict[tuple[bytes, ...], Spans] = {}

    @staticmethod
    def of(data: pa.Array, *, strip_nuls: bool = False) -> Documents:
        """The values of a ``binary`` or ``large_binary`` array without nulls.

        With ``strip_nuls``, NUL bytes at both ends are no part of a document. The same bytes give the same object for
        as long as somebody holds it.
        """
        edges, _ = edges_of(data)
        made = Documents(
            data.buffers()[2] or pa.py_buffer(b""), edges[:-1].astype(np.int64), edges[1:].astype(np.int64)
        )
        if strip_nuls:
            made._strip_nuls()
        return _SHARED.setdefault((made.buffer.address, made._starts.tobytes(), made._ends.tobytes()), made)

    def __len__(self) -> int:
        return len(self._starts)

    def _strip_nuls(self) -> None:
        filled = np.flatnonzero(self._ends > self._starts)
        outer = (self.bytes[self._starts[filled]] == 0) | (self.bytes[self._ends[filled] - 1] == 0)
        for row in filled[outer]:
            text = self.source(row)
            self._starts[row] += len(text) - len(text.lstrip(b"\0"))
            self._ends[row] = self._starts[row] + len(text.strip(b"\0"))

    @cached_property
    def index(self) -> Index:
        """The index of all documents."""
        return build_index(self.bytes, self._starts, self._ends)

    @property
    def root(self) -> Spans:
        """The documents themselves; absent where one does not parse."""
        return Spans(self.index.start, self.index.end, 0)

    @property
    def text_type(self) -> pa.DataType:
        """The Arrow type of text columns cut out of these documents."""
        return text_type(self.buffer)

    def source(self, row: int) -> bytes:
        """One document as it is."""
        return self.bytes[self._starts[row] : self._ends[row]].tobytes()

    def first_bytes(self) -> NDArray[np.uint8]:
        """The first byte of each document, 0 for an empty one."""
        empty = self._ends == self._starts
        return np.where(empty, 0, self.bytes[np.where(empty, 0, self._starts)]).astype(np.uint8)

    def path(self, *names: bytes) -> Spans:
        """The values at a path from the root; every step is remembered."""
        spans = self.root
        if len(names) >= grammar.MAX_DEPTH:  # nothing nests that deep
            return spans.where(np.zeros(len(self), bool))
        for step in range(1, len(names) + 1):
            known = self._paths.get(names[:step])
            spans = self._paths[names[:step]] = self.descend(spans, names[step - 1]) if known is None else known
        return spans

    def descend(self, spans: Spans, name: bytes) -> Spans:
        """One step down from values whose rows are in the order of the text."""
        index, level = self.index, spans.level + 1
        members = self._members(level, name)
        keys = index.key[members]
        start, end = np.zeros(len(spans.start), np.int64), np.zeros(len(spans.start), np.int64)
        if len(keys):
            # The first member of that name at that depth behind the value's start is the value's own, or comes later.
            nearest = np.minimum(np.searchsorted(keys, spans.start), len(keys) - 1)
            found = (keys[nearest] > spans.start) & (keys[nearest] < spans.end)
            rows = members[nearest[found]]
            start[found], end[found] = index.value[rows], index.value_end[rows]
        number = array_index(name)
        if number is not None:
            for row in np.flatnonzero(self.is_array(spans)):
                at = int(spans.start[row])
                inner = grammar.elements(self.bytes[at : spans.end[row]].tobytes())
                left, right = next(islice(inner, number, None), (-at, -at))
                start[row], end[row] = at + left, at + right
        return Spans(start, end, level)

    def elements(self, spans: Spans) -> tuple[NDArray[np.intp], Spans]:
        """All elements of the arrays among the values: the rows they come from, and where they lie."""
        rows, start, end = array("q"), array("q"), array("q")
        for row in np.flatnonzero(self.is_array(spans)).tolist():
            at = int(spans.start[row])
            for left, right in grammar.elements(self.bytes[at : spans.end[row]].tobytes()):
                rows.append(row)
                start.append(at + left)
                end.append(at + right)
        return np.array(rows, np.intp), Spans(np.array(start), np.array(end), spans.level + 1)

    def is_string(self, spans: Spans) -> Mask:
        """Which values are strings."""
        return self._begins(spans, 0x22)

    def is_object(self, spans: Spans) -> Mask:
        """Which values are objects."""
        return self._begins(spans, 0x7B)

    def is_array(self, spans: Spans) -> Mask:
        """Which values are arrays."""
        return self._begins(spans, 0x5B)

    def is_true(self, spans: Spans) -> Mask:
        """Which values are the literal ``true``."""
        return self._begins(spans, 0x74)

    def _begins(self, spans: Spans, first: int) -> Mask:
        return np.asarray(spans.present & (self.bytes[spans.start] == first))

    def strings(self, spans: Spans) -> pa.Array:
        """Decoded strings; any other value is the empty text, an absent one is missing."""
        inner = self.is_string(spans).astype(np.int64)
        start = spans.start + inner
        end = np.where(inner, spans.end - 1, start)
        texts = slices(self.buffer, start, end, spans.present)
        rows = self._escaped(start, end)
        return replaced(texts, rows, [unescape(self.bytes[start[row] : end[row]].tobytes()) for row in rows])

    def printed(self, spans: Spans) -> pa.Array:
        """Strings decoded, everything else in compact source form; an absent value is missing."""
        string = self.is_string(spans)
        start, end = spans.start + string, spans.end - string
        others = self.sources(start, end, spans.present & ~string)
        return pc.coalesce(others, self.strings(spans.where(string)))

    def sources(self, start: NDArray[np.int64], end: NDArray[np.int64], present: Mask) -> pa.Array:
        """The text between two positions of each document in compact form, null where not ``present``."""
        texts = slices(self.buffer, start, end, present)
        loose = np.flatnonzero(self.index.spaced & present)
        return replaced(texts, loose, [compact(self.bytes[start[row] : end[row]].tobytes()) for row in loose])

    def _escaped(self, start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.intp]:
        slashes = self.index.slashes
        if not len(slashes):
            return np.zeros(0, np.intp)
        nearest = slashes[np.minimum(np.searchsorted(slashes, start), len(slashes) - 1)]
        return np.flatnonzero((nearest >= start) & (nearest < end))

    def _members(self, depth: int, name: bytes) -> NDArray[np.intp]:
        """Rows of the index with members of that name at that depth."""
        index = self.index
        rows = np.flatnonzero(index.sign == signature_of(depth, name))
        rows = rows[self._equal(index.key[rows], name)]
        escaped = self._escaped_members.get((depth, name))
        if escaped is None and b"\\" not in name:
            return rows
        # Undecoded, such a name is either found under another name or no match at all.
        plain = rows if b"\\" not in name else rows[:0]
        return np.sort(np.append(plain, np.array(escaped or (), np.intp)))

    def _equal(self, keys: NDArray[Any], name: bytes) -> Mask:
        """Which names that have the right length (or are of `MAX_NAME` bytes at least) are ``name``."""
        if not len(keys):
            return np.zeros(0, bool)
        if len(name) >= MAX_NAME:
            quoted = name + b'"'
            return np.array([self.bytes[key : key + len(quoted)].tobytes() == quoted for key in keys], bool)
        equal = np.ones(len(keys), bool)
        width = next((width for width in (8, 4, 2, 1) if width <= len(name)), 0)
        for offset in {*range(0, len(name) - width + 1, width), len(name) - width} if width else ():
            words = np.ndarray((len(self.bytes) - width + 1,), f"<u{width}", self.bytes, 0, (1,))
            equal &= words[keys + offset] == int.from_bytes(name[offset : offset + width], "little")
        return equal

    @cached_property
    def _escaped_members(self) -> dict[tuple[int, bytes], list[int]]:
        """Rows of the index whose names are written with escapes, by depth and decoded name."""
        index = self.index
        members: dict[tuple[int, bytes], list[int]] = {}
        if not len(index.slashes) or not len(index.key):
            return members
        rows = np.searchsorted(index.key, index.slashes, "right") - 1
        slashes = index.slashes[rows >= 0]
        rows = rows[rows >= 0]
        lengths = length_of(index.sign[rows])
        # Any other backslash is in a value behind the name.
        for row in np.unique(rows[(slashes < index.key[rows] + lengths) | (lengths == MAX_NAME)]):
            name = grammar.name_at(self.bytes[index.key[row] : index.value[row]].tobytes())
            if b"\\" in name:
                members.setdefault((int(depth_of(index.sign[row])), unescape(name)), []).append(int(row))
        return members


#: Documents somebody holds, so that plugins reading the same payloads share one index.
_SHARED: Final[WeakValueDictionary[tuple[int, bytes, bytes], Documents]] = WeakValueDictionary()


def array_index(name: bytes) -> int | None:
    """The array index a step names, None where it names none: decimal, sign and leading zeros allowed."""
    match = _INDEX.fullmatch(name)
    if match is None or len(match[1]) > 18:
        return None
    number = int(match[1])
    return number if not number or name[:1] != b"-" else None
