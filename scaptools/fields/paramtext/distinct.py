"""Distinct values: the few different numbers a column has, so that each is rendered once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Spans of values up to this size are counted in a table whatever the number of rows.
_SMALL_SPAN = 256
#: How many rows are looked at to guess whether values repeat, and how many of them may differ if they do.
_SAMPLE = 512
_SAMPLE_DISTINCT = 400


def distinct(values: NDArray[Any]) -> tuple[NDArray[np.intp] | NDArray[np.int32], NDArray[Any]]:
    """Codes and values such that ``found[codes]`` are the integers ``values``, shape ``(n,)``.

    The found values are in native byte order. They are ascending and different where the span is small, in any order
    otherwise, and simply all values where hardly any repeats: finding out would cost more than it saves.
    """
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    count = len(values)
    if count == 0:
        return np.zeros(0, np.intp), values
    low, high = int(values.min()), int(values.max())
    span = high - low + 1
    if span <= max(_SMALL_SPAN, count):
        return _in_span(values, low, span)
    sample = values[:: max(1, count // _SAMPLE)]
    if len(set(sample.tolist())) * _SAMPLE > _SAMPLE_DISTINCT * len(sample):
        return np.arange(count), values
    import pyarrow as pa

    encoded = pa.array(np.ascontiguousarray(values)).dictionary_encode()
    return np.asarray(encoded.indices), np.asarray(encoded.dictionary)


def _in_span(values: NDArray[Any], low: int, span: int) -> tuple[NDArray[np.intp], NDArray[Any]]:
    # Differences wrap around in the values' own width, which the unsigned type then reads as they are.
    unsigned = np.dtype(f"u{values.dtype.itemsize}")
    places = np.subtract(values, values.dtype.type(low)).view(unsigned).astype(np.intp)
    present = np.zeros(span, bool)
    present[places] = True
    found = np.flatnonzero(present)
    codes = np.zeros(span, np.intp)
    codes[found] = np.arange(len(found))
    return codes[places], (found.astype(unsigned) + unsigned.type(low % 2 ** (8 * unsigned.itemsize))).view(
        values.dtype
    )
