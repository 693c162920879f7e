"""From a log file's text to the events that are recorded.

A record is passed over without a word unless it parses, its ``eventTime`` is a time and its ``eventType`` a string
other than that of an insight. Events keep the order and the exact bytes of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail.records import as_mask
from scaptools.plugins.cloudtrail.splitting import split_records
from scaptools.plugins.cloudtrail.strict import strict_records
from scaptools.plugins.cloudtrail.timestamps import parse_time
from scaptools.plugins.contract import EventColumns
from scaptools.plugins.jsontext import Documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: Longest payload, which is also the longest record AWS writes.
MAX_PAYLOAD: Final = 262144
_INSIGHT: Final = b"AwsCloudTrailInsight"
#: Bytes of records that are looked at in one go.
_GROUP: Final = 4 << 20


def events_of(text: bytes, *, plugin: str) -> Iterator[EventColumns]:
    """The events of one log file, a few megabytes at a time, none of them empty.

    Raises PluginError at a record that is too long, after the events in front of it.
    """
    strict = strict_records(text)
    starts, ends = split_records(np.frombuffer(text, np.uint8)) if strict is None else (strict.starts, strict.ends)
    buffer = pa.py_buffer(text)
    first = 0
    while first < len(starts):
        last = max(int(np.searchsorted(ends, starts[first] + _GROUP, "right")), first + 1)
        start, end = starts[first:last], ends[first:last]
        found = None if strict is None else strict.times(first, last, passed_over=_INSIGHT.decode())
        times, kept = _times(Documents(buffer, start, end)) if found is None else found
        lengths = end - start
        long = np.flatnonzero(kept & (lengths > MAX_PAYLOAD))
        if len(long):
            kept[long[0] :] = False
        if kept.any():
            data = _cut(text, start[kept], end[kept]) if strict is None else strict.joined(first, last, kept)
            yield EventColumns(data, lengths[kept].astype(np.uint32), times[kept])
        if len(long):
            raise PluginError(
                f"short write: a record of {lengths[long[0]]} bytes, at most {MAX_PAYLOAD} fit", plugin=plugin
            )
        first = last


def _cut(text: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> bytes:
    return b"".join([text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)])


def _times(documents: Documents) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """The times of records, and which of them are events; times of the others are anything."""
    times, kinds = documents.path(b"eventTime"), documents.path(b"eventType")
    strings = documents.is_string(times) & documents.is_string(kinds)
    kind = documents.strings(kinds.where(strings))
    kept = as_mask(pc.not_equal(kind, pa.scalar(_INSIGHT, kind.type)))
    # records of one file share few times
    distinct = pc.dictionary_encode(documents.strings(times.where(kept)))
    parsed = [None if time is None else parse_time(time) for time in distinct.dictionary.to_pylist()]
    codes = pc.fill_null(distinct.indices, pa.scalar(len(parsed), distinct.indices.type)).to_numpy()
    known = np.array([*(time is not None for time in parsed), False])
    return np.array([*(time or 0 for time in parsed), 0], np.uint64)[codes], known[codes]
