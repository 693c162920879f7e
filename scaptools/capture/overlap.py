"""Overlapping views: fixed-size records at any byte offset, read by plain indexing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def overlapping(data: NDArray[np.uint8], dtype: np.dtype[Any]) -> NDArray[Any]:
    """A view of ``data`` with one record per byte offset at which a whole record fits.

    ``overlapping(data, dtype)[offsets]`` gathers unaligned records in one indexing operation.
    """
    count = max(len(data) - dtype.itemsize + 1, 0)
    return np.ndarray((count,), dtype, data, 0, (1,)) if count else np.empty(0, dtype)


def native(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers in the machine's own byte order, which everything after reading expects."""
    return values.astype(values.dtype.newbyteorder("="), copy=False)
