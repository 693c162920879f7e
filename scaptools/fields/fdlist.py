"""The fdlist.* fields: what the descriptors in the list of a poll call refer to, joined with commas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import Column, Texts
from scaptools.fields.evt.groups import row_count, type_groups
from scaptools.fields.model import Cost, Field
from scaptools.state.attached import state_of
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scap_formats.table import EventType
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows
    from scaptools.state.batchstate import BatchState
    from scaptools.state.descriptors import Descriptor

    Ints = NDArray[np.int64]
    #: From state, rows, descriptors and what they refer to (`ABSENT` for nothing known) to a text each, None for none.
    Texting = Callable[[BatchState, Ints, Ints], list[bytes | None]]

_HEAD_BYTES = 2
_ENTRY_BYTES = 10
_UNKNOWN = b"<NA>"


@dataclass(frozen=True, slots=True)
class _Lists:
    """The descriptors listed by some events: ``places`` of the events, one for each descriptor, ascending by event."""

    places: Ints
    rows: Ints
    fds: Ints


def _list_parameter(event: EventType) -> int | None:
    return next((place for place, param in enumerate(event.params) if param.type is ParamType.FDLIST), None)


def _listed(batch: EventBatch, rows: Rows) -> _Lists:
    places, of_rows, fds = ([np.zeros(0, np.int64)] for _ in range(3))
    order = "<" if batch.byteorder == "little" else ">"
    entry = np.dtype([("fd", f"{order}i8"), ("events", f"{order}i2")])
    for group in type_groups(batch, rows, lambda event: _list_parameter(event) is not None):
        index = _list_parameter(group.event)
        if index is None or index >= group.table.stored:
            continue
        values = group.table.column(index).bytes().to_pylist()
        for place, row, value in zip(group.places.tolist(), group.rows.tolist(), values, strict=True):
            body = (value or b"")[_HEAD_BYTES:]
            listed = np.frombuffer(body[: len(body) // _ENTRY_BYTES * _ENTRY_BYTES], entry)["fd"].astype(np.int64)
            fds.append(listed)
            places.append(np.full(len(listed), place, np.int64))
            of_rows.append(np.full(len(listed), row, np.int64))
    return _Lists(*(np.concatenate(parts) for parts in (places, of_rows, fds)))


def _joined(texting: Texting, batch: EventBatch, rows: Rows, _argument: Any) -> Column:
    state = state_of(batch)
    lists = _listed(batch, rows)
    known = state.threads(lists.rows) != ABSENT
    lists = _Lists(lists.places[known], lists.rows[known], lists.fds[known])
    texts = texting(state, lists.rows, lists.fds) if len(lists.fds) else []
    found: list[list[bytes] | None] = [None] * row_count(batch, rows)
    for place, text in zip(lists.places.tolist(), texts, strict=True):
        if text is not None:
            parts = found[place] = found[place] or []
            parts.append(text)
    return Texts.of(None if parts is None else b",".join(parts) for parts in found)


def _numbers(_state: BatchState, _rows: Ints, fds: Ints) -> list[bytes | None]:
    return [b"%d" % fd for fd in fds.tolist()]


def _names(state: BatchState, rows: Ints, fds: Ints) -> list[bytes | None]:
    import pyarrow as pa

    from scaptools.state.names import fd_values

    values = fd_values(state, rows, fds)
    missing = values == ABSENT
    names = state.descriptors.names.take(pa.array(np.where(missing, 0, values), mask=missing)).to_pylist()
    return [name or _UNKNOWN for name in names]


def _ends(text: Callable[[Descriptor], bytes | None], state: BatchState, rows: Ints, fds: Ints) -> list[bytes | None]:
    from scaptools.state.names import fd_values

    descriptors = state.descriptors.descriptors
    values = fd_values(state, rows, fds).tolist()
    texts = {value: text(descriptors[value]) if 0 <= value < len(descriptors) else None for value in set(values)}
    return [texts[value] for value in values]


def _client_address(descriptor: Descriptor) -> bytes | None:
    from scaptools.state.descriptors import CONNECTIONS, address_text

    return address_text(descriptor.ends.sip).encode() if descriptor.type in CONNECTIONS else None


def _server_address(descriptor: Descriptor) -> bytes | None:
    from scaptools.state.descriptors import CONNECTIONS, SERVERS, address_text

    return address_text(descriptor.ends.dip).encode() if descriptor.type in (*CONNECTIONS, *SERVERS) else None


def _client_port(descriptor: Descriptor) -> bytes | None:
    from scaptools.state.descriptors import CONNECTIONS

    return b"%d" % descriptor.ends.sport if descriptor.type in CONNECTIONS else None


def _server_port(descriptor: Descriptor) -> bytes | None:
    from scaptools.state.descriptors import CONNECTIONS, SERVERS

    return b"%d" % descriptor.ends.dport if descriptor.type in (*CONNECTIONS, *SERVERS) else None


def _field(name: str, description: str, texting: Texting) -> Field:
    is_number = name in {"fdlist.nums", "fdlist.cports", "fdlist.sports"}
    return Field(
        name,
        ParamType.CHARBUF,
        description,
        partial(_joined, texting),
        PrintFormat.ID if name == "fdlist.nums" else PrintFormat.DEC if is_number else PrintFormat.NA,
        cost=Cost.STATE,
    )


FDLIST_FIELDS = (
    _field("fdlist.nums", "The descriptors a poll call lists.", _numbers),
    _field("fdlist.names", "The names of the descriptors a poll call lists.", _names),
    _field("fdlist.cips", "The client addresses of those that are connections.", partial(_ends, _client_address)),
    _field("fdlist.sips", "The server addresses of those that are IP sockets.", partial(_ends, _server_address)),
    _field("fdlist.cports", "The client ports of those that are connections.", partial(_ends, _client_port)),
    _field("fdlist.sports", "The server ports of those that are IP sockets.", partial(_ends, _server_port)),
)
