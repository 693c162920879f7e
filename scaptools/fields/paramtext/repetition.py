"""Repetition: what many events say alike, found by its bytes, so that text is made of each different one only.

Parameters beside each other are looked at together: their text then is a single piece of a line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scap_formats.types import ParamType
from scaptools.capture.overlap import overlapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scap_formats.table import Param
    from scaptools.capture.parameters import ParameterColumn

#: Types whose text needs more than their own bytes.
_IN_CONTEXT = frozenset(
    {
        *(ParamType.FD, ParamType.FD32, ParamType.FDLIST),
        *(ParamType.PID, ParamType.PID32, ParamType.UID, ParamType.GID),
        *(ParamType.FSPATH, ParamType.FSRELPATH, ParamType.DYN),
    }
)
#: Fewer events are not worth the search.
_FEW_EVENTS = 1024
#: Comparing more bytes than this costs more than their text.
_MOST_BYTES = 96
#: How many events are looked at to guess whether they repeat, and how many of them may differ if they do.
_SAMPLE = 512
_SAMPLE_DIFFERENT = 200


class Repetition(NamedTuple):
    """Event ``i`` says what event ``examples[codes[i]]`` says."""

    codes: NDArray[np.int32]
    examples: NDArray[np.intp]


def runs(params: Sequence[Param]) -> list[range]:
    """The places of parameters, those that stand together and explain themselves as one stretch."""
    found: list[range] = []
    begin = 0
    for place, param in enumerate(params):
        if param.type in _IN_CONTEXT:
            found += [range(begin, place)] if begin < place else []
            found.append(range(place, place + 1))
            begin = place + 1
    return [*found, range(begin, len(params))] if begin < len(params) else found


def find_repetition(columns: Sequence[ParameterColumn]) -> Repetition | None:
    """Which events say the same in parameters that lie one behind the other, None where hardly any do.

    Only parameters are looked at that take as many bytes in every event.
    """
    widths = [column.common_length for column in columns]
    known = [width for width in widths if width is not None]
    size, count = sum(known), len(columns[0])
    if len(known) < len(columns) or count < _FEW_EVENTS or not 0 < size <= _MOST_BYTES:
        return None
    view, starts = overlapping(columns[0].data, np.dtype((np.void, size))), columns[0].starts
    sample = view[starts[:: count // _SAMPLE]].tolist()
    if len(set(sample)) * _SAMPLE > _SAMPLE_DIFFERENT * len(sample):
        return None
    import pyarrow as pa

    values = pa.Array.from_buffers(pa.binary(size), count, [None, pa.py_buffer(view[starts])])
    codes = np.asarray(values.dictionary_encode().indices)
    examples = np.empty(int(codes.max()) + 1, np.intp)
    examples[codes] = np.arange(count)
    return Repetition(codes, examples)
