"""Captures for Wireshark: one pcapng file, one interface per event source, every event a packet that dissects.

Plugin events keep their payload and are handed to the ``json`` dissector where they are JSON. System-call events become
journal text: the one dissector Wireshark ships that shows a readable line and has typed filters for what an event
holds.
"""

from __future__ import annotations

import ipaddress
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scap_formats.pcapng import (
    MAX_PACKET,
    LinkType,
    UpperPduTag,
    tag,
)
from scap_formats.table import event_table
from scaptools.columns import concatenated
from scaptools.export.ahead import read_ahead
from scaptools.export.conversations import rebuilt_packets
from scaptools.export.framing import (
    REBUILT,
    UNSET,
    Interface,
    interface_block,
    section_header,
    statistics_block,
)
from scaptools.export.hostnames import DNS_PORT, HostNames
from scaptools.export.journal import Journal
from scaptools.export.payloads import DISSECTORS, dissectable, shortened
from scaptools.export.pcapng import (
    PacketColumns,
    byte_lengths,
    constant_tags,
    encoded_tags,
    end_tags,
    enhanced_packets,
    number_tags,
    text_tags,
)
from scaptools.export.processes import NO_PROCESS, ProcessTable
from scaptools.export.sockets import Act, SocketCalls
from scaptools.export.spool import PacketSpool, deliver
from scaptools.fields.inorder import needs_with_plugins, with_plugins
from scaptools.fields.needs import needs_of, with_state
from scaptools.fields.plugin import SYSCALL_SOURCE
from scaptools.plugins.events import plugin_events
from scaptools.shares import delivered, in_order
from scaptools.state.attached import state_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.reader import CaptureReader
    from scaptools.capture.writer import CaptureWriter
    from scaptools.export.conversations import NetworkPacket
    from scaptools.export.journal import JournalPackets
    from scaptools.export.spool import Run
    from scaptools.fields.catalog import Catalog
    from scaptools.fields.model import BoundField
    from scaptools.filter import CompiledFilter
    from scaptools.shares import Portion, Share

IPV4 = 4
#: Room for the tags in front of a payload.
_TAG_ROOM = 2048
#: Bytes of the one-line summary a packet carries.
_INFO_BYTES = 1024
#: Network packets spooled at a time.
_CHUNK = 1 << 14


@dataclass(slots=True)
class ExportResult:
    """What was written: packets per interface.

    ``shortened`` counts payloads that had to be, ``cut`` socket calls whose data was not captured whole.
    """

    packets: dict[str, int] = field(default_factory=dict)
    shortened: int = 0
    cut: int = 0


class _Made(NamedTuple):
    """What one process made: interfaces with their counts, where its packets are, and what there is to tell."""

    interfaces: dict[str, Interface]
    runs: list[Run]
    result: ExportResult


class WiresharkExport:
    """One export under way.

    With ``packets`` network packets are rebuilt from socket calls; without ``events`` there is nothing else. With a
    predicate only the events that match are exported, a call where its enter or its exit event does.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        packets: bool = False,
        events: bool = True,
        predicate: CompiledFilter | None = None,
    ) -> None:
        self._catalog = catalog
        self._host = catalog.plugins
        self._events = events
        self._predicate = predicate
        self._interfaces: dict[str, Interface] = {}
        self._processes = ProcessTable()
        self._names = HostNames()
        self._journal = Journal(catalog, self._processes)
        self._sockets = SocketCalls(catalog, self._processes) if packets else None
        self._spool = PacketSpool()
        self._spools = [self._spool]
        self._thread = ThreadPoolExecutor(1, "packets")
        self._pending: Future[None] | None = None
        self._earliest: int | None = None
        self.result = ExportResult()

    @property
    def fields(self) -> list[BoundField]:
        """The fields that are read."""
        return [
            *(self._journal.fields if self._events else ()),
            *(self._sockets.fields if self._sockets is not None else ()),
            *(self._predicate.fields if self._predicate is not None else ()),
        ]

    def share_out(self, processes: int) -> None:
        """Have so many processes do the work; network packets, however, are rebuilt in one."""
        if self._sockets is None:
            self._spools += [PacketSpool() for _ in range(processes - len(self._spools))]

    def run(self, capture: CaptureReader, writer: CaptureWriter) -> ExportResult:
        """Turn a capture into packets and write them. Raises OutputError."""
        try:
            if len(self._spools) == 1:
                for batch in read_ahead(self._batches(capture)):
                    self._add(batch)
                self._finish()
            else:
                self._run_shares(capture)
            section = capture.sections[0] if capture.sections else None
            filter_ = None if self._predicate is None else self._predicate.text
            writer.write([section_header(capture.name, section, rebuilt=self._sockets is not None)])
            writer.write([interface_block(interface, filter_) for interface in self._interfaces.values()])
            writer.write([*self._names.block(), *self._processes.blocks()])
            deliver(self._spools, writer)
            writer.write([statistics_block(interface) for interface in self._interfaces.values()])
        finally:
            self._thread.shutdown(cancel_futures=True)
            for spool in self._spools:
                spool.close()
            if self._sockets is not None:
                self._sockets.close()
        self.result.packets = {interface.name: interface.packets for interface in self._interfaces.values()}
        return self.result

    def _batches(self, capture: CaptureReader) -> Iterator[EventBatch]:
        host, fields = self._catalog.given_plugins, self.fields
        return with_plugins(with_state(capture.batches(), needs_with_plugins(host, needs_of(fields))), host, fields)

    def _run_shares(self, capture: CaptureReader) -> None:
        """Have several processes make the packets, each in a spool of its own."""

        def work(share: Share) -> Generator[Iterable[Portion], None, _Made]:
            self._spool = self._spools[share.index]
            for number, batch in enumerate(self._batches(capture)):
                self._add(batch, owned=share.owns(number))
                if share.owns(number):
                    yield ()
            self._finish()
            self._spool.flush()
            return _Made(self._interfaces, self._spool.runs, self.result)

        # Everything is in the spools; nothing is handed over.
        first, *others = delivered(in_order(work, len(self._spools)), lambda _portion: None)
        for spool, made in zip(self._spools[1:], others, strict=True):
            spool.runs = made.runs
            first.result.shortened += made.result.shortened
            for mine, theirs in zip(first.interfaces.values(), made.interfaces.values(), strict=True):
                mine.add(theirs)

    def _add(self, batch: EventBatch, *, owned: bool = True) -> None:
        times = self._times(batch)
        wanted = None
        if self._predicate is not None:
            wanted = np.zeros(len(batch), bool)
            wanted[self._predicate.select(batch)] = True
        if self._events:
            self._add_calls(batch, times, wanted, owned=owned)
            self._add_plugin_events(batch, times, wanted, owned=owned)
        if self._sockets is not None:
            rows = np.arange(len(batch)) if wanted is None else np.flatnonzero(wanted)
            self._sockets.add(batch, rows, times)
            for container in state_of(batch).containers:
                self._names.add(_packed(container.ip), (container.name or "").encode())

    def _finish(self) -> None:
        """Add what is known at the end only, and wait for what is being written."""
        last = self._journal.finish()
        if last is not None:
            self._put_journal(self._interfaces[SYSCALL_SOURCE], last)
        if self._sockets is not None:
            self.result.cut = self._sockets.cut
            packets = rebuilt_packets(self._sockets)
            while chunk := list(islice(packets, _CHUNK)):
                self._put_network(chunk)
        self._settle()

    def _put(self, interfaces: list[Interface], columns: PacketColumns) -> None:
        """Spool packets; ``interfaces`` are those that ``columns.interface`` refers to."""
        for interface in interfaces:
            own = columns.times
            interface.count(own[columns.interface == interface.index] if len(interfaces) > 1 else own)

        def write() -> None:
            blocks, sizes = enhanced_packets(columns)
            self._spool.add(columns.times, columns.numbers, sizes, concatenated(blocks))

        self._settle()
        self._pending = self._thread.submit(write)

    def _put_journal(self, interface: Interface, packets: JournalPackets) -> None:
        """Spool packets that are whole already."""
        interface.count(packets.times)
        self.result.shortened += int(packets.cut.sum())
        self._settle()
        self._pending = self._thread.submit(
            self._spool.add, packets.times, packets.numbers, packets.lengths, concatenated(packets.blocks)
        )

    def _settle(self) -> None:
        """Wait for the packets before. Raises what writing them raised."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def _times(self, batch: EventBatch) -> NDArray[np.uint64]:
        """Times of all events; those of metadata events without one are the capture's first real time."""
        times = batch.header("ts")
        unreal = (times == 0) | (times == UNSET)
        if self._earliest is None and not unreal.all():
            self._earliest = int(times[~unreal][0])
        return np.where(unreal, np.uint64(self._earliest or 0), times) if unreal.any() else times

    def _add_calls(
        self, batch: EventBatch, times: NDArray[np.uint64], wanted: NDArray[np.bool_] | None, *, owned: bool
    ) -> None:
        shown = _shown_syscalls(batch)
        if len(shown):
            interface = self._interface(SYSCALL_SOURCE, "system calls, as journal text")
            for packets in self._journal.packets(interface.index, batch, shown, times, wanted, owned=owned):
                self._put_journal(interface, packets)

    def _add_plugin_events(
        self, batch: EventBatch, times: NDArray[np.uint64], wanted: NDArray[np.bool_] | None, *, owned: bool
    ) -> None:
        events = plugin_events(batch)
        for number in np.unique(events.ids).tolist():
            rows = events.rows[events.ids == number]
            rows = rows if wanted is None else rows[wanted[rows]]
            if not len(rows):
                continue
            name = self._host.source_name(number)
            plugin = self._host.plugin_name(number)
            interface = self._interface(name, f"Falco plugin {number}" + (f" ({plugin})" if plugin else ""))
            if not owned:
                continue
            data, original = self._plugin_packets(batch, rows, name)
            nobody = np.full(len(rows), NO_PROCESS)
            columns = PacketColumns(
                interface.index,
                times[rows],
                batch.numbers(rows),
                batch.header("cpu", rows),
                nobody,
                data,
                original,
            )
            self._put([interface], columns)

    def _put_network(self, packets: list[NetworkPacket]) -> None:
        """Spool rebuilt packets, on the interface of the container whose process made the call."""
        import pyarrow as pa

        calls = [packet.call for packet in packets]
        by_name = {
            place: self._interface(f"net:{place}", REBUILT, LinkType.SLL2)
            for place in dict.fromkeys(call.place for call in calls)
        }
        for call in calls:
            connection = self._sockets.connections[call.connection] if self._sockets is not None else None
            if connection is not None and call.act is Act.RECEIVE and connection.server.port == DNS_PORT:
                self._names.add_answer(call.data[:])
        columns = PacketColumns(
            np.array([by_name[call.place].index for call in calls], np.int64),
            np.array([call.time for call in calls], np.uint64),
            np.array([call.number for call in calls], np.uint64),
            np.array([call.cpu for call in calls], np.uint16),
            np.array([call.process for call in calls], np.int64),
            pa.array([packet.data for packet in packets], pa.binary()),
            np.array([packet.length for packet in packets], np.int64),
            np.array([1 if packet.incoming else 2 for packet in packets], np.int64),
        )
        self._put(list(by_name.values()), columns)

    def _interface(self, name: str, description: str, linktype: LinkType = LinkType.UPPER_PDU) -> Interface:
        if name not in self._interfaces:
            self._interfaces[name] = Interface(len(self._interfaces), name, description, linktype)
        return self._interfaces[name]

    def _plugin_packets(
        self, batch: EventBatch, rows: NDArray[np.intp], source: str
    ) -> tuple[pa.Array, NDArray[np.int64]]:
        import pyarrow as pa
        import pyarrow.compute as pc

        payloads = plugin_events(batch).payloads(batch, rows).data
        sizes = byte_lengths(payloads)
        payloads, kinds = dissectable(payloads)
        large = np.flatnonzero(byte_lengths(payloads) > MAX_PACKET - _TAG_ROOM)
        if len(large):
            payloads = shortened(payloads, large, MAX_PACKET - _TAG_ROOM)
            self.result.shortened += len(large)
        constants = pa.array([constant_tags(kind, source) for kind in DISSECTORS], pa.binary())
        info = self._catalog.resolve("evt.plugininfo").column(batch, rows).to_arrow()
        tags = [
            constants.take(pa.array(kinds)),
            *self._address_tags(batch, rows, source),
            number_tags(UpperPduTag.ORIGINAL_FRAME, batch.numbers(rows).astype(np.uint32)),
            text_tags(UpperPduTag.INFO, pc.binary_slice(pc.fill_null(info, b""), 0, _INFO_BYTES)),
            end_tags(len(rows)),
        ]
        data = pc.binary_join_element_wise(*tags, payloads, b"")
        return data, byte_lengths(data) - byte_lengths(payloads) + sizes

    def _address_tags(self, batch: EventBatch, rows: NDArray[np.intp], source: str) -> list[pa.Array]:
        """Source addresses where the plugin declares a conversation field that holds them."""
        import pyarrow as pa

        for plugin in self._host.extractors():
            if plugin.info.source != source:
                continue
            for declared in plugin.fields:
                if "conversation" in declared.properties and declared.name.endswith("ip"):
                    coded = self._catalog.resolve(declared.name).column(batch, rows).to_arrow().dictionary_encode()
                    tags = [_address_tag(value) for value in coded.dictionary.to_pylist()]
                    codes = coded.indices.fill_null(len(tags))
                    return [pa.array([*tags, b""], pa.binary()).take(codes)]
        return []


def _address_tag(value: bytes | None) -> bytes:
    try:
        address = ipaddress.ip_address((value or b"").decode("ascii"))
    except ValueError:
        return b""
    code = UpperPduTag.IPV4_SOURCE if address.version == IPV4 else UpperPduTag.IPV6_SOURCE
    return encoded_tags([tag(code, address.packed)])


def _packed(address: str | None) -> bytes:
    try:
        return ipaddress.ip_address(address or "").packed
    except ValueError:
        return b""


#: Event types that say nothing about what programs do; they would only fill the packet list.
_UNSHOWN_NAMES = frozenset({"switch", "procinfo", "pluginevent"})


@cache
def _shown_types() -> NDArray[np.bool_]:
    return np.array([event.name not in _UNSHOWN_NAMES for event in event_table().events])


def _shown_syscalls(batch: EventBatch) -> NDArray[np.intp]:
    """Rows of the events that become system-call packets."""
    return np.flatnonzero(_shown_types()[batch.header("type")])
