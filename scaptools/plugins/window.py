"""Payloads that still lie where they were read, and become a column only for those who want one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scaptools.plugins.contract import Payloads

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


class WindowPayloads(Payloads):
    """Payloads within bytes that hold other things as well: ``window[starts[i]:starts[i] + lengths[i]]``."""

    __slots__ = ("_column", "lengths", "starts", "window")

    window: NDArray[Any]
    starts: NDArray[Any]
    lengths: NDArray[Any]
    _column: pa.Array | None

    def __init__(
        self,
        window: NDArray[Any],
        starts: NDArray[Any],
        lengths: NDArray[Any],
        timestamps: NDArray[Any],
        numbers: NDArray[Any],
        ids: NDArray[Any],
    ) -> None:
        values = {
            "window": window,
            "starts": starts,
            "lengths": lengths,
            "timestamps": timestamps,
            "numbers": numbers,
            "ids": ids,
            "_column": None,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def data(self) -> pa.Array:
        """See `Payloads`; gathered when it is first asked for."""
        if self._column is None:
            from scaptools.capture.parameters import gather_binary

            column = gather_binary(self.window, self.starts, self.lengths, self.lengths >= 0)
            object.__setattr__(self, "_column", column)
        return self._column
