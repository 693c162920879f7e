"""Names of events' descriptors, those included of which nothing is known but what the event itself says."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from scaptools.state.descriptors import parse_tuple, tuple_name
from scaptools.state.opens import OPEN_EXITS
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.state.batchstate import BatchState

    Ints: TypeAlias = NDArray[np.int64]

_CONNECT = 23
#: Exits that tell both ends of a connection in their parameter 1.
_TUPLE_EXITS = (_CONNECT, 27, 57, 247, 249, 389)
#: Exits of calls that open a path from the working directory, whose absolute names stay as they are.
_PLAIN_OPENS = (3, 59)
_NO_TUPLE = b"NULL"


class EventNames:
    """The name of every event's descriptor: ``names[codes[row]]``, missing where a code is negative.

    Where a descriptor is known it is the descriptor's. Exit events without one have a name from their own parameters,
    or an empty one; so has a connect that failed, whatever is known of its socket.
    """

    def __init__(self, state: BatchState) -> None:
        import pyarrow as pa

        self._state: BatchState = weakref.proxy(state)  # which holds this
        descriptors = state.descriptors
        batch = state.batch
        events = descriptors.of_events(slice(None))
        codes = events.values.copy()
        names = descriptors.names
        is_exit = (batch.header("type") & 1).astype(bool)
        nameless = events.applies & is_exit & (codes == ABSENT)
        parts = [names, pa.array([b""], pa.binary())]
        codes[nameless] = len(names)
        offset = len(names) + 1
        for rows, found in (*self._tuples(nameless), self._opened(nameless)):
            codes[rows] = offset + np.arange(len(rows))
            parts.append(found)
            offset += len(rows)
        self.codes: Ints = codes
        self.names: pa.Array = pa.concat_arrays(parts)

    def _tuples(self, nameless: NDArray[np.bool_]) -> list[tuple[Ints, pa.Array]]:
        """Rows of exits that tell a tuple, and how it is printed."""
        import pyarrow as pa

        state, found = self._state, []
        batch, calls = state.batch, state.calls
        for event_type in _TUPLE_EXITS:
            rows = batch.rows_of_type(event_type)
            wanted = nameless[rows]
            if event_type == _CONNECT:
                result = calls.numbers(_CONNECT, 0, None)
                wanted |= state.descriptors.of_events(rows).applies & result.validity() & (result.values < 0)
            at = np.flatnonzero(wanted)
            if len(at):
                told = calls.strings(event_type, 1, None, raw=True).take(pa.array(at)).to_pylist()
                ends = [None if value is None else parse_tuple(value, batch.byteorder) for value in told]
                texts = [_NO_TUPLE if each is None else tuple_name(each.as_ipv4()) for each in ends]
                found.append((rows[at], pa.array(texts, pa.binary())))
        return found

    def _opened(self, nameless: NDArray[np.bool_]) -> tuple[Ints, pa.Array]:
        """Rows of failed opens, and the paths they would have opened."""
        import pyarrow as pa
        import pyarrow.compute as pc

        opens = self._state.descriptors.opens
        at = np.flatnonzero(nameless[opens.rows])
        if not len(at):
            return at, pa.array([], pa.binary())
        index = pa.array(at)
        given, full = opens.names.take(index), self._state.descriptors.open_names.take(index)
        types = self._state.batch.header("type", opens.rows[at])
        as_given = pc.and_(pa.array(np.isin(types, _PLAIN_OPENS)), pc.fill_null(pc.starts_with(given, "/"), False))
        return opens.rows[at], pc.fill_null(pc.if_else(as_given, given, full), b"")


def is_open(event_type: int) -> bool:
    """Whether exits of a type open a path."""
    return event_type in OPEN_EXITS
