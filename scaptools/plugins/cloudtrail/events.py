"""From a log file's text to the events that are recorded.

A record is passed over without a word unless it parses, its ``eventTime`` is a time and its ``eventType`` a string
other than that of an insight. Events keep the order and the exact bytes of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail.splitting import split_records
from scaptools.plugins.cloudtrail.timestamps import parse_time
from scaptools.plugins.contract import SourceEvent
from scaptools.plugins.jsontext import Documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: Longest payload, which is also the longest record AWS writes.
MAX_PAYLOAD: Final = 262144
_INSIGHT: Final = b"AwsCloudTrailInsight"
#: Bytes of records that are looked at in one go.
_GROUP: Final = 4 << 20


def events_of(text: bytes, *, plugin: str) -> Iterator[SourceEvent]:
    """The events of one log file.

    Raises PluginError at a record that is too long, after the events in front of it.
    """
    buffer = pa.py_buffer(text)
    starts, ends = split_records(np.frombuffer(text, np.uint8))
    first = 0
    while first < len(starts):
        last = max(int(np.searchsorted(ends, starts[first] + _GROUP, "right")), first + 1)
        here = slice(first, last)
        times, kinds = _times_and_kinds(buffer, starts[here], ends[here])
        known: dict[bytes, int | None] = {}
        for start, end, time, kind in zip(starts[here].tolist(), ends[here].tolist(), times, kinds, strict=True):
            if time is None or kind is None or kind == _INSIGHT:
                continue
            if time not in known:
                known[time] = parse_time(time)
            timestamp = known[time]
            if timestamp is None:
                continue
            if end - start > MAX_PAYLOAD:
                raise PluginError(
                    f"short write: a record of {end - start} bytes, at most {MAX_PAYLOAD} fit", plugin=plugin
                )
            yield SourceEvent(text[start:end], timestamp)
        first = last


def _times_and_kinds(
    buffer: pa.Buffer, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[list[bytes | None], list[bytes | None]]:
    documents = Documents(buffer, starts, ends)
    times, kinds = documents.path(b"eventTime"), documents.path(b"eventType")
    return (
        documents.strings(times.where(documents.is_string(times))).to_pylist(),
        documents.strings(kinds.where(documents.is_string(kinds))).to_pylist(),
    )
