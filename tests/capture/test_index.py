from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scap_formats.blocks import BlockType
from scaptools.capture import compression
from scaptools.capture.index import CaptureIndex, EventSelection
from scaptools.capture.indexing import write_index
from scaptools.capture.reader import CaptureReader, open_reader
from scaptools.capture.sidecar import sidecar_path
from scaptools.capture.writer import CaptureWriter
from scaptools.testing import CaptureBuilder

CHUNK = 2000


def sample() -> CaptureBuilder:
    """Sections, metadata in the middle, unknown events; types and threads that come in stretches."""
    builder = CaptureBuilder()
    for number in range(400):
        builder.event(100 + number // 40, [bytes(8)], ts=1000 + number, tid=number // 50)
        if number == 150:
            builder.block(BlockType.MI, bytes(180))
        if number == 220:
            builder.event(9999, [b"x"])
        if number == 300:
            builder.section(minor=0)
    return builder


def indexed(path: Path, point_bytes: int = CHUNK) -> CaptureIndex:
    with open_reader(path, window_bytes=CHUNK) as reader:
        return write_index(reader, path, point_bytes=point_bytes)


def events_of(reader: CaptureReader, selection: EventSelection | None) -> list[tuple[int, int, int, int, int]]:
    return [
        (number, kind, ts, tid, batch.section.index)
        for batch in reader.batches(selection=selection)
        for number, kind, ts, tid in zip(
            batch.numbers().tolist(),
            batch.header("type").tolist(),
            batch.header("ts").tolist(),
            batch.header("tid").tolist(),
            strict=True,
        )
    ]


def members(data: bytes) -> bytes:
    return b"".join(gzip.compress(data[at : at + 3000]) for at in range(0, len(data), 3000))


selections = st.builds(
    EventSelection,
    types=st.none() | st.sets(st.sampled_from([100, 103, 109, 300, 9999]), max_size=2),
    tids=st.none() | st.sets(st.integers(0, 9), max_size=2),
    times=st.none() | st.tuples(st.integers(900, 1500), st.integers(900, 1500)),
)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, members], ids=["raw", "gzip", "members"])
def test_what_is_selected_is_never_left_out(pack: object, tmp_path: Path) -> None:
    path = tmp_path / "c.scap"
    path.write_bytes(pack(sample().to_bytes()))  # type: ignore[operator]
    indexed(path)
    full = open_reader(path)
    everything = events_of(full, None)

    @settings(max_examples=80, deadline=None)
    @given(selections, st.sampled_from([1 << 20, CHUNK]))
    def check(selection: EventSelection, window_bytes: int) -> None:
        reader = open_reader(path, window_bytes=window_bytes)
        found = events_of(reader, selection)
        assert set(found) <= set(everything)
        assert found == sorted(found)
        wanted = [
            event
            for event in everything
            if (selection.types is None or event[1] in selection.types)
            and (selection.tids is None or event[3] in selection.tids)
            and (selection.times is None or selection.times[0] <= event[2] <= selection.times[1])
        ]
        assert set(wanted) <= set(found)
        assert [section.version for section in reader.sections] == [section.version for section in full.sections]
        assert [len(section.blocks) for section in reader.sections] == [len(s.blocks) for s in full.sections]
        assert [section.first_ts for section in reader.sections] == [section.first_ts for section in full.sections]
        assert reader.unknown_events == full.unknown_events == 1
        assert reader.decompressed_bytes == full.decompressed_bytes

    check()


def test_most_is_left_out(tmp_path: Path) -> None:
    path = sample().write(tmp_path / "c.scap")
    index = indexed(path)
    assert len(index.chunks) > 8
    assert len(events_of(open_reader(path, window_bytes=CHUNK), EventSelection(types={103}))) < 250
    assert not index.needed(EventSelection(types=())).all()


def test_members_that_are_not_needed_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = CaptureBuilder()
    for number in range(3000):
        builder.event(100 + number // 300, [bytes(100)])
    path = tmp_path / "c.scap"
    data = builder.to_bytes()
    path.write_bytes(b"".join(gzip.compress(data[at : at + 20_000]) for at in range(0, len(data), 20_000)))
    index = indexed(path)
    assert len(index.seek_points) == -(-len(data) // 20_000) - 1
    decoded = 0
    original = compression.GzipDecoder.read

    def counting(self: compression.GzipDecoder, size: int) -> bytes:
        nonlocal decoded
        output = original(self, size)
        decoded += len(output)
        return output

    monkeypatch.setattr(compression.GzipDecoder, "read", counting)
    monkeypatch.setattr("scaptools.capture.source._SKIP_BYTES", 10_000)
    found = events_of(open_reader(path, window_bytes=CHUNK), EventSelection(types={109}))
    assert sum(kind == 109 for _, kind, *_ in found) == 300
    assert decoded < len(data) // 3


def test_written_gzip_has_members(tmp_path: Path) -> None:
    path = tmp_path / "c.scap.gz"
    block = CaptureBuilder().plugin_event(bytes(1 << 20)).to_bytes()[28:]
    with CaptureWriter(path, compression="gzip") as writer:
        writer.section_header()
        for _ in range(20):
            writer.write([block])
    assert len(indexed(path, 8 << 20).seek_points) == 2
    assert gzip.decompress(path.read_bytes()) == CaptureBuilder().to_bytes() + block * 20


def test_stale_foreign_and_broken_sidecars_are_ignored(tmp_path: Path) -> None:
    path = sample().write(tmp_path / "c.scap")
    indexed(path)
    sidecar = sidecar_path(path)
    good = sidecar.read_bytes()
    assert CaptureIndex.load(path) is not None
    data = path.read_bytes()
    changed = bytearray(data)
    changed[50] ^= 1
    path.write_bytes(bytes(changed))
    assert CaptureIndex.load(path) is None
    path.write_bytes(data + b"\0")
    assert CaptureIndex.load(path) is None
    path.write_bytes(data)
    for broken in (b"", b"SCAPIDX\n", good[:100], good[:-2000], good.replace(b'"format": 2', b'"format": 9')):
        sidecar.write_bytes(broken)
        assert CaptureIndex.load(path) is None
        assert len(events_of(open_reader(path), EventSelection(types={103}))) == 400


def test_a_damaged_capture_is_read_in_full(tmp_path: Path) -> None:
    data = sample().to_bytes()
    path = tmp_path / "c.scap"
    path.write_bytes(data[:3000] + b"\xff" * 50 + data[3000:])
    indexed(path)
    reader = open_reader(path, window_bytes=CHUNK)
    found = events_of(reader, EventSelection(types={103}))
    whole = open_reader(path, window_bytes=CHUNK)
    assert found == events_of(whole, None)
    assert reader.damage == whole.damage != []


def test_an_index_of_a_real_capture(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.scap"
    path.write_bytes((shared_data / "captures" / "run_as_user_0_container.scap").read_bytes())
    indexed(path)
    everything = events_of(open_reader(path), None)
    for kind in {event[1] for event in everything}:
        found = events_of(open_reader(path), EventSelection(types={kind}))
        assert [event for event in found if event[1] == kind] == [event for event in everything if event[1] == kind]
