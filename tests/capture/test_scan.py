from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.capture.scan import scan_blocks
from scaptools.testing import CaptureBuilder


def walk(data: bytes) -> list[tuple[int, int, int]]:
    """Every block by following lengths, one after the other: offset, length, type."""
    blocks, position = [], 0
    while position < len(data):
        kind, length = struct.unpack_from("<II", data, position)
        blocks.append((position, length, kind))
        position += length
    return blocks


def scanned(data: bytes, **options: object) -> list[tuple[int, int, int]]:
    scan = scan_blocks(np.frombuffer(data, np.uint8), byteorder="little", final=True, **options)  # type: ignore[arg-type]
    return list(zip(scan.offsets.tolist(), scan.lengths.tolist(), scan.types.tolist(), strict=True))


def block(kind: int, body: bytes) -> bytes:
    total = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + total + body + total


some_blocks = st.lists(
    st.tuples(
        st.sampled_from([0x201, 0x204, 0x216, 0x221, 0x222, 0x99, 0x0A0D0D0A, 0x8010ABCD]),
        st.one_of(st.binary(max_size=40), st.sampled_from([block(0x216, bytes(8)), block(0x204, b"")])),
    ).map(lambda pair: block(*pair)),
    max_size=30,
).map(b"".join)


@given(some_blocks)
def test_finds_what_a_walk_finds(data: bytes) -> None:
    assert scanned(data) == walk(data)


def test_blocks_inside_payloads_do_not_count() -> None:
    inner = CaptureBuilder().event("read").event("read").to_bytes()
    data = CaptureBuilder().plugin_event(inner).plugin_event(inner).event("close").to_bytes()
    assert scanned(data) == walk(data)


def test_incomplete_block_is_left_for_the_next_window() -> None:
    data = np.frombuffer(CaptureBuilder().event("read").event("read").to_bytes(), np.uint8)
    whole = scan_blocks(data, byteorder="little", final=True)
    part = scan_blocks(data[:-1], byteorder="little", final=False)
    assert len(part.offsets) == len(whole.offsets) - 1
    assert part.consumed == whole.offsets[-1]
    assert not part.damage


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_cut_tail_is_reported_with_its_offset(cut: int) -> None:
    data = CaptureBuilder().event("read").event("read").to_bytes()
    last = walk(data)[-1][0]
    scan = scan_blocks(np.frombuffer(data[:-cut], np.uint8), byteorder="little", final=True, base=1000)
    assert scan.offsets.tolist() == [offset for offset, _, _ in walk(data)[:-1]][: len(scan.offsets)]
    assert len(scan.offsets) == len(walk(data)) - 1
    (damage,) = scan.damage
    assert (damage.offset, damage.length, damage.truncated) == (1000 + last, len(data) - cut - last, True)


@pytest.mark.parametrize("shift", range(4))
def test_resumes_after_damage_at_any_alignment(shift: int) -> None:
    before = CaptureBuilder().event("read").to_bytes()
    after = CaptureBuilder().event("open").event("close").event("read").event("write").to_bytes()[28:]
    data = before + b"\xff" * (8 + shift) + after
    scan = scan_blocks(np.frombuffer(data, np.uint8), byteorder="little", final=True)
    assert len(scan.offsets) == 2 + 4
    (damage,) = scan.damage
    assert (damage.offset, damage.length) == (len(before), 8 + shift)


def test_wrong_trailer_of_an_event_is_no_loss() -> None:
    data = bytearray(CaptureBuilder().event("read").event("read").to_bytes())
    end = 28 + walk(bytes(data))[1][1]
    data[end - 4 : end] = b"\1\2\3\4"
    scan = scan_blocks(np.frombuffer(bytes(data), np.uint8), byteorder="little", final=True)
    assert len(scan.offsets) == 3
    assert [(damage.offset, damage.length) for damage in scan.damage] == [(28, 0)]


@settings(max_examples=300)
@given(some_blocks, st.binary(max_size=64), st.integers(0, 2000))
def test_never_fails_and_never_loses_count(data: bytes, junk: bytes, at: int) -> None:
    data = data[:at] + junk + data[at:]
    scan = scan_blocks(np.frombuffer(data, np.uint8), byteorder="little", final=True)
    assert scan.consumed == len(data)
    ends = scan.offsets + scan.lengths
    assert (ends[:-1] <= scan.offsets[1:]).all()
    lost = sum(damage.length for damage in scan.damage)
    assert int(scan.lengths.sum()) + lost == len(data)


def test_big_endian() -> None:
    data = CaptureBuilder("big").event("read").event("open").to_bytes()
    scan = scan_blocks(np.frombuffer(data, np.uint8), byteorder="big", final=True)
    assert len(scan.offsets) == 3
    assert not scan.damage


def test_many_faults_in_a_window() -> None:
    piece = CaptureBuilder()
    for _ in range(200):
        piece.event("read")
    data = b"".join(piece.to_bytes()[28:] + b"\xee" * 5 for _ in range(300))
    scan = scan_blocks(np.frombuffer(data, np.uint8), byteorder="little", final=True)
    assert len(scan.offsets) == 200 * 300
    assert len(scan.damage) == 300


@pytest.mark.parametrize("wrong", [16, 44, 5000, 1 << 30, 0, 3])
def test_a_wrong_leading_length_costs_nothing(wrong: int) -> None:
    data = bytearray(
        CaptureBuilder().event("read").event("open").event("close").event("write").event("read").to_bytes()
    )
    whole = walk(bytes(data))
    data[28 + 4 : 28 + 8] = struct.pack("<I", wrong)
    scan = scan_blocks(np.frombuffer(bytes(data), np.uint8), byteorder="little", final=True)
    assert list(zip(scan.offsets.tolist(), scan.lengths.tolist(), scan.types.tolist(), strict=True)) == whole
    assert [(damage.offset, damage.length, damage.reason) for damage in scan.damage] == [
        (28, 0, "the block's leading length is wrong")
    ]


def test_a_huge_length_does_not_make_windows_grow() -> None:
    from scaptools.capture.reader import open_reader

    builder = CaptureBuilder()
    for _ in range(80_000):
        builder.event("read")
    data = bytearray(builder.to_bytes())
    at = 28 + 40 * 20_000
    data[at + 4 : at + 8] = struct.pack("<I", 1 << 31)
    reader = open_reader(io.BytesIO(bytes(data)), window_bytes=1 << 18)
    sizes, events = [], 0
    for batch in reader.batches():
        sizes.append(len(batch.data))
        events += len(batch)
    assert events == 80_000
    assert max(sizes) < 1 << 22
    assert [damage.offset for damage in reader.damage] == [at]
