"""Pieces: one byte buffer put together from stretches of several others, in one copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scaptools.capture.parameters import binary_views
from scaptools.columns import concatenated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scaptools.capture.scan import Bytes, Offsets

_VIEW_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Pieces:
    """Stretches in output order: ``buffers[sources[i]][starts[i]:starts[i] + lengths[i]]``, all of shape ``(n,)``."""

    sources: NDArray[np.int8]
    starts: Offsets
    lengths: Offsets

    def joined(self) -> Pieces:
        """The same bytes in as few stretches as possible: none empty, neighbours of one buffer as one."""
        filled = self.lengths > 0
        sources, starts, lengths = self.sources[filled], self.starts[filled], self.lengths[filled]
        if not len(starts):
            return Pieces(sources, starts, lengths)
        first = np.ones(len(starts), bool)
        first[1:] = (sources[1:] != sources[:-1]) | (starts[1:] != starts[:-1] + lengths[:-1])
        at = np.flatnonzero(first)
        return Pieces(sources[at], starts[at], np.add.reduceat(lengths, at))

    def gather(self, buffers: Sequence[Bytes]) -> Bytes:
        """All stretches one after the other, in a new buffer."""
        joined = self.joined()
        total = int(joined.lengths.sum())
        if total > _VIEW_LIMIT or any(len(buffer) > _VIEW_LIMIT for buffer in buffers):
            return _copied(joined, buffers, total)
        import pyarrow as pa

        views = np.zeros((len(joined.starts), 4), np.uint32)
        for number, buffer in enumerate(buffers):
            rows = np.flatnonzero(joined.sources == number)
            if len(rows):
                views[rows] = binary_views(buffer, joined.starts[rows], joined.lengths[rows], buffer_number=number)
        array = pa.Array.from_buffers(
            pa.binary_view(), len(views), [None, pa.py_buffer(views), *map(pa.py_buffer, buffers)], null_count=0
        )
        return np.frombuffer(concatenated(array.cast(pa.binary())), np.uint8)


def _copied(pieces: Pieces, buffers: Sequence[Bytes], total: int) -> Bytes:
    """The same, piece by piece: for buffers too large for Arrow's offsets, which hold few and large events."""
    target = np.empty(total, np.uint8)
    at = 0
    columns = (pieces.sources.tolist(), pieces.starts.tolist(), pieces.lengths.tolist())
    for source, start, length in zip(*columns, strict=True):
        target[at : at + length] = buffers[source][start : start + length]
        at += length
    return target
