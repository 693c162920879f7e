from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from construct import Bytes
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.blocks import BLOCKS, BlockKind
from scap_formats.codec import ByteOrder, FormatsError, integers, parse
from scap_formats.dtypes import dtype_of, event_block_dtype
from scap_formats.elements import LengthBytes
from scap_formats.events import event_prefix
from scap_formats.pcapng import packet_prefix
from scap_formats.plugin import plugin_prefix
from scap_formats.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ORDERS: list[ByteOrder] = ["little", "big"]


@pytest.mark.parametrize(
    ("has_nparams", "has_flags", "size"), [(False, False, 32), (True, False, 36), (False, True, 36), (True, True, 40)]
)
@pytest.mark.parametrize("byteorder", ORDERS)
def test_the_dtype_ends_where_the_lengths_begin(
    has_nparams: bool, has_flags: bool, size: int, byteorder: ByteOrder
) -> None:
    dtype = event_block_dtype(has_nparams, has_flags, byteorder)
    assert dtype.itemsize == size
    assert dtype.names == (
        "block_type",
        "block_length",
        "cpu",
        *(["dump_flags"] if has_flags else []),
        "ts",
        "tid",
        "length",
        "type",
        *(["nparams"] if has_nparams else []),
    )


@pytest.mark.parametrize("byteorder", ORDERS)
@given(data=st.binary(min_size=40, max_size=40), has_nparams=st.booleans(), has_flags=st.booleans())
def test_construct_and_numpy_read_the_same_header(
    byteorder: ByteOrder, data: bytes, has_nparams: bool, has_flags: bool
) -> None:
    value = parse(event_prefix(byteorder, has_nparams=has_nparams, has_flags=has_flags), data)
    row = np.frombuffer(data, event_block_dtype(has_nparams, has_flags, byteorder), count=1)[0]
    assert {name: row[name].item() for name in row.dtype.names} == dict(value)


def test_both_ways_agree_on_real_events(
    capture_path: Path,
    read_capture: Callable[[Path], bytes],
    walk: Callable[[bytes], Iterator[tuple[int, bytes]]],
) -> None:
    data = read_capture(capture_path)
    checked = 0
    for offset, block in walk(data):
        layout = BLOCKS[int.from_bytes(block[:4], "little")]
        if layout.kind is not BlockKind.EVENT:
            continue
        value = parse(event_prefix("little", has_nparams=layout.has_nparams, has_flags=layout.has_flags), block)
        row = np.frombuffer(data, event_block_dtype(layout.has_nparams, layout.has_flags), count=1, offset=offset)[0]
        assert {name: row[name].item() for name in row.dtype.names} == dict(value)
        checked += 1
    assert checked > 0


def test_raw_bytes_and_records_within_records() -> None:
    number = integers("big")
    inner = Record("x" / number.u16, "y" / number.i64)
    dtype = dtype_of(Record("raw" / Bytes(4), "inner" / inner, inner, "z" / number.f64))
    assert dtype == np.dtype(
        [("raw", "u1", 4), ("inner", [("x", ">u2"), ("y", ">i8")]), ("x", ">u2"), ("y", ">i8"), ("z", ">f8")]
    )
    assert dtype.itemsize == 32


def test_prefixes_of_blocks_that_are_written_in_bulk() -> None:
    assert dtype_of(plugin_prefix("little")).itemsize == 48
    assert dtype_of(packet_prefix("little")).itemsize == 28


def test_a_field_of_variable_size_has_no_dtype() -> None:
    with pytest.raises(FormatsError, match="text: no fixed size"):
        dtype_of(Record("text" / LengthBytes(integers("little").u16)))
