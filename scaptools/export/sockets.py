"""Socket calls: what was sent and received over IP, and when connections began and ended.

What is needed to rebuild packets is collected over the whole capture, because which end of a connection is to be
believed is known only then: where both ends are seen, the same bytes are written and read.
"""

from __future__ import annotations

import pickle
import tempfile
from enum import IntEnum
from functools import cache
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from scap_formats.descriptors import L4Protocol
from scap_formats.table import event_table
from scap_formats.types import Direction, EventCategory, EventClass
from scaptools.export.segments import TCP, UDP, Endpoint
from scaptools.fields.evt.groups import type_groups
from scaptools.state.attached import state_of
from scaptools.state.descriptors import CONNECTIONS, Role, parse_tuple
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scap_formats.table import EventType
    from scaptools.capture.batch import EventBatch
    from scaptools.export.processes import ProcessTable
    from scaptools.fields.catalog import Catalog
    from scaptools.fields.model import BoundField
    from scaptools.state.descriptors import Descriptor, Endpoints

_PROTOCOLS: dict[int, int] = {L4Protocol.TCP: TCP, L4Protocol.UDP: UDP}
#: A connect that goes on after the call has returned.
_EINPROGRESS = -115


class Act(IntEnum):
    """What a socket call did."""

    SEND = 0
    RECEIVE = 1
    CONNECT = 2
    ACCEPT = 3
    CLOSE = 4


class Connection(NamedTuple):
    """Both ends of a connection, the client first, and its protocol."""

    client: Endpoint
    server: Endpoint
    protocol: int


class SocketCall(NamedTuple):
    """One call: event number and time (ns), process index, CPU, place of the interface, and what it did.

    ``from_client`` tells which end made it; ``length`` bytes were moved, of which ``data`` was captured.
    """

    time: int
    number: int
    connection: int
    act: Act
    from_client: bool
    process: int
    cpu: int
    place: str
    length: int = 0
    data: bytes = b""


@cache
def _acts() -> NDArray[np.int8]:
    """What the exit of each event type does to a socket, -1 for nothing."""
    acts = {EventCategory.IO_WRITE: Act.SEND, EventCategory.IO_READ: Act.RECEIVE}
    names = {"connect": Act.CONNECT, "accept": Act.ACCEPT, "accept4": Act.ACCEPT, "close": Act.CLOSE}
    found = np.full(len(event_table().events), -1, np.int8)
    for event in event_table().events:
        if event.direction is Direction.EXIT and event.event_class is EventClass.SYSCALL:
            found[event.id] = names.get(event.name, acts.get(event.category, -1))
    return found


class SocketCalls:
    """Collects the socket calls of a capture, batch by batch.

    ``connections`` are the distinct ones met, calls refer to them by place; ``writers`` are the pairs of a connection
    and an end whose own calls say what that end sent. ``cut`` counts calls whose data was not captured whole. The
    calls themselves wait in a temporary file.
    """

    def __init__(self, catalog: Catalog, processes: ProcessTable) -> None:
        self._processes = processes
        names = ("evt.rawres", "evt.buffer", "proc.pid", "proc.name", "container.name", "fd.num")
        self.fields: list[BoundField] = [catalog.parse(name) for name in names]
        self.connections: list[Connection] = []
        self._calls: IO[bytes] = tempfile.TemporaryFile(prefix="scap-sockets-")
        self.writers: set[tuple[int, bool]] = set()
        self.cut = 0
        self._places: dict[Connection, int] = {}

    def add(self, batch: EventBatch, rows: NDArray[np.intp], times: NDArray[np.uint64]) -> None:
        """Take in the socket calls among the given events; ``times`` are all events'."""
        rows = rows[_acts()[batch.header("type", rows)] >= 0]
        descriptors = state_of(batch).descriptors
        before = descriptors.of_events(rows).values
        is_connection = np.isin(descriptors.types, CONNECTIONS)
        rows = rows[(before != ABSENT) & (is_connection[before] if len(is_connection) else False)]
        if not len(rows):
            return
        result, data, pids, names, containers, _ = (field.column(batch, rows) for field in self.fields)
        acts = _acts()[batch.header("type", rows)].tolist()
        columns = zip(
            times[rows].tolist(),
            batch.numbers(rows).tolist(),
            acts,
            descriptors.of_events(rows).values.tolist(),
            result.to_arrow().to_pylist(),
            data.to_arrow().to_pylist(),
            self._processes.indices(pids, names).tolist(),
            batch.header("cpu", rows).tolist(),
            containers.to_arrow().to_pylist(),
            self._own_tuples(batch, rows),
            strict=True,
        )
        calls: list[SocketCall] = []
        for time, number, act, value, res, payload, process, cpu, container, ends in columns:
            found = self._connection(descriptors.descriptor(value), ends, Act(act))
            if found is None or not _happened(Act(act), res):
                continue
            place, from_client = found
            is_io = act in {Act.SEND, Act.RECEIVE}
            length = res if is_io else 0
            captured = (payload or b"")[:length] if is_io else b""
            self.cut += len(captured) < length
            if act == Act.SEND:
                self.writers.add((place, from_client))
            where = (container or b"host").decode("utf-8", "replace")
            calls.append(SocketCall(time, number, place, Act(act), from_client, process, cpu, where, length, captured))
        pickle.dump(calls, self._calls)

    def calls(self) -> Iterator[SocketCall]:
        """The calls in the order of the capture."""
        size = self._calls.tell()
        self._calls.seek(0)
        while self._calls.tell() < size:
            yield from pickle.load(self._calls)  # noqa: S301 - a file nobody else can open

    def close(self) -> None:
        """Remove the temporary file."""
        self._calls.close()

    def _connection(self, descriptor: Descriptor | None, ends: Endpoints | None, act: Act) -> tuple[int, bool] | None:
        """The place of a call's connection, and whether its client made the call; None where it is unknown."""
        protocol = None if descriptor is None else _PROTOCOLS.get(descriptor.l4)
        if descriptor is None or protocol is None:
            return None
        tuple_, from_client = descriptor.ends, descriptor.role != Role.SERVER
        if protocol == UDP and ends is not None and ends.sip:
            # The call's own tuple goes the way of the data.
            local_first = ends if act != Act.RECEIVE else ends.swapped()
            tuple_ = local_first if from_client else local_first.swapped()
        client, server = Endpoint(tuple_.sip, tuple_.sport), Endpoint(tuple_.dip, tuple_.dport)
        if len(client.address) not in {4, 16} or len(client.address) != len(server.address):
            return None
        if not client.port and not server.port:
            return None
        connection = Connection(client, server, protocol)
        place = self._places.setdefault(connection, len(self._places))
        if place == len(self.connections):
            self.connections.append(connection)
        return place, from_client

    def _own_tuples(self, batch: EventBatch, rows: NDArray[np.intp]) -> Iterator[Endpoints | None]:
        """The socket tuple each call was given, in its enter or its exit event."""
        calls = state_of(batch).calls
        found: list[Endpoints | None] = [None] * len(rows)
        for group in type_groups(batch, rows, _has_tuple):
            exit_index = group.event.find_param("tuple")
            enter_index = event_table().events[group.event.id - 1].find_param("tuple")
            values = calls.strings(group.event.id, exit_index, enter_index, raw=True)
            at = np.searchsorted(batch.rows_of_type(group.event.id), group.rows)
            for place, value in zip(group.places.tolist(), values.take(at).to_pylist(), strict=True):
                ends = parse_tuple(value, batch.byteorder) if value else None
                found[place] = None if ends is None else ends.as_ipv4()
        return iter(found)


def _has_tuple(event: EventType) -> bool:
    return event.name in {"sendto", "recvfrom", "sendmsg", "recvmsg"}


def _happened(act: Act, result: int | None) -> bool:
    if result is None:
        return False
    if act in {Act.SEND, Act.RECEIVE}:
        return result > 0
    return result >= 0 or (act is Act.CONNECT and result == _EINPROGRESS)
