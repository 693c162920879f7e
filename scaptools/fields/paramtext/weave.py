"""Weaving: rows of text from literals and columns, laid out in one pass.

A row of text is a sequence of pieces. Every piece becomes an Arrow ``binary_view`` entry, 16 bytes that hold a short
text or point to a longer one; the entries of all rows stand in order, and one cast copies them into one buffer. Then
a row is whatever lies between its first entry and the next row's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from scaptools.capture.overlap import overlapping
from scaptools.columns import Coded, Numbers, Texts
from scaptools.fields.paramtext.arrays import OFFSET_LIMIT, constant, extents

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    #: Arrow's 16-byte entries, moved around as the one numpy type of that size with a fast path.
    Entries: TypeAlias = NDArray[np.complex128]


class Choice(NamedTuple):
    """One of a few texts for every row; a negative code is no text."""

    codes: NDArray[Any]
    texts: Sequence[bytes]


#: A literal, or a column with as many rows as the piece is for; a missing value is no text.
Piece: TypeAlias = bytes | Texts | Coded | Choice

_ENTRY_BYTES = 16
_INLINE_BYTES = 12
#: Offsets of entries are 32 bits; longer buffers are registered in overlapping parts this far apart.
_BUFFER_BITS = 30
#: No text is longer than this, so that it lies in one part.
_TEXT_LIMIT = 2**_BUFFER_BITS
_NO_ENTRY = np.zeros(1, np.complex128)


def _inline_masks() -> NDArray[np.uint32]:
    """For each length up to 12 the three words that keep that many bytes."""
    masks = np.zeros((_INLINE_BYTES + 1, _INLINE_BYTES), np.uint8)
    for length in range(_INLINE_BYTES + 1):
        masks[length, :length] = 255
    return masks.view("<u4")


_INLINE_MASKS = _inline_masks()


class _Few(NamedTuple):
    """Codes of texts that are turned into entries all at once, an empty one in front; or one text for all rows."""

    codes: NDArray[Any] | None
    first: int


class Weave:
    """``count`` rows of text, empty until something is added; each row is added to once."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._groups: list[tuple[NDArray[np.intp], list[Entries | _Few]]] = []
        self._few: list[bytes] = []
        self._buffers: list[Any] = []
        # By identity; the columns are kept so that an identity is not used again.
        self._known: dict[int, tuple[Texts, Entries]] = {}

    def add(self, rows: NDArray[np.intp], pieces: Sequence[Piece]) -> None:
        """Lay out the pieces one after the other in each of the given rows."""
        merged: list[Piece] = []
        for piece in pieces:
            if merged and isinstance(piece, bytes) and isinstance(merged[-1], bytes):
                merged[-1] += piece
            elif piece != b"":
                merged.append(piece)
        self._groups.append((rows, [self._entries(piece) for piece in merged]))

    def text(self) -> pa.Array:
        """The rows as an Arrow ``binary`` array, ``large_binary`` where there is too much text for that; no nulls."""
        import pyarrow as pa

        counts = np.zeros(self._count + 1, np.int64)
        for rows, columns in self._groups:
            counts[rows + 1] = len(columns)
        bounds = np.cumsum(counts)
        few = self._entries_of(Texts.of(self._few))
        entries = np.zeros(int(bounds[-1]), np.complex128)
        for rows, columns in self._groups:
            at = bounds[rows]
            for column in columns:
                if not isinstance(column, _Few):
                    entries[at] = column
                elif column.codes is None:
                    entries[at] = few[column.first]
                else:
                    entries[at] = few[column.first :].take(column.codes + 1)
                at += 1
        size = int(entries.view(np.uint32)[:: _ENTRY_BYTES // 4].sum(dtype=np.int64))
        type_, width = (pa.large_binary(), np.int64) if size > OFFSET_LIMIT else (pa.binary(), np.int32)
        buffers = [None, pa.py_buffer(entries), *map(pa.py_buffer, self._buffers)]
        laid_out = pa.Array.from_buffers(pa.binary_view(), len(entries), buffers, null_count=0).cast(type_)
        ends = np.frombuffer(laid_out.buffers()[1], width)[bounds] if len(entries) else np.zeros(len(bounds), width)
        return pa.Array.from_buffers(
            type_, self._count, [None, pa.py_buffer(ends), laid_out.buffers()[2]], null_count=0
        )

    def _entries(self, piece: Piece) -> Entries | _Few:
        first = len(self._few)
        if isinstance(piece, bytes):
            self._few.append(piece)
            return _Few(None, first)
        if isinstance(piece, Choice):
            self._few += (b"", *piece.texts)
            return _Few(piece.codes, first)
        if isinstance(piece, Texts):
            return self._entries_of(piece)
        texts = piece.values
        if isinstance(texts, Numbers):
            raise TypeError("numbers are no text")
        known = self._known.get(id(texts))
        if known is None:
            # A negative code picks the last entry, which is empty.
            known = self._known[id(texts)] = texts, np.append(self._entries_of(texts), _NO_ENTRY)
        return known[1].take(piece.codes)

    def _entries_of(self, texts: Texts) -> Entries:
        starts, lengths, content = extents(texts.array)
        if lengths.max(initial=0) > _TEXT_LIMIT:
            lengths = np.minimum(lengths, _TEXT_LIMIT)
        words = np.zeros((len(starts), 4), np.uint32)
        words[:, 0] = lengths
        inline = lengths <= _INLINE_BYTES
        padded = content
        if len(content) < _ENTRY_BYTES or int(starts.max(initial=0)) > len(content) - _INLINE_BYTES:
            # The last texts do not have 12 bytes behind them to be read at once.
            padded = np.concatenate((content, np.zeros(_ENTRY_BYTES, np.uint8)))
        words[:, 1:] = overlapping(padded, np.dtype(("<u4", (3,))))[starts]
        if inline.all():
            words[:, 1:] &= _INLINE_MASKS[lengths]
            return words.view(np.complex128).reshape(-1)
        words[:, 1:] &= _INLINE_MASKS[np.where(inline, lengths, 4)]
        outside = np.flatnonzero(~inline)
        parts, offsets = starts[outside] >> _BUFFER_BITS, starts[outside] & (_TEXT_LIMIT - 1)
        if len(content) <= OFFSET_LIMIT:
            parts, offsets = np.zeros(len(outside), np.int64), starts[outside]
        words[outside, 2] = len(self._buffers) + parts
        words[outside, 3] = offsets
        for first in range(0, len(content) if len(content) > OFFSET_LIMIT else 1, _TEXT_LIMIT):
            self._buffers.append(content[first : first + OFFSET_LIMIT])
        return words.view(np.complex128).reshape(-1)


def filled(column: Texts | Coded, text: bytes) -> Texts | Coded:
    """The column with ``text`` in place of missing values."""
    import pyarrow as pa

    if isinstance(column, Texts):
        array = column.array
        return Texts(array.fill_null(constant(text, array))) if array.null_count else column
    values = column.values.to_arrow()
    if values.null_count:
        values = values.fill_null(constant(text, values))
    elif len(column.codes) == 0 or int(column.codes.min()) >= 0:
        return column
    extended = pa.concat_arrays([values, pa.array([text], values.type)])
    return Coded(np.where(column.codes < 0, len(values), column.codes), Texts(extended))
