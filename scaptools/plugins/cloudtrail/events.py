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
from scaptools.plugins.cloudtrail.splitting import likely_records, split_records
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
    buffer = pa.py_buffer(text)
    # one pass less where the first guess holds, which shows group by group
    guess = likely_records(text)
    starts, ends = split_records(np.frombuffer(text, np.uint8)) if guess is None else guess
    first = 0
    while first < len(starts):
        last = max(int(np.searchsorted(ends, starts[first] + _GROUP, "right")), first + 1)
        documents = Documents(buffer, starts[first:last], ends[first:last])
        if guess is not None and not documents.are_objects():
            # what came before were records, so those of the whole file begin with them
            guess = None
            starts, ends = split_records(np.frombuffer(text, np.uint8))
            continue
        times, kept = _times(documents)
        start, end, times = starts[first:last][kept], ends[first:last][kept], times[kept]
        long = np.flatnonzero(end - start > MAX_PAYLOAD)
        upto = int(long[0]) if len(long) else len(start)
        if upto:
            bounds = zip(start[:upto].tolist(), end[:upto].tolist(), strict=True)
            data = b"".join([text[left:right] for left, right in bounds])
            yield EventColumns(data, (end - start)[:upto].astype(np.uint32), times[:upto])
        if len(long):
            raise PluginError(
                f"short write: a record of {end[upto] - start[upto]} bytes, at most {MAX_PAYLOAD} fit", plugin=plugin
            )
        first = last


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
