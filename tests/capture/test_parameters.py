from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.blocks import BlockType
from scap_formats.table import event_table
from scaptools.capture.batch import EventBatch
from scaptools.capture.reader import open_reader
from scaptools.testing import CaptureBuilder

OPEN_EXIT = 3
EVENT_BLOCKS = [BlockType.EV_V1, BlockType.EVF_V1, BlockType.EV_V2, BlockType.EVF_V2]


def only_batch(builder: CaptureBuilder) -> EventBatch:
    (batch,) = open_reader(io.BytesIO(builder.to_bytes())).batches()
    return batch


event_params = st.lists(st.binary(max_size=30), max_size=6)


@given(st.lists(st.tuples(event_params, st.sampled_from(EVENT_BLOCKS)), min_size=1, max_size=20))
def test_every_parameter_comes_back(events: list[tuple[list[bytes], BlockType]]) -> None:
    builder = CaptureBuilder()
    for params, block_type in events:
        builder.event(OPEN_EXIT, params, block_type=block_type)
    table = only_batch(builder).parameters(OPEN_EXIT)
    assert not table.malformed.any()
    assert table.counts.tolist() == [len(params) for params, _ in events]
    for index in range(table.stored):
        column = table.column(index)
        expected = [params[index] if index < len(params) else None for params, _ in events]
        assert column.present.tolist() == [value is not None for value in expected]
        assert column.bytes().array.to_pylist() == [value or None for value in expected]


@given(st.lists(st.binary(max_size=40).filter(lambda text: b"\0" not in text), min_size=1, max_size=40))
def test_strings_lose_their_terminator_only(texts: list[bytes]) -> None:
    builder = CaptureBuilder()
    for text in texts:
        builder.event("chdir", [bytes(8), text + b"\0"], exit=True)
    batch = only_batch(builder)
    (event_type,) = batch.types_present()
    assert batch.parameters(event_type).column(1).strings().array.to_pylist() == texts


def test_numbers_of_the_wrong_size_are_missing() -> None:
    builder = CaptureBuilder()
    for value in (b"", bytes(3), (-2).to_bytes(8, "little", signed=True)):
        builder.event("close", [value], exit=True)
    (event_type,) = (batch := only_batch(builder)).types_present()
    numbers = batch.parameters(event_type).column(0).numbers()
    assert numbers.validity().tolist() == [False, False, True]
    assert numbers.values[2] == -2


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_both_byte_orders(byteorder: str) -> None:
    builder = CaptureBuilder(byteorder).event("close", [(-9).to_bytes(8, byteorder, signed=True)], exit=True)  # type: ignore[arg-type]
    batch = only_batch(builder)
    (event_type,) = batch.types_present()
    assert batch.parameters(event_type).column(0).numbers().values.tolist() == [-9]


def test_lengths_beyond_the_event_mark_it_malformed() -> None:
    good = CaptureBuilder().event("close", [bytes(8)], exit=True).to_bytes()
    bad = bytearray(good)
    lengths_at = 28 + 36
    bad[lengths_at] = 200
    (batch,) = open_reader(io.BytesIO(good + bytes(bad[28:]))).batches()
    (event_type,) = batch.types_present()
    table = batch.parameters(event_type)
    assert table.column(0).present.tolist() == [True, False]
    assert table.malformed.tolist() == [False, True]


def test_overlong_notifications_of_old_blocks() -> None:
    name = next(event for event in event_table().events if event.id == 280)
    params = [b"id\0", b"text\0"][: len(name.params)]
    right = CaptureBuilder().event(280, params, block_type=BlockType.EV_V1).to_bytes()
    overlong = bytearray(right)
    overlong[28 + 26] += 3
    (batch,) = open_reader(io.BytesIO(bytes(overlong) + right[28:])).batches()
    table = batch.parameters(280)
    assert table.column(1).bytes().array.to_pylist() == [b"text\0", b"text\0"]
    assert not table.malformed.any()
