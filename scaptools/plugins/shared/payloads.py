"""Events on their way between a host and a plugin, as arrays over memory of either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scaptools.plugins.window import WindowPayloads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scaptools.plugins.contract import Payloads

#: A window is sent as it is where it has at most so many times the bytes of its payloads, and so many more for each.
_SPREAD: Final = 2
_BESIDE_BYTES: Final = 256


@dataclass(slots=True)
class Batch:
    """Events a plugin gave, still in its memory: addresses, sizes (uint32) and times (uint64 ns), and the code."""

    code: int
    addresses: NDArray[np.uint64]
    sizes: NDArray[np.uint32]
    timestamps: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class PayloadColumns:
    """Payloads in memory of ours: ``data[starts[i]:starts[i] + sizes[i]]``; times, event numbers, plugin ids."""

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    timestamps: NDArray[np.uint64]
    numbers: NDArray[np.uint64]
    ids: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.timestamps)

    @property
    def addresses(self) -> NDArray[np.uint64]:
        """Where each payload lies."""
        import numpy as np

        return self.starts.astype(np.uint64) + np.uint64(self.data.ctypes.data)

    def part(self, begin: int, end: int) -> PayloadColumns:
        """The payloads from one number to another, with no more of the data than they need."""
        if begin == 0 and end == len(self):
            return self
        starts, sizes = self.starts[begin:end], self.sizes[begin:end]
        first, last = (int(starts.min()), int((starts + sizes).max())) if end > begin else (0, 0)
        return PayloadColumns(
            self.data[first:last],
            starts - first,
            sizes,
            self.timestamps[begin:end],
            self.numbers[begin:end],
            self.ids[begin:end],
        )

    @staticmethod
    def of(payloads: Payloads, ids: NDArray[np.uint32]) -> PayloadColumns:
        """The payloads of a column, or the part of a window they are in, where that has not much else in it."""
        import numpy as np

        numbers, times = payloads.numbers.astype(np.uint64), payloads.timestamps.astype(np.uint64)
        if isinstance(payloads, WindowPayloads) and len(payloads):
            starts, sizes = payloads.starts, payloads.lengths
            first, last = int(starts.min()), int((starts + sizes).max())
            if last - first <= _SPREAD * int(sizes.sum()) + _BESIDE_BYTES * len(sizes):
                data = payloads.window[first:last]
                return PayloadColumns(data, starts - first, sizes.astype(np.int64), times, numbers, ids)
        from scaptools.plugins.jsontext.texts import edges_of

        edges, data = edges_of(payloads.data)
        data, edges = data[int(edges[0]) : int(edges[-1])], (edges - edges[0]).astype(np.int64)
        return PayloadColumns(data, edges[:-1], np.diff(edges), times, numbers, ids)


@dataclass(frozen=True, slots=True)
class PluginInputs:
    """Payloads as a plugin takes them: an array of structures at an address, and whatever they point into."""

    first: int
    stride: int
    count: int
    kept: tuple[Any, ...]

    @staticmethod
    def of(array: NDArray[Any], *kept: Any) -> PluginInputs:
        """The elements of an array."""
        return PluginInputs(array.ctypes.data, array.itemsize, len(array), (array, *kept))


@dataclass(frozen=True, slots=True)
class WholeEvents:
    """``n`` events in memory of ours: ``data[offsets[i]:offsets[i + 1]]``, their numbers, and the sources they are of.

    ``sources`` are indices into ``names``.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    numbers: NDArray[np.uint64]
    sources: NDArray[np.int32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.numbers)
