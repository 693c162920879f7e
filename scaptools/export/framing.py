"""Framing: the blocks in front of a file's packets and behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scap_formats.blocks import BlockKind
from scap_formats.pcapng import (
    MINOR_VERSION,
    NANOSECONDS,
    InterfaceOption,
    LinkType,
    PcapngBlock,
    SectionOption,
    StatisticsOption,
    build_pcapng_block,
    option,
    split_timestamp,
)
from scaptools._version import __version__
from scaptools.errors import CorruptedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scaptools.capture.section import Section

#: What interfaces of network packets say about them.
REBUILT = "packets rebuilt from system calls; handshakes, acknowledgements and ends are synthetic"
UNSET = 2**64 - 1
#: An option has room for 65535 bytes.
_NAME_BYTES, _FILTER_BYTES = 255, 1 << 14


@dataclass(slots=True)
class Interface:
    """One event source: its number in the file and what its packets add up to."""

    index: int
    name: str
    description: str
    linktype: LinkType
    packets: int = 0
    first_ts: int = UNSET
    last_ts: int = 0

    def count(self, times: NDArray[np.uint64]) -> None:
        """Take in packets of these times (ns), at least one."""
        self.packets += len(times)
        self.first_ts = min(self.first_ts, int(times.min()))
        self.last_ts = max(self.last_ts, int(times.max()))

    def add(self, other: Interface) -> None:
        """Take in what another process counted of the same interface."""
        self.packets += other.packets
        self.first_ts, self.last_ts = min(self.first_ts, other.first_ts), max(self.last_ts, other.last_ts)


def section_header(name: str, section: Section | None, *, rebuilt: bool) -> bytes:
    """The block that starts the file: where it comes from, and that ``rebuilt`` packets are in it."""
    comment = f"Exported from {name}. Not lossless: keep the capture."
    if rebuilt:
        comment += f" Interfaces called net:... have {REBUILT}."
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


def interface_block(interface: Interface, filter_: str | None) -> bytes:
    """The block that describes an event source or a network, and which events were chosen."""
    given = [
        option(InterfaceOption.NAME, interface.name.encode()[:_NAME_BYTES]),
        option(InterfaceOption.DESCRIPTION, interface.description.encode()[:_NAME_BYTES]),
        option(InterfaceOption.TSRESOL, bytes([NANOSECONDS])),
        *([option(InterfaceOption.FILTER, b"\0" + filter_.encode()[:_FILTER_BYTES])] if filter_ is not None else []),
        option(InterfaceOption.END),
    ]
    return build_pcapng_block(PcapngBlock.IDB, {"linktype": interface.linktype, "options": given, "rest": b""})


def statistics_block(interface: Interface) -> bytes:
    """The block that counts an interface's packets."""

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
