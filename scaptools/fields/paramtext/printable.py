"""Printable bytes: buffers and paths without what a terminal should not see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaptools.columns import Coded, Texts
from scaptools.fields.paramtext.arrays import binary_of, packed, validity_of

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.fields.paramtext.context import TextColumn

_FIRST = np.uint8(0x20)
_COUNT = np.uint8(0x7F - 0x20)
_DOT = np.uint8(ord("."))
#: Bytes worked on at a time, so that intermediate results stay in the processor's cache.
_CHUNK = 1 << 16


def printable_mask(content: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """True for the bytes of printable ASCII."""
    return np.asarray((content - _FIRST) < _COUNT)


def dotted(content: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same bytes with dots for those outside printable ASCII."""
    result = np.empty(len(content), np.uint8)
    for start in range(0, len(content), _CHUNK):
        part, target = content[start : start + _CHUNK], result[start : start + _CHUNK]
        # 255 where printable, else 0; selecting by bits takes a tenth of the time np.where does.
        keep = np.negative(printable_mask(part).view(np.uint8))
        np.bitwise_xor(part, _DOT, out=target)
        target &= keep
        target ^= _DOT
    return result


def with_dots(array: pa.Array) -> pa.Array:
    """The same texts with dots for bytes outside printable ASCII."""
    bounds, content = packed(array)
    return binary_of(bounds, dotted(content), validity_of(array))


def without_unprintable(array: pa.Array) -> pa.Array:
    """The same texts without the bytes outside printable ASCII."""
    bounds, content = packed(array)
    keep = printable_mask(content)
    return array if keep.all() else _keeping(array, bounds, content, keep)


def until_nul(array: pa.Array) -> pa.Array:
    """The same texts up to their first NUL."""
    bounds, content = packed(array)
    nuls = np.flatnonzero(content == 0)
    if not len(nuls):
        return array
    # The first NUL at or behind the start of each value, the end of everything where there is none.
    ends = np.append(nuls, len(content))[np.searchsorted(nuls, bounds[:-1])]
    keep = np.arange(len(content)) < np.repeat(ends, np.diff(bounds))
    return _keeping(array, bounds, content, keep)


def _keeping(
    array: pa.Array, bounds: NDArray[np.int64], content: NDArray[np.uint8], keep: NDArray[np.bool_]
) -> pa.Array:
    kept = np.concatenate((np.zeros(1, np.int64), np.cumsum(keep, dtype=np.int64)))
    return binary_of(kept[bounds], content[keep], validity_of(array))


def printable_text(text: TextColumn) -> TextColumn:
    """A column of text without bytes outside printable ASCII."""
    if isinstance(text, Coded):
        return Coded(text.codes, Texts(without_unprintable(text.values.to_arrow())))
    return Texts(without_unprintable(text.array))
