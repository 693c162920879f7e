"""Tables: which descriptors each process has open, kept up by going through the events that open and close them.

A table is known by the entry of the thread that owns it and maps fd numbers to values. A value is the index of a
`Descriptor`, or ``-2 - k`` for the ``k``-th open of the batch, which nobody has looked at closer yet. What happened to
the tables during a batch is written down as (table, fd, position, value), so that what any event sees can be found
afterwards, for all events at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from scap_formats.descriptors import DescriptorType
from scaptools.state import sockets
from scaptools.state.descriptors import CONNECTIONS, UNIX, Descriptor, Endpoints, parse_address, parse_tuple
from scaptools.state.records import WIDEST, Record, param, text
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from scap_formats.codec import ByteOrder
    from scaptools.state.sockets import Network

#: A result that tells that connecting goes on.
_EINPROGRESS = -115
#: The type of a socket that sends datagrams.
_DATAGRAM = 2
#: The flag of close_range that only marks descriptors.
_CLOSE_RANGE_CLOEXEC = 4


class Step(IntEnum):
    """What a table step does, in the order in which steps at one position are taken."""

    COPY = 0
    FORGET = 1
    CLOSING = 2
    OPEN = 3
    USE = 4
    EVENT = 5
    CLOSE = 6
    EXECUTE = 7


class TableEvent(NamedTuple):
    """An event that changes descriptors in a way of its own; ``fd`` is the one it is about, `ABSENT` for none."""

    row: int
    type: int
    table: int
    fd: int
    record: Record
    enter: Record | None


@dataclass(slots=True)
class Tables:
    """The descriptor tables now, and the descriptors in them; carried from batch to batch."""

    descriptors: list[Descriptor] = field(default_factory=list)
    tables: dict[int, dict[int, int]] = field(default_factory=dict)
    network: Network = field(default_factory=sockets.Network)


class TablePass:
    """One batch's pass over the tables.

    After `run`: ``writes`` are (table, fd, position, value, value before or `ABSENT`) of everything but plain opens
    and closes; ``kept`` are the indices of closes that did nothing, ``refused`` the rows of events that would have
    copied a descriptor nobody knows, ``sizes`` (table, position, open descriptors) after every change.
    """

    def __init__(self, tables: Tables, byteorder: ByteOrder, open_flags: Callable[[int], int]) -> None:
        self.tables = tables
        self.byteorder = byteorder
        self._open_flags = open_flags
        #: Copies made in this batch of what it opened, and whether they are closed when a program is run.
        self._copies: dict[tuple[int, int, int], bool] = {}
        self.writes: list[tuple[int, int, int, int, int]] = []
        self.kept: list[int] = []
        self.refused: list[int] = []
        self.sizes: list[tuple[int, int, int]] = []
        self._closing: dict[tuple[int, int], bool] = {}

    def run(self, steps: Iterable[tuple[int, int, int, int, int]], events: list[TableEvent]) -> None:
        """Go through steps (position, step, table, fd, extra), ordered by the first two.

        ``extra`` is the parent for a copy, the number of the open, the index of the event, or that of the close.
        """
        tables, closing, sizes = self.tables.tables, self._closing, self.sizes
        for position, step, table, fd, extra in steps:
            if step == Step.OPEN:
                opened = tables.setdefault(table, {})
                opened[fd] = -2 - extra
                if closing:
                    self._note_add(table, fd)
                sizes.append((table, position, len(opened)))
            elif step == Step.CLOSE:
                if closing and closing.pop((table, fd), False):
                    self.kept.append(extra)
                    continue
                closed = tables.get(table)
                if closed is not None and closed.pop(fd, None) is not None:
                    sizes.append((table, position, len(closed)))
            elif step == Step.EVENT:
                event = events[extra]
                _HANDLERS[event.type](self, event)
            elif step == Step.USE:
                self._use(table, fd, position)
            elif step == Step.COPY:
                copied = dict(tables.get(extra, ()))
                tables[table] = copied
                sizes.append((table, position, len(copied)))
            elif step == Step.FORGET:
                tables.pop(table, None)
            elif step == Step.EXECUTE:
                self._execute(table, position)
            else:
                closing[table, fd] = False

    def _use(self, table: int, fd: int, position: int) -> None:
        """Something went through a descriptor: a socket that had no peer has one now."""
        value = self._find(table, fd)
        descriptor = self.tables.descriptors[value] if value >= 0 else None
        if descriptor is not None and descriptor.type in CONNECTIONS and not descriptor.connected:
            self.tables.descriptors.append(descriptor._replace(connected=True))
            made = len(self.tables.descriptors) - 1
            self.tables.tables[table][fd] = made
            self.writes.append((table, fd, position, made, value))

    def _execute(self, table: int, position: int) -> None:
        """A program is run: what is marked to be closed then is."""
        opened = self.tables.tables.get(table, {})
        for fd in [fd for fd, value in opened.items() if self._closes_on_exec(table, fd, value)]:
            del opened[fd]
            self.writes.append((table, fd, position, ABSENT, ABSENT))
        self.sizes.append((table, position, len(opened)))

    def _closes_on_exec(self, table: int, fd: int, value: int) -> bool:
        if value >= 0:
            return bool(self.tables.descriptors[value].flags & CLOSE_ON_EXEC)
        closes = self._copies.get((table, fd, value))
        return bool(self._open_flags(-2 - value) & CLOSE_ON_EXEC) if closes is None else closes

    def _note_add(self, table: int, fd: int) -> None:
        if (table, fd) in self._closing:
            self._closing[table, fd] = True

    # Reading and writing ------------------------------------------------------------------------------------------

    def _find(self, table: int, fd: int) -> int:
        return self.tables.tables.get(table, {}).get(fd, ABSENT)

    def _put(self, event: TableEvent, fd: int, value: int, before: int, position: int | None = None) -> None:
        table = self.tables.tables.setdefault(event.table, {})
        table[fd] = value
        at = 2 * event.row if position is None else position
        self.writes.append((event.table, fd, at, value, before))
        self.sizes.append((event.table, at, len(table)))

    def _add(self, event: TableEvent, fd: int, descriptor: Descriptor) -> None:
        flags = _CLOSING_MADE.get(event.type)
        if flags is not None and self._integer(event.record, flags.place, 0, signed=False) & flags.mask:
            descriptor = descriptor._replace(flags=descriptor.flags | CLOSE_ON_EXEC)
        self.tables.descriptors.append(descriptor)
        self._put(event, fd, len(self.tables.descriptors) - 1, ABSENT)
        self._note_add(event.table, fd)

    def _copy(self, event: TableEvent, fd: int) -> None:
        value = self._find(event.table, event.fd)
        if value == ABSENT:
            self.refused.append(event.row)
            return
        value = self._as_copy(event, fd, value)
        self._put(event, fd, value, value)
        self._note_add(event.table, fd)

    def _as_copy(self, event: TableEvent, fd: int, value: int) -> int:
        """A copy is not closed when a program is run, unless the call asks for it."""
        flags = _CLOSING_COPIES.get(event.type)
        closes = (
            flags is not None and self._integer(event.record, flags.place, 0, signed=False) & flags.mask == flags.mask
        )
        if value < ABSENT:
            self._copies[event.table, fd, value] = closes
            return value
        old = self.tables.descriptors[value]
        if bool(old.flags & CLOSE_ON_EXEC) == closes:
            return value
        self.tables.descriptors.append(old._replace(flags=old.flags ^ CLOSE_ON_EXEC))
        return len(self.tables.descriptors) - 1

    def _change(self, event: TableEvent, change: Callable[[Descriptor], Descriptor]) -> None:
        before = self._find(event.table, event.fd)
        if before == ABSENT:
            return
        # A file opened in this batch has no more than a type here; it stays itself unless it turns out to be a socket.
        is_file = before < ABSENT
        old = Descriptor(DescriptorType.FILE) if is_file else self.tables.descriptors[before]
        new = change(old)
        if new != old and not (is_file and new.type == old.type and not new.name):
            self.tables.descriptors.append(new)
            self._put(event, event.fd, len(self.tables.descriptors) - 1, before)

    def _integer(self, record: Record, index: int, default: int = ABSENT, *, signed: bool = True) -> int:
        value = param(record, index)
        return default if value is None else int.from_bytes(value[:WIDEST], self.byteorder, signed=signed)

    def _tuple(self, value: bytes | None) -> Endpoints | None:
        return None if value is None else parse_tuple(value, self.byteorder)

    # Creating -----------------------------------------------------------------------------------------------------

    def on_result(self, event: TableEvent) -> None:
        """A call whose result is a descriptor of a kind that has no more to it."""
        fd = self._integer(event.record, 0)
        if fd >= 0:
            self._add(event, fd, _RESULTS[event.type])

    def on_pair(self, event: TableEvent) -> None:
        """A pipe or socketpair exit: two descriptors."""
        if self._integer(event.record, 0) < 0:
            return
        fds = [self._integer(event.record, index) for index in (1, 2)]
        if event.type == _SOCKETPAIR:
            source, peer = (param(event.record, index) or b"" for index in (3, 4))
            made = Descriptor(DescriptorType.UNIX_SOCKET, ends=Endpoints(UNIX, source, 0, peer, 0))
        else:
            made = Descriptor(DescriptorType.FIFO, ino=self._integer(event.record, 3, 0, signed=False))
        for fd in fds:
            if fd >= 0:
                self._add(event, fd, made)

    def on_named(self, event: TableEvent) -> None:
        """A memfd_create or pidfd_open exit: the descriptor is named after what the call was given."""
        fd = self._integer(event.record, 0)
        if fd < 0:
            return
        if event.type == _PIDFD_OPEN:
            name, type_ = b"/proc/%d" % self._integer(event.record, 1), DescriptorType.PIDFD
        else:
            name, type_ = text(event.record, 1), DescriptorType.MEMFD
        self._add(event, fd, Descriptor(type_, name, raw=name))

    def on_socket(self, event: TableEvent) -> None:
        """A socket exit."""
        fd = self._integer(event.record, 0)
        described = (event.record, 1) if param(event.record, 1) is not None else (event.enter, 0)
        record, first = described
        if fd < 0 or record is None:
            return
        domain, kind, protocol = (self._integer(record, first + place, 0, signed=False) for place in range(3))
        self._add(event, fd, sockets.created(domain, kind, protocol))

    def on_accept(self, event: TableEvent) -> None:
        """An accept exit: a connection somebody else asked for."""
        fd = self._integer(event.record, 0)
        ends = self._tuple(param(event.record, 1))
        if fd >= 0 and ends is not None:
            self._add(event, fd, sockets.accepted(ends))

    # Copying ------------------------------------------------------------------------------------------------------

    def on_copy(self, event: TableEvent) -> None:
        """A dup or fcntl exit: the result refers to what the argument does."""
        fd = self._integer(event.record, 0)
        if fd >= 0:
            self._copy(event, fd)

    # Changing -----------------------------------------------------------------------------------------------------

    def on_bind(self, event: TableEvent) -> None:
        """A bind exit."""
        address = param(event.record, 1)
        ends = None if address is None else parse_address(address, self.byteorder)
        if self._integer(event.record, 0) >= 0 and ends is not None:
            self._change(event, lambda descriptor: sockets.bound(descriptor, ends))

    def on_connect_enter(self, event: TableEvent) -> None:
        """A connect enter event, which tells the destination in newer captures."""
        address = param(event.record, 1)
        ends = None if address is None else parse_address(address, self.byteorder)
        if ends is not None:
            self._change(event, lambda descriptor: sockets.connecting(descriptor, ends))

    def on_connect(self, event: TableEvent) -> None:
        """A connect exit."""
        result = self._integer(event.record, 0)
        if result >= 0 or result == _EINPROGRESS:
            ends = self._tuple(param(event.record, 1))
            self._change(event, lambda descriptor: sockets.connected(descriptor, ends))

    def on_transfer(self, event: TableEvent) -> None:
        """An exit of a call that sends to or receives from somebody."""
        rule = TRANSFERS[event.type]
        value = param(event.record, rule.exit_index)
        if value is None and rule.enter_index is not None:
            value = param(event.enter or (), rule.enter_index)
        ends = self._tuple(value)
        if ends is None or self._integer(event.record, 0) < 0:
            return
        table = self.tables.tables.get(event.table, {})
        others: Iterator[Descriptor] = (self.tables.descriptors[each] for each in table.values() if each >= 0)
        self._change(
            event,
            lambda descriptor: sockets.transferred(
                descriptor, ends, sends=rule.sends, others=others, network=self.tables.network
            ),
        )

    def on_send_enter(self, event: TableEvent) -> None:
        """A sendto enter event on a descriptor nobody knows: it must be a UDP socket."""
        ends = self._tuple(param(event.record, 2))
        unknown = event.fd >= 0 and self._find(event.table, event.fd) == ABSENT
        if unknown and ends is not None and ends.family != UNIX:
            self._add(event, event.fd, sockets.created(ends.family, _DATAGRAM, 0))

    # Closing ------------------------------------------------------------------------------------------------------

    def on_close_range(self, event: TableEvent) -> None:
        """A close_range exit."""
        first, last = (self._integer(event.record, index, signed=False) for index in (1, 2))
        flags = self._integer(event.record, 3, 0)
        table = self.tables.tables.get(event.table)
        if self._integer(event.record, 0) < 0 or flags & _CLOSE_RANGE_CLOEXEC or table is None:
            return
        for fd in [fd for fd in table if first <= fd <= last]:
            del table[fd]
            self.writes.append((event.table, fd, 2 * event.row + 1, ABSENT, ABSENT))
        self.sizes.append((event.table, 2 * event.row + 1, len(table)))


class Transfer(NamedTuple):
    """Where a call tells the other end: in its exit event, in older captures in its enter event."""

    exit_index: int
    enter_index: int | None
    sends: bool


TRANSFERS: Mapping[int, Transfer] = {
    31: Transfer(4, 2, sends=True),
    49: Transfer(4, 2, sends=True),
    51: Transfer(4, None, sends=True),
    29: Transfer(4, None, sends=True),
    35: Transfer(2, None, sends=False),
    53: Transfer(3, None, sends=False),
    55: Transfer(4, None, sends=False),
    33: Transfer(4, None, sends=False),
}
#: The flag of opens that has a descriptor closed when a program is run.
CLOSE_ON_EXEC = 0x1000


class _Flags(NamedTuple):
    """Where a call says that, and in which bits."""

    place: int
    mask: int


_CLOSING_MADE: Mapping[int, _Flags] = {
    19: _Flags(4, CLOSE_ON_EXEC),
    377: _Flags(1, 1),
    389: _Flags(5, 0x80000),
    393: _Flags(4, CLOSE_ON_EXEC),
    395: _Flags(1, CLOSE_ON_EXEC),
    397: _Flags(1, CLOSE_ON_EXEC),
    399: _Flags(1, CLOSE_ON_EXEC),
    405: _Flags(2, 1),
}
#: The same of calls that copy; of fcntl it is the command that tells.
_CLOSING_COPIES: Mapping[int, _Flags] = {365: _Flags(3, CLOSE_ON_EXEC), 151: _Flags(2, 26)}
_SOCKETPAIR, _PIDFD_OPEN = 43, 409
#: Calls whose result is a descriptor of which only the kind is known.
_RESULTS: Mapping[int, Descriptor] = {
    63: Descriptor(DescriptorType.EVENTFD),
    397: Descriptor(DescriptorType.EVENTFD),
    127: Descriptor(DescriptorType.SIGNALFD),
    399: Descriptor(DescriptorType.SIGNALFD),
    137: Descriptor(DescriptorType.TIMERFD),
    139: Descriptor(DescriptorType.INOTIFY),
    395: Descriptor(DescriptorType.INOTIFY),
    339: Descriptor(DescriptorType.IO_URING),
    369: Descriptor(DescriptorType.BPF),
    375: Descriptor(DescriptorType.EVENTPOLL),
    377: Descriptor(DescriptorType.EVENTPOLL),
}
_HANDLERS: Mapping[int, Callable[[TablePass, TableEvent], None]] = {
    **dict.fromkeys(_RESULTS, TablePass.on_result),
    **dict.fromkeys((_SOCKETPAIR, 61, 393), TablePass.on_pair),
    **dict.fromkeys((_PIDFD_OPEN, 405), TablePass.on_named),
    **dict.fromkeys((27, 57, 247, 249, 389), TablePass.on_accept),
    **dict.fromkeys((125, 363, 365, 367, 151), TablePass.on_copy),
    **dict.fromkeys(TRANSFERS, TablePass.on_transfer),
    19: TablePass.on_socket,
    21: TablePass.on_bind,
    22: TablePass.on_connect_enter,
    23: TablePass.on_connect,
    30: TablePass.on_send_enter,
    451: TablePass.on_close_range,
}
#: The event types `TablePass` wants to see besides plain opens and closes.
TABLE_EVENTS = frozenset(_HANDLERS)
