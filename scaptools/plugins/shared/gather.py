"""Gathering: bytes that lie at many addresses, copied together by the kernel.

One ``pwritev`` copies up to a thousand pieces into a file in memory, which costs tens of nanoseconds apiece where a
loop would cost hundreds; and an address that cannot be read is an error here, not the end of the process.
"""

from __future__ import annotations

import errno
import mmap
import os
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

from scaptools.plugins.shared.memory import UnreadableError, memory_file
from scaptools.plugins.shared.parsed_loop import ffi

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Pieces one call takes (``IOV_MAX`` of every system there is).
_MOST_PIECES: Final = 1024


@cache
def _libc() -> Any:
    return ffi.dlopen(None)


def write_pieces(file: int, offset: int, addresses: NDArray[np.uint64], sizes: NDArray[Any]) -> int:
    """Write pieces one after the other from ``offset`` on; the bytes written.

    Raises UnreadableError at the first piece that cannot be read, after those before it have been written, and OSError.
    """
    libc = _libc()
    if len(addresses) == 1 and sizes[0]:
        return _write_one(file, offset, int(addresses[0]), int(sizes[0]))
    pieces = np.empty((len(addresses), 2), np.uint64)
    pieces[:, 0] = addresses
    pieces[:, 1] = sizes
    base = pieces.ctypes.data
    written = first = 0
    while first < len(pieces):
        count = min(_MOST_PIECES, len(pieces) - first)
        wrote = libc.pwritev(file, ffi.cast("void *", base + 16 * first), count, offset + written)
        wanted = pieces[first : first + count, 1]
        if wrote == int(np.add.reduce(wanted)):
            first += count
            written += wrote
            continue
        # Whole pieces count; the one the call stopped in is tried again, from its start.
        whole = int(np.searchsorted(np.cumsum(wanted), max(wrote, 0), "right")) if wrote > 0 else 0
        if not whole:
            _refuse(ffi.errno if wrote < 0 else errno.EFAULT, first)
        written += int(wanted[:whole].sum())
        first += whole
    return written


def _write_one(file: int, offset: int, address: int, size: int) -> int:
    """`write_pieces` of one piece, which a source of rare events gives every time."""
    try:
        wrote = os.pwrite(file, ffi.buffer(ffi.cast("char *", address), size), offset)
    except OSError as error:
        _refuse(error.errno or 0, 0)
    if wrote < size:
        _refuse(errno.EFAULT, 0)
    return wrote


def _refuse(number: int, piece: int) -> NoReturn:
    if number == errno.EFAULT:
        raise UnreadableError(piece)
    raise OSError(number, os.strerror(number))


class Scratch:
    """A file in memory for what is looked at once and then overwritten."""

    def __init__(self) -> None:
        self._file = memory_file("scap-scratch")
        self._map: mmap.mmap | None = None

    def gather(self, addresses: NDArray[np.uint64], sizes: NDArray[Any]) -> NDArray[np.uint8]:
        """The pieces joined, valid until the next call. Raises UnreadableError."""
        total = int(sizes.sum(dtype=np.int64))
        if self._map is None or len(self._map) < total:
            # The old map may still be looked through, so it is left to the garbage collector.
            os.ftruncate(self._file, max(1 << 16, 2 * total))
            self._map = mmap.mmap(self._file, 0)
        write_pieces(self._file, 0, addresses, sizes)
        return np.frombuffer(self._map, np.uint8, total)

    def interleave(
        self, heads: NDArray[Any], addresses: NDArray[np.uint64], sizes: NDArray[Any]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """A head (a row of a structured array) in front of each piece, and where each begins, shape ``(n + 1,)``.

        Valid until the next call. Raises UnreadableError.
        """
        count = len(heads)
        places = np.empty((count, 2), np.uint64)
        places[:, 0] = heads.ctypes.data + np.arange(count, dtype=np.uint64) * np.uint64(heads.itemsize)
        places[:, 1] = addresses
        lengths = np.empty((count, 2), np.int64)
        lengths[:, 0] = heads.itemsize
        lengths[:, 1] = sizes
        starts = np.zeros(count + 1, np.int64)
        np.cumsum(lengths.sum(axis=1), out=starts[1:])
        return self.gather(places.ravel(), lengths.ravel()), starts

    def close(self) -> None:
        """Give the memory back."""
        os.close(self._file)
