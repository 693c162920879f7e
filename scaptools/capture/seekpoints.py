"""Seek points: places in a gzip file where decoding can begin.

A point is the beginning of a member, or of a block inside one. There a decoder needs the 32 KiB decompressed before,
and the block may begin in the middle of a byte. Decoders take whole bytes only, so the bits in front of it are made
up: by empty blocks, which add nothing to the output, of as many bits as are needed.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scaptools.capture.sidecar import Sidecar, SidecarWriter

#: ``compressed`` and ``whole`` are the offsets of a point in the file and in what comes out of it; ``bits`` of the byte
#: before belong to what comes, too; the window lies at ``place`` in the sidecar and takes ``size`` bytes.
POINT = np.dtype(
    [("compressed", "<u8"), ("whole", "<u8"), ("place", "<u8"), ("size", "<u4"), ("bits", "u1"), ("raw", "?")]
)
_WINDOW_LEVEL = 6
_BYTE = 8


@dataclass(frozen=True, slots=True)
class SeekPoint:
    """One place to begin at; ``raw`` says that it is inside a member, else one begins there."""

    compressed: int
    whole: int
    bits: int = 0
    window: bytes = b""
    raw: bool = False

    @property
    def first_byte(self) -> int:
        """The offset of the first byte that holds some of what comes."""
        return self.compressed - (self.bits > 0)

    def opening(self, first: int) -> bytes:
        """What to give to a decoder in place of the file's byte ``first``, the one at `first_byte`."""
        if not self.bits:
            return bytes([first])
        filler, length = _empty_blocks(_BYTE - self.bits)
        rest = first >> (_BYTE - self.bits)
        return (filler | rest << length).to_bytes((length + self.bits) // _BYTE, "little")


class SeekPoints:
    """The seek points of a file, ascending; their windows stay in the sidecar until one is asked for."""

    def __init__(self, table: NDArray[Any], sidecar: Sidecar | None = None) -> None:
        self._table = table
        self._sidecar = sidecar

    def __len__(self) -> int:
        return len(self._table)

    def before(self, whole: int) -> SeekPoint | None:
        """The last point that is not behind an offset in the decompressed stream."""
        at = int(np.searchsorted(self._table["whole"], whole, side="right")) - 1
        if at < 0:
            return None
        point = self._table[at]
        place, size = int(point["place"]), int(point["size"])
        window = b"" if self._sidecar is None or not size else zlib.decompress(self._sidecar.blob(place, size))
        return SeekPoint(int(point["compressed"]), int(point["whole"]), int(point["bits"]), window, bool(point["raw"]))


NO_SEEK_POINTS = SeekPoints(np.empty(0, POINT))


def stored_points(points: Sequence[SeekPoint], writer: SidecarWriter) -> NDArray[Any]:
    """The table of some points, their windows put into a sidecar."""
    table = np.zeros(len(points), POINT)
    for row, point in enumerate(points):
        window = zlib.compress(point.window, _WINDOW_LEVEL) if point.window else b""
        table[row] = point.compressed, point.whole, writer.blob(window), len(window), point.bits, point.raw
    return table


class _Bits:
    """A number put together from bits, the first one lowest, as deflate has them."""

    def __init__(self) -> None:
        self.value = 0
        self.length = 0

    def number(self, value: int, length: int) -> None:
        """A number, its lowest bit first."""
        self.value |= value << self.length
        self.length += length

    def code(self, bits: str) -> None:
        """A Huffman code, its first bit first."""
        for bit in bits:
            self.number(int(bit), 1)


#: The order in which a block with codes of its own gives the lengths of the code for lengths.
_LENGTH_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1)
_FIXED, _DYNAMIC = 1, 2


@cache
def _empty_blocks(remainder: int) -> tuple[int, int]:
    """Empty blocks of so many bits in all that ``remainder`` is left when divided by 8, and how many bits that is."""
    bits = _Bits()
    if remainder % 2:
        _empty_dynamic(bits)
    while bits.length % _BYTE != remainder:
        bits.number(0, 1)
        bits.number(_FIXED, 2)
        bits.number(0, 7)
    return bits.value, bits.length


def _empty_dynamic(bits: _Bits) -> None:
    """An empty block with codes of its own: an odd number of bits, where one with the fixed codes has an even one."""
    bits.number(0, 1)
    bits.number(_DYNAMIC, 2)
    # 257 codes for literals and the block's end, one for distances, and as many lengths as are listed above.
    bits.number(0, 5)
    bits.number(0, 5)
    bits.number(len(_LENGTH_ORDER) - 4, 4)
    one, zero, zeros = "0", "10", "11"
    for symbol in _LENGTH_ORDER:
        bits.number({1: len(one), 0: len(zero), 18: len(zeros)}.get(symbol, 0), 3)
    # The literal 0 and the block's end have codes of one bit, all between them none; so has the one distance.
    bits.code(one)
    for run in (138, 117):
        bits.code(zeros)
        bits.number(run - 11, 7)
    bits.code(one)
    bits.code(one)
    bits.code("1")
