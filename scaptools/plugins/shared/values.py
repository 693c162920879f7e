"""What a plugin extracted, as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from scaptools.columns import Column, Lists, Numbers, Texts
from scaptools.plugins.shared.extraction import NUMBER_TYPES, Extracted, FieldRequest

if TYPE_CHECKING:
    from scap_formats.types import ParamType


def column_of(request: FieldRequest, extracted: Extracted) -> Column:
    """What a plugin gave as a column: no value where it gave none."""
    counts = extracted.counts
    valid = counts > 0
    if request.is_list:
        offsets = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        return Lists(offsets, _values(request.type, extracted, None), None if valid.all() else valid)
    return _values(request.type, extracted, None if valid.all() else valid)


def _values(type_: ParamType, extracted: Extracted, valid: Any) -> Numbers | Texts:
    """The values one after the other, spread to the rows that have one where ``valid`` is given."""
    if type_ in NUMBER_TYPES:
        if valid is None:
            return Numbers(extracted.numbers)
        numbers = np.zeros(len(valid), NUMBER_TYPES[type_])
        numbers[valid] = extracted.numbers
        return Numbers(numbers, valid)
    lengths = extracted.lengths
    bitmap = None
    if valid is not None:
        lengths = np.zeros(len(valid), np.uint32)
        lengths[valid] = extracted.lengths
        bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    large = int(lengths.sum(dtype=np.int64)) >= _LARGE
    offsets = np.zeros(len(lengths) + 1, np.int64 if large else np.int32)
    np.cumsum(lengths, out=offsets[1:])
    buffers = [bitmap, pa.py_buffer(offsets), pa.py_buffer(extracted.texts)]
    return Texts(pa.Array.from_buffers(pa.large_binary() if large else pa.binary(), len(lengths), buffers))


#: Bytes from which on an Arrow array needs 64-bit offsets.
_LARGE: Final = 1 << 31
