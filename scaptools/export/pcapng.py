"""pcapng packets by columns: enhanced packets carrying Upper PDU payloads, as one buffer per batch.

A packet is a few fixed-size parts and a few texts. Each part is a column; joining the columns row by row gives whole
packets, back to back in one buffer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.blocks import TRAILER_SIZE, options
from scap_formats.codec import build
from scap_formats.dtypes import dtype_of
from scap_formats.pcapng import (
    PacketOption,
    PcapngBlock,
    UpperPduTag,
    option,
    packet_prefix,
    tag,
    upper_pdu,
)
from scaptools.digits import fixed_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

#: Bytes of a code and a length in front of every option and tag.
_HEAD = 4


@dataclass(frozen=True, slots=True)
class PacketColumns:
    """``n`` packets of one interface, or of several where ``interface`` is an array.

    ``data`` is what each holds, at most what Wireshark reads; ``original_lengths`` what it held before it was
    shortened. Times are in ns; event numbers become packet ids, CPUs the queue. ``processes`` are indices of process
    blocks, ``directions`` 1 for inbound and 2 for outbound packets, None for no direction.
    """

    interface: int | NDArray[np.int64]
    times: NDArray[np.uint64]
    numbers: NDArray[np.uint64]
    cpus: NDArray[np.uint16]
    processes: NDArray[np.int64]
    data: pa.Array
    original_lengths: NDArray[np.int64]
    directions: NDArray[np.int64] | None = None


def constant_tags(dissector: str, protocol: str) -> bytes:
    """Tags that are the same for every packet of an interface, without the end mark."""
    return encoded_tags([tag(UpperPduTag.DISSECTOR, dissector.encode()), tag(UpperPduTag.PROTOCOL, protocol.encode())])


def encoded_tags(tags: Sequence[Any]) -> bytes:
    """The bytes of some tags, without the end mark."""
    whole = build(upper_pdu(), {"tags": [*tags, tag(UpperPduTag.END)], "payload": b""})
    return whole[:-_HEAD]


def number_tags(code: UpperPduTag, values: NDArray[np.uint32]) -> pa.Array:
    """A tag with a 32-bit number for each packet."""
    template = np.frombuffer(encoded_tags([tag(code, bytes(4))]), np.uint8)
    matrix = np.tile(template, (len(values), 1))
    matrix[:, _HEAD:] = values.astype(">u4").view(np.uint8).reshape(-1, 4)
    return fixed_width(matrix)


def end_tags(count: int) -> pa.Array:
    """The mark that ends the tags of each of ``count`` packets."""
    template = np.frombuffer(encoded_tags([tag(UpperPduTag.END)]), np.uint8)
    return fixed_width(np.tile(template, (count, 1)))


def text_tags(code: UpperPduTag, texts: pa.Array) -> pa.Array:
    """A tag with a text for each packet; the stored length includes the padding."""
    import pyarrow.compute as pc

    lengths = byte_lengths(texts)
    padding = -lengths % 4
    heads = np.empty((len(texts), 2), ">u2")
    heads[:, 0] = code
    heads[:, 1] = lengths + padding
    return pc.binary_join_element_wise(fixed_width(heads.view(np.uint8)), texts, _zeros(padding), b"")


def enhanced_packets(packets: PacketColumns) -> tuple[pa.Array, NDArray[np.int64]]:
    """The blocks of ``n`` packets, a binary array, and their lengths."""
    import pyarrow.compute as pc

    sizes = byte_lengths(packets.data)
    padding = -sizes % 4
    ending = packet_options(packets.numbers, packets.cpus, packets.processes, packets.directions)
    prefix = dtype_of(packet_prefix("little"))
    totals = prefix.itemsize + sizes + padding + ending.shape[1] + TRAILER_SIZE
    heads = np.empty(len(sizes), prefix)
    heads["block_type"] = PcapngBlock.EPB
    heads["block_length"] = totals
    heads["interface"] = packets.interface
    heads["ts_high"] = packets.times >> np.uint64(32)
    heads["ts_low"] = packets.times & np.uint64(0xFFFFFFFF)
    heads["captured_length"] = sizes
    heads["original_length"] = packets.original_lengths
    tail = np.concatenate((ending, totals.astype("<u4").view(np.uint8).reshape(-1, 4)), axis=1)
    head_column = fixed_width(heads.view(np.uint8).reshape(len(sizes), -1))
    blocks = pc.binary_join_element_wise(head_column, packets.data, _zeros(padding), fixed_width(tail), b"")
    return blocks, totals


def packet_options(
    numbers: NDArray[np.uint64],
    cpus: NDArray[np.uint16],
    processes: NDArray[np.int64],
    directions: NDArray[np.int64] | None = None,
) -> NDArray[np.uint8]:
    """The options of each packet, shape ``(n, bytes)``: all have the same ones."""
    options_ = [(PacketOption.PACKET_ID, numbers.astype("<u8")), (PacketOption.QUEUE, cpus.astype("<u4"))]
    if directions is not None:
        options_.insert(0, (PacketOption.FLAGS, directions.astype("<u4")))
    # An index no block has is ignored.
    options_.append((PacketOption.PROCESS_INDEX, processes.astype("<u4")))
    given = [option(code, bytes(values.itemsize)) for code, values in options_]
    template = np.frombuffer(build(options("little"), [*given, option(PacketOption.END)]), np.uint8)
    matrix = np.tile(template, (len(numbers), 1))
    place = 0
    for _, values in options_:
        place += _HEAD
        matrix[:, place : place + values.itemsize] = values.view(np.uint8).reshape(len(values), -1)
        place += values.itemsize
    return matrix


def byte_lengths(texts: pa.Array) -> NDArray[np.int64]:
    """The length of each text in bytes."""
    import pyarrow.compute as pc

    return np.asarray(pc.binary_length(texts).to_numpy(zero_copy_only=False), np.int64)


def _zeros(counts: NDArray[np.int64]) -> pa.Array:
    import pyarrow as pa

    return pa.array([bytes(count) for count in range(4)], pa.binary()).take(pa.array(counts))
