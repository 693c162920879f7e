"""Woven packets: enhanced packets whose data is text in pieces, laid out together with everything around it.

That way a packet is copied once, from where its pieces lie to where it is written from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scap_formats.blocks import TRAILER_SIZE
from scap_formats.dtypes import dtype_of
from scap_formats.pcapng import PcapngBlock, UpperPduTag, packet_prefix, tag
from scaptools.columns import Texts
from scaptools.digits import fixed_width
from scaptools.export.pcapng import encoded_tags, end_tags, packet_options
from scaptools.fields.paramtext.arrays import extents
from scaptools.fields.paramtext.weave import Choice, Weave

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.fields.paramtext.weave import Piece

_PADDING = [bytes(count) for count in range(4)]


class PacketHeads(NamedTuple):
    """What ``n`` packets of an interface have besides their data; see `scaptools.export.pcapng.PacketColumns`."""

    interface: int
    times: NDArray[np.uint64]
    numbers: NDArray[np.uint64]
    cpus: NDArray[np.uint16]
    processes: NDArray[np.int64]


def woven_packets(
    heads: PacketHeads, dissector: bytes, pieces: Sequence[Piece], most: int
) -> tuple[pa.Array, NDArray[np.int64], NDArray[np.bool_]]:
    """The blocks of packets whose payload is pieces of text; their lengths, and which payloads had to be cut.

    A packet's data has at most ``most`` bytes.
    """
    count = len(heads.times)
    prefix = dtype_of(packet_prefix("little"))
    tags = encoded_tags([tag(UpperPduTag.DISSECTOR, dissector), tag(UpperPduTag.ORIGINAL_FRAME, bytes(4))])
    end = end_tags(1)[0].as_py()
    head = np.zeros(
        count, [("prefix", prefix), ("tags", f"V{len(tags) - 4}"), ("number", ">u4"), ("end", f"V{len(end)}")]
    )
    tags_size = head.itemsize - prefix.itemsize
    lengths = np.zeros(count, np.int64)
    for piece in pieces:
        lengths += piece_lengths(piece)
    cut = lengths > most - tags_size
    if cut.any():
        pieces = [_joined(pieces, count, most - tags_size)]
    captured = np.minimum(lengths, most - tags_size) + tags_size
    padding = -captured % 4
    options = packet_options(heads.numbers, heads.cpus, heads.processes)
    totals = prefix.itemsize + captured + padding + options.shape[1] + TRAILER_SIZE
    fields = head["prefix"]
    fields["block_type"] = PcapngBlock.EPB
    fields["block_length"] = totals
    fields["interface"] = heads.interface
    fields["ts_high"] = heads.times >> np.uint64(32)
    fields["ts_low"] = heads.times & np.uint64(0xFFFFFFFF)
    fields["captured_length"] = captured
    fields["original_length"] = lengths + tags_size
    head["tags"] = np.void(tags[:-4])
    head["number"] = heads.numbers.astype(np.uint32)
    head["end"] = np.void(end)
    tail = np.concatenate((options, totals.astype("<u4").view(np.uint8).reshape(-1, 4)), axis=1)
    weave = Weave(count)
    around = Texts(fixed_width(head.view(np.uint8).reshape(count, -1))), Texts(fixed_width(tail))
    weave.add(np.arange(count), [around[0], *pieces, Choice(padding.astype(np.int8), _PADDING), around[1]])
    return weave.text(), totals, cut


def piece_lengths(piece: Piece) -> NDArray[np.int64] | int:
    """The bytes of a piece in each row, one number where it is a literal."""
    if isinstance(piece, bytes):
        return len(piece)
    if isinstance(piece, Texts):
        return extents(piece.array)[1]
    if isinstance(piece, Choice):
        lengths = np.array([*map(len, piece.texts), 0], np.int64)
    else:
        lengths = np.append(extents(piece.values.to_arrow())[1], 0)
    return lengths.take(piece.codes, mode="wrap")  # code -1 picks the last entry


def _joined(pieces: Sequence[Piece], count: int, most: int) -> Texts:
    """The pieces of each row as one text of at most so many bytes."""
    import pyarrow.compute as pc

    weave = Weave(count)
    weave.add(np.arange(count), pieces)
    return Texts(pc.binary_slice(weave.text(), 0, most))
