"""Encoding: events as event blocks, many at a time.

Blocks are of the kind with 4-byte parameter lengths where the event's type asks for it, on CPU 0, as libscap writes
them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.blocks import BlockType
from scap_formats.dtypes import event_block_dtype
from scap_formats.table import event_table
from scaptools.capture.overlap import overlapping
from scaptools.columns import concatenated

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

#: The event type of plugin events; there is no exit of it.
PLUGIN_EVENT = next(event.id for event in event_table().events if event.name == "pluginevent")
_TRAILER_BYTES = 4
#: Bytes of a block in front of its event.
_EVENT_START = event_block_dtype(has_nparams=True, has_flags=False).fields["ts"][1]  # type: ignore[index]
_NO_THREAD = -1


def encode_plugin_events(
    plugin_id: int, payloads: Sequence[bytes], timestamps: NDArray[np.uint64]
) -> list[bytes | memoryview]:
    """Event blocks for payloads of one plugin, as pieces to be written one after the other.

    ``timestamps`` are ns since the epoch, shape ``(n,)``; the events are without a thread.
    """
    lengths = np.fromiter((len(payload) for payload in payloads), np.uint32, len(payloads))
    return [encode_plugin_columns(plugin_id, b"".join(payloads), lengths, timestamps)]


def encode_plugin_columns(
    plugin_id: int, data: bytes, lengths: NDArray[np.uint32], timestamps: NDArray[np.uint64]
) -> memoryview:
    """Event blocks for joined payloads of one plugin; ``lengths`` and ``timestamps`` have shape ``(n,)``."""
    block = _plugin_block()
    heads = np.zeros(len(lengths), block)
    sizes = lengths.astype(np.int64)
    fields = heads["header"]
    fields["ts"] = timestamps
    fields["tid"] = _NO_THREAD
    header = block["header"].fields
    fields["length"] = block.itemsize - header["ts"][1] + sizes  # type: ignore[index]
    fields["type"] = PLUGIN_EVENT
    fields["nparams"] = 2
    heads["lengths"][:, 0] = 4
    heads["lengths"][:, 1] = sizes
    heads["plugin_id"] = plugin_id
    return _blocks(heads, fields, BlockType.EV_V2_LARGE, data, sizes)


def encode_scap_events(data: bytes, lengths: NDArray[np.uint32]) -> memoryview:
    """Event blocks for joined complete events (header with the number of parameters, lengths, parameters)."""
    header = event_block_dtype(has_nparams=True, has_flags=False, byteorder="little")
    start = header.fields["ts"][1]  # type: ignore[index]
    names = ("block_type", "block_length", "cpu")
    sizes = lengths.astype(np.int64)
    heads = np.zeros(len(lengths), [(name, header[name]) for name in names])
    offset_of_type = header.fields["type"][1] - start  # type: ignore[index]
    starts = np.cumsum(sizes) - sizes
    types = overlapping(np.frombuffer(data, np.uint8), np.dtype("<u2"))[starts + offset_of_type]
    wide = np.array([event.length_width == _WIDE for event in event_table().events])
    kinds = np.where(wide[np.minimum(types, len(wide) - 1)], BlockType.EV_V2_LARGE, BlockType.EV_V2)
    return _blocks(heads, heads, kinds, data, sizes)


_WIDE = 4


@cache
def _plugin_block() -> np.dtype[Any]:
    header = event_block_dtype(has_nparams=True, has_flags=False, byteorder="little")
    return np.dtype([("header", header), ("lengths", "<u4", (2,)), ("plugin_id", "<u4")])


def _blocks(heads: NDArray[Any], fields: NDArray[Any], kinds: Any, data: bytes, sizes: NDArray[np.int64]) -> memoryview:
    """Heads, contents and trailers woven into one run of bytes; ``fields`` is where the block's fields are in heads."""
    import pyarrow as pa
    import pyarrow.compute as pc

    padding = -(heads.itemsize + sizes) % 4
    totals = heads.itemsize + sizes + padding + _TRAILER_BYTES
    fields["block_type"] = kinds
    fields["block_length"] = totals
    # Up to 12 bytes are part of a view itself: the padding, then the trailer.
    tails = np.zeros(len(heads), [("length", "<u4"), ("bytes", "<u8"), ("more", "<u4")])
    tails["length"] = _TRAILER_BYTES + padding
    tails["bytes"] = totals.astype(np.uint64) << (8 * padding).astype(np.uint64)
    views = pa.Array.from_buffers(pa.binary_view(), len(heads), [None, pa.py_buffer(tails)])
    kind = pa.large_binary() if int(totals.sum()) >= _LARGE else pa.binary()
    parts = (
        _binary(heads.view(np.uint8), np.full(len(heads), heads.itemsize, np.int64), kind),
        _binary(data, sizes, kind),
        views.cast(kind),
    )
    return concatenated(pc.binary_join_element_wise(*parts, pa.scalar(b"", kind)))


#: Bytes from which on an Arrow array needs 64-bit offsets.
_LARGE = 1 << 30


def _binary(data: Any, sizes: NDArray[np.int64], kind: Any) -> pa.Array:
    import pyarrow as pa

    offsets = np.zeros(len(sizes) + 1, np.int64 if kind == pa.large_binary() else np.int32)
    np.cumsum(sizes, out=offsets[1:])
    return pa.Array.from_buffers(kind, len(sizes), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
