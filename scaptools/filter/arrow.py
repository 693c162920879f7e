"""The one place that imports Arrow: it is slow to load, and filters on numbers and short columns never need it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.columns import Mask


@cache
def arrow() -> Any:
    """The module ``pyarrow``."""
    import pyarrow as pa

    return pa


@cache
def kernels() -> Any:
    """The module ``pyarrow.compute``."""
    import pyarrow.compute as pc

    return pc


def mask_of(booleans: pa.BooleanArray) -> Mask:
    """An Arrow boolean array as a numpy mask, nulls as False."""
    if booleans.null_count:
        booleans = booleans.fill_null(False)
    return np.asarray(booleans.to_numpy(zero_copy_only=False))


def array_like(values: Sequence[bytes | None], array: pa.Array) -> pa.Array:
    """An Arrow array of ``values`` with the type of ``array``."""
    return arrow().array(values, array.type)


def binary(values: Sequence[bytes | None]) -> pa.Array:
    """A ``binary`` array, ``large_binary`` where the bytes would not fit."""
    pa = arrow()
    total = sum(len(value) for value in values if value is not None)
    return pa.array(values, pa.binary() if total < 2**31 else pa.large_binary())


def as_text(array: pa.Array) -> pa.Array:
    """The same bytes labelled as text, unchecked: for ASCII kernels that exist for text only."""
    pa = arrow()
    return array.view(pa.large_string() if array.type == pa.large_binary() else pa.string())


def as_bytes(array: pa.Array) -> pa.Array:
    """The inverse of `as_text`."""
    pa = arrow()
    return array.view(pa.large_binary() if array.type == pa.large_string() else pa.binary())


def valid_text(array: pa.Array) -> pa.Array:
    """The values as UTF-8 text, what is not UTF-8 replaced by U+FFFD."""
    pa = arrow()
    type_ = pa.large_string() if array.type == pa.large_binary() else pa.string()
    try:
        return array.cast(type_)
    except pa.ArrowInvalid:
        values = [None if value is None else value.decode("utf-8", "replace") for value in array.to_pylist()]
        return pa.array(values, type_)


def extents(array: pa.Array) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.uint8]]:
    """Start and length of every value, shape ``(n,)`` each, and the bytes they lie in; nulls have any extent."""
    width = np.int64 if array.type == arrow().large_binary() else np.int32
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, width)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    content = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return bounds[:-1], np.diff(bounds), content
