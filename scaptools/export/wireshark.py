"""Captures for Wireshark: one pcapng file, one interface per event source, every event a packet that dissects.

Plugin events keep their payload and are handed to the ``json`` dissector where they are JSON. System-call events become
journal text: the one dissector Wireshark ships that shows a readable line and has typed filters for what an event
holds.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.blocks import BlockKind
from scap_formats.pcapng import (
    MAX_PACKET,
    MINOR_VERSION,
    NANOSECONDS,
    InterfaceOption,
    LinkType,
    PcapngBlock,
    SectionOption,
    StatisticsOption,
    UpperPduTag,
    build_pcapng_block,
    option,
    split_timestamp,
    tag,
)
from scap_formats.table import event_table
from scaptools._version import __version__
from scaptools.columns import concatenated
from scaptools.errors import CorruptedError
from scaptools.export.journal import Journal
from scaptools.export.pcapng import (
    byte_lengths,
    constant_tags,
    encoded_tags,
    end_tags,
    enhanced_packets,
    number_tags,
    text_tags,
)
from scaptools.export.spool import PacketSpool
from scaptools.fields.needs import with_state
from scaptools.fields.plugin import SYSCALL_SOURCE
from scaptools.plugins.events import plugin_events

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.reader import CaptureReader
    from scaptools.capture.section import Section
    from scaptools.capture.writer import CaptureWriter
    from scaptools.fields.catalog import Catalog

IPV4 = 4
#: Room for the tags in front of a payload.
_TAG_ROOM = 2048
#: Bytes of the one-line summary a packet carries.
_INFO_BYTES = 1024
_UNSET = 2**64 - 1


@dataclass(slots=True)
class _Interface:
    """One event source: its number in the file and what its packets add up to."""

    index: int
    name: str
    description: str
    packets: int = 0
    first_ts: int = _UNSET
    last_ts: int = 0


@dataclass(slots=True)
class ExportResult:
    """What was written: packets per interface, and how many payloads had to be shortened."""

    packets: dict[str, int] = field(default_factory=dict)
    shortened: int = 0


class WiresharkExport:
    """One export under way."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._host = catalog.plugins
        self._interfaces: dict[str, _Interface] = {}
        self._journal = Journal(catalog)
        self._spool = PacketSpool()
        self._earliest: int | None = None
        self.result = ExportResult()

    def run(self, capture: CaptureReader, writer: CaptureWriter) -> ExportResult:
        """Turn a capture into packets and write them. Raises OutputError."""
        try:
            for batch in with_state(capture.batches(), self._journal.fields):
                self._add(batch)
            section = capture.sections[0] if capture.sections else None
            writer.write([_section_header(capture.name, section)])
            writer.write([_interface_block(interface) for interface in self._interfaces.values()])
            self._spool.deliver(writer)
            writer.write([_statistics_block(interface) for interface in self._interfaces.values()])
        finally:
            self._spool.close()
        self.result.packets = {interface.name: interface.packets for interface in self._interfaces.values()}
        return self.result

    def _add(self, batch: EventBatch) -> None:
        import pyarrow as pa

        times = self._times(batch)
        rows: list[NDArray[np.intp]] = []
        packets: list[pa.Array] = []
        lengths: list[NDArray[np.int64]] = []
        for interface, wanted, data, original in self._payloads(batch):
            interface.packets += len(wanted)
            interface.first_ts = min(interface.first_ts, int(times[wanted].min()))
            interface.last_ts = max(interface.last_ts, int(times[wanted].max()))
            made, sizes = enhanced_packets(
                interface.index,
                times[wanted],
                batch.numbers(wanted),
                batch.header("cpu", wanted),
                data,
                original,
            )
            rows.append(wanted)
            packets.append(made)
            lengths.append(sizes)
        if not rows:
            return
        order = np.argsort(np.concatenate(rows))
        merged = packets[0] if len(packets) == 1 else pa.concat_arrays(packets).take(pa.array(order))
        self._spool.add(times[np.concatenate(rows)[order]], np.concatenate(lengths)[order], concatenated(merged))

    def _times(self, batch: EventBatch) -> NDArray[np.uint64]:
        """Times of all events; those of metadata events without one are the capture's first real time."""
        times = batch.header("ts")
        unreal = (times == 0) | (times == _UNSET)
        if self._earliest is None and not unreal.all():
            self._earliest = int(times[~unreal][0])
        return np.where(unreal, np.uint64(self._earliest or 0), times) if unreal.any() else times

    def _payloads(
        self, batch: EventBatch
    ) -> Iterator[tuple[_Interface, NDArray[np.intp], pa.Array, NDArray[np.int64]]]:
        """For each event source in the batch its interface, rows, packet data and original lengths."""
        shown = _shown_syscalls(batch)
        if len(shown):
            interface = self._interface(SYSCALL_SOURCE, "system calls, as journal text")
            data = self._journal_packets(batch, shown)
            yield interface, shown, data, byte_lengths(data)
        events = plugin_events(batch)
        for number in np.unique(events.ids).tolist():
            rows = events.rows[events.ids == number]
            name = self._host.source_name(number)
            plugin = self._host.plugin_name(number)
            interface = self._interface(name, f"Falco plugin {number}" + (f" ({plugin})" if plugin else ""))
            data, original = self._plugin_packets(batch, rows, name)
            yield interface, rows, data, original

    def _interface(self, name: str, description: str) -> _Interface:
        if name not in self._interfaces:
            self._interfaces[name] = _Interface(len(self._interfaces), name, description)
        return self._interfaces[name]

    def _journal_packets(self, batch: EventBatch, rows: NDArray[np.intp]) -> pa.Array:
        """System-call events as journal text, tags included."""
        import pyarrow.compute as pc

        head = encoded_tags([tag(UpperPduTag.DISSECTOR, b"systemd_journal")])
        lines = self._journal.text(batch, rows)
        text = pc.binary_slice(lines, 0, MAX_PACKET - _TAG_ROOM)
        number = number_tags(UpperPduTag.ORIGINAL_FRAME, batch.numbers(rows).astype(np.uint32))
        return pc.binary_join_element_wise(head, number, end_tags(len(rows)), text, b"")

    def _plugin_packets(
        self, batch: EventBatch, rows: NDArray[np.intp], source: str
    ) -> tuple[pa.Array, NDArray[np.int64]]:
        import pyarrow as pa
        import pyarrow.compute as pc

        payloads = plugin_events(batch).payloads(rows).data
        sizes = byte_lengths(payloads)
        payloads, kinds = _dissectable(payloads)
        large = np.flatnonzero(byte_lengths(payloads) > MAX_PACKET - _TAG_ROOM)
        if len(large):
            payloads = _shortened(payloads, large)
            self.result.shortened += len(large)
        constants = pa.array([constant_tags(kind, source) for kind in _DISSECTORS], pa.binary())
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


#: Dissectors by what a payload is; their places are the codes `_dissectable` gives.
_DISSECTORS = ("json", "data-text-lines", "data")


def _dissectable(payloads: pa.Array) -> tuple[pa.Array, NDArray[np.int8]]:
    """Payloads a dissector can read, and which one: JSON documents become valid UTF-8 where they were not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        text = payloads.cast(pa.string())
        is_text = np.ones(len(payloads), bool)
    except pa.ArrowInvalid:
        values = payloads.to_pylist()
        is_text = np.array([_is_utf8(value) for value in values])
        text = pa.array([value.decode("utf-8", "replace") for value in values], pa.string())
    trimmed = pc.utf8_trim_whitespace(text)
    starts = pc.or_(pc.starts_with(trimmed, "{"), pc.starts_with(trimmed, "["))
    ends = pc.or_(pc.ends_with(trimmed, "}"), pc.ends_with(trimmed, "]"))
    is_json = np.asarray(pc.and_(starts, ends).to_numpy(zero_copy_only=False))
    kinds = np.where(is_json, 0, np.where(is_text, 1, 2)).astype(np.int8)
    keep = pa.array(is_json | is_text)
    return pc.if_else(keep, text.cast(pa.binary()), payloads.cast(pa.binary())), kinds


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shortened(payloads: pa.Array, large: NDArray[np.intp]) -> pa.Array:
    """Payloads none of which is too large for Wireshark; JSON objects stay valid."""
    import pyarrow as pa

    values = payloads.to_pylist()
    for row in large.tolist():
        values[row] = _shorten(values[row])
    return pa.array(values, pa.binary())


def _shorten(payload: bytes) -> bytes:
    room = MAX_PACKET - _TAG_ROOM
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return payload[:room]
    if not isinstance(document, dict):
        return payload[:room]
    dropped: list[str] = []
    by_size = sorted(document, key=lambda key: len(json.dumps(document[key])), reverse=True)
    text = payload
    for key in by_size:
        del document[key]
        dropped.append(key[:64])
        text = json.dumps({**document, "_scap_truncated": dropped}, separators=(",", ":")).encode()
        if len(text) <= room:
            return text
    return text[:room]


def _address_tag(value: bytes | None) -> bytes:
    try:
        address = ipaddress.ip_address((value or b"").decode("ascii"))
    except ValueError:
        return b""
    code = UpperPduTag.IPV4_SOURCE if address.version == IPV4 else UpperPduTag.IPV6_SOURCE
    return encoded_tags([tag(code, address.packed)])


def _section_header(name: str, section: Section | None) -> bytes:
    comment = f"Exported from {name}. Not lossless: keep the capture."
    hostname = _hostname(section)
    given = [
        option(SectionOption.COMMENT, comment.encode()),
        *([option(SectionOption.HARDWARE, hostname.encode())] if hostname else []),
        option(SectionOption.APPLICATION, f"scaptools {__version__}".encode()),
        option(SectionOption.END),
    ]
    return build_pcapng_block(PcapngBlock.SHB, {"minor": MINOR_VERSION, "options": given, "rest": b""})


def _hostname(section: Section | None) -> str:
    for block in section.of_kind(BlockKind.MACHINE) if section is not None else ():
        try:
            return bytes(block.parse().hostname).split(b"\0")[0].decode("utf-8", "replace")
        except CorruptedError:
            continue
    return ""


def _interface_block(interface: _Interface) -> bytes:
    given = [
        option(InterfaceOption.NAME, interface.name.encode()),
        option(InterfaceOption.DESCRIPTION, interface.description.encode()),
        option(InterfaceOption.TSRESOL, bytes([NANOSECONDS])),
        option(InterfaceOption.END),
    ]
    return build_pcapng_block(PcapngBlock.IDB, {"linktype": LinkType.UPPER_PDU, "options": given, "rest": b""})


def _statistics_block(interface: _Interface) -> bytes:
    def stamp(ts: int) -> bytes:
        return b"".join(half.to_bytes(4, "little") for half in split_timestamp(ts))

    high, low = split_timestamp(interface.last_ts)
    given = [
        option(StatisticsOption.START, stamp(interface.first_ts)),
        option(StatisticsOption.END_TIME, stamp(interface.last_ts)),
        option(StatisticsOption.RECEIVED, interface.packets.to_bytes(8, "little")),
        option(StatisticsOption.END),
    ]
    body = {"interface": interface.index, "ts_high": high, "ts_low": low, "options": given, "rest": b""}
    return build_pcapng_block(PcapngBlock.ISB, body)


#: Event types that say nothing about what programs do; they would only fill the packet list.
_UNSHOWN_NAMES = frozenset({"switch", "procinfo", "pluginevent"})


@cache
def _shown_types() -> NDArray[np.bool_]:
    return np.array([event.name not in _UNSHOWN_NAMES for event in event_table().events])


def _shown_syscalls(batch: EventBatch) -> NDArray[np.intp]:
    """Rows of the events that become system-call packets."""
    return np.flatnonzero(_shown_types()[batch.header("type")])
