"""Descriptors: counts and sizes that depend on what kind of descriptor an event works on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.table import event_table
from scap_formats.types import Direction, EventCategory, ParamType, PrintFormat
from scaptools.columns import Numbers
from scaptools.fields.evt.results import about_memory, error_count_field, results
from scaptools.fields.model import Cost, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from scap_formats.table import EventType
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Mask, Rows
    from scaptools.fields.evt.context import EventContext
    from scaptools.fields.paramtext import Dialect

#: Kinds of descriptors, as names of types in descriptor lists.
_FILES = "FILE FILE_V2 DIRECTORY"
_PLAIN_FILES = "FILE FILE_V2"
_NETWORK = "IPV4_SOCKET IPV6_SOCKET IPV4_SERVER_SOCKET IPV6_SERVER_SOCKET"
_SOCKETS = f"{_NETWORK} UNIX_SOCKET"
#: Calls that count as what they were to make where they failed to make it.
_MAKE_FILES = frozenset({"open", "creat", "openat", "openat2", "open_by_handle_at"})
_MAKE_CONNECTIONS = frozenset({"accept", "accept4", "connect"})
_IO = frozenset({EventCategory.IO_READ, EventCategory.IO_WRITE, EventCategory.IO_OTHER})


@cache
def _numbers(names: str) -> NDArray[np.int64]:
    from scap_formats.descriptors import DescriptorType

    return np.array([DescriptorType[name] for name in names.split()], np.int64)


def _types_where(of: Callable[[EventType], bool]) -> Mask:
    return np.array([of(event) for event in event_table().events])


def _fd_types(context: EventContext, batch: EventBatch, rows: Rows) -> Numbers:
    return context.fd_types(batch, np.arange(len(batch))[rows])


@dataclass(frozen=True)
class _On:
    """True for events on certain descriptors, and for failed attempts to make one."""

    context: EventContext
    kinds: str
    makers: frozenset[str]

    def __call__(self, batch: EventBatch, rows: Rows) -> Mask:
        found = _fd_types(self.context, batch, rows)
        valid = found.validity()
        makers = _types_where(lambda event: event.direction is Direction.EXIT and event.name in self.makers)
        return np.where(valid, np.isin(found.values, _numbers(self.kinds)), makers[batch.header("type", rows)])


def _elsewhere(conditions: Iterable[Callable[[EventBatch, Rows], Mask]]) -> Callable[[EventBatch, Rows], Mask]:
    """True where none of the conditions is."""
    kept = tuple(conditions)

    def applies(batch: EventBatch, rows: Rows) -> Mask:
        return np.asarray(~np.logical_or.reduce([condition(batch, rows) for condition in kept]))

    return applies


@dataclass(frozen=True)
class _BufferLength:
    """The bytes a call moved through a descriptor, where it is of a kind and the call in a category."""

    dialect: Dialect
    context: EventContext
    categories: frozenset[EventCategory]
    kinds: str | None

    def __call__(self, batch: EventBatch, rows: Rows, _argument: Any) -> Numbers:
        moves = _types_where(lambda event: event.direction is Direction.EXIT and event.category in self.categories)[
            batch.header("type", rows)
        ]
        returned = results(self.dialect, batch, rows)
        found = _fd_types(self.context, batch, rows)
        valid = moves & returned.validity() & (returned.values >= 0) & found.validity()
        if self.kinds is not None:
            valid &= np.isin(found.values, _numbers(self.kinds))
        return Numbers(returned.values.astype(np.uint64), valid)


_READS, _WRITES = frozenset({EventCategory.IO_READ}), frozenset({EventCategory.IO_WRITE})
#: What comes behind ``evt.buflen``, the calls and the descriptors that count, and what they do.
_BUFFER_LENGTHS = (
    ("", _IO, None, "read or written"),
    (".in", _READS, None, "read"),
    (".out", _WRITES, None, "written"),
    (".file", _IO, _PLAIN_FILES, "read from or written to a file"),
    (".file.in", _READS, _PLAIN_FILES, "read from a file"),
    (".file.out", _WRITES, _PLAIN_FILES, "written to a file"),
    (".net", _IO, _NETWORK, "received or sent"),
    (".net.in", _READS, _NETWORK, "received"),
    (".net.out", _WRITES, _NETWORK, "sent"),
)


def descriptor_fields(dialect: Dialect, context: EventContext) -> tuple[Field, ...]:
    """The fields of this module, for a context that knows descriptors."""
    files = _On(context, _FILES, _MAKE_FILES)
    connections = _On(context, _SOCKETS, _MAKE_CONNECTIONS)
    return (
        error_count_field(".file", " on files", dialect, files),
        error_count_field(".net", " on sockets", dialect, connections),
        error_count_field(
            ".other", " on nothing else that is counted", dialect, _elsewhere((files, connections, about_memory))
        ),
        *(
            Field(
                f"evt.buflen{suffix}",
                ParamType.UINT64,
                f"Number of bytes {what}.",
                _BufferLength(dialect, context, categories, kinds),
                PrintFormat.DEC,
                flags=frozenset({"TABLE_ONLY"} if suffix else ()),
                cost=Cost.STATE,
            )
            for suffix, categories, kinds, what in _BUFFER_LENGTHS
        ),
    )
