from __future__ import annotations

import gzip
import io
import subprocess
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from scaptools.capture.encode import PLUGIN_EVENT, encode_plugin_events
from scaptools.capture.merge import merge_captures
from scaptools.capture.reader import open_reader
from scaptools.capture.writer import NEWEST_HEADER, CaptureWriter
from scaptools.errors import OutputError
from scaptools.testing import CaptureBuilder


def test_a_plugin_event_has_the_bytes_sysdig_writes() -> None:
    (written,) = [b"".join(encode_plugin_events(999, [b"hello"], np.array([1_600_000_000_000_000_000], np.uint64)))]
    assert written.hex(" ") == (
        "21 02 00 00 3c 00 00 00 00 00 00 00 a0 d8 85 57 34 16 ff ff ff ff ff ff ff ff 2b 00 00 00 42 01 02 00 00 00 "
        "04 00 00 00 05 00 00 00 e7 03 00 00 68 65 6c 6c 6f 00 00 00 3c 00 00 00"
    )


def test_a_section_starts_with_the_block_the_schema_builds() -> None:
    from scap_formats.blocks import BlockType
    from scap_formats.bodies import build_block

    assert build_block(BlockType.SHB, {"options": [], "rest": b""}) == NEWEST_HEADER


@given(st.lists(st.tuples(st.binary(max_size=50), st.integers(0, 2**64 - 1)), max_size=30))
def test_plugin_events_come_back(events: list[tuple[bytes, int]]) -> None:
    target = io.BytesIO()
    with CaptureWriter(target) as writer:
        writer.section_header()
        writer.write(
            encode_plugin_events(7, [payload for payload, _ in events], np.array([ts for _, ts in events], np.uint64))
        )
    batches = list(open_reader(io.BytesIO(target.getvalue())).batches())
    assert len(batches) == bool(events)
    for batch in batches:
        table = batch.parameters(PLUGIN_EVENT)
        assert batch.header("ts").tolist() == [ts for _, ts in events]
        assert set(table.column(0).numbers().values.tolist()) == {7}
        assert table.column(1).bytes().array.to_pylist() == [payload or None for payload, _ in events]


@pytest.mark.interop
def test_sysdig_reads_a_plugin_only_capture(tmp_path: Path, sysdig: str) -> None:
    path = tmp_path / "plugin.scap"
    with CaptureWriter(path) as writer:
        writer.section_header()
        writer.write(encode_plugin_events(2, [b"{}", b"[]", b""], np.array([1, 2, 3], np.uint64)))
    done = subprocess.run([sysdig, "-r", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("compression", "unpack"), [("gzip", gzip.decompress), ("zstd", lambda d: zstandard.decompress(d, 1 << 20))]
)
def test_compression(compression: str, unpack: object, tmp_path: Path) -> None:
    path = tmp_path / "out"
    data = CaptureBuilder().event("read").to_bytes()
    with CaptureWriter(path, compression=compression) as writer:  # type: ignore[arg-type]
        writer.write([data])
    assert unpack(path.read_bytes()) == data  # type: ignore[operator]
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_atomic_write_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.scap"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), CaptureWriter(path) as writer:
        writer.section_header()
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_growing_write_keeps_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "out.scap"
    with pytest.raises(RuntimeError), CaptureWriter(path, atomic=False) as writer:
        writer.section_header()
        raise RuntimeError
    assert path.read_bytes() == CaptureBuilder().to_bytes()


def test_an_unwritable_target(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written"):
        CaptureWriter(tmp_path / "missing" / "out.scap")


def test_a_full_disk_is_an_error() -> None:
    with pytest.raises(OutputError, match=r"No space left"), CaptureWriter("/dev/full", atomic=False) as writer:
        for _ in range(10):
            writer.write([bytes(100_000)])


@given(
    st.lists(st.lists(st.integers(0, 50), max_size=20), min_size=1, max_size=4),
)
def test_merge_is_a_stable_sort_by_time(times: list[list[int]]) -> None:
    readers = []
    for which, stamps in enumerate(times):
        builder = CaptureBuilder()
        for ts in stamps:
            builder.event("read", ts=ts, tid=which)
        readers.append(open_reader(io.BytesIO(builder.to_bytes()), window_bytes=200))
    target = io.BytesIO()
    with CaptureWriter(target) as writer:
        written = merge_captures(readers, writer)
    assert written == sum(map(len, times))
    merged = [
        (int(ts), int(tid))
        for batch in open_reader(io.BytesIO(target.getvalue())).batches()
        for ts, tid in zip(batch.header("ts"), batch.header("tid"), strict=True)
    ]
    keyed = []
    for which, stamps in enumerate(times):
        latest = 0
        for ts in stamps:
            latest = max(latest, ts)
            keyed.append((latest, which, ts))
    assert merged == [(ts, which) for _, which, ts in sorted(keyed, key=lambda entry: entry[:2])]


@given(st.lists(st.integers(0, 19), unique=True).map(sorted))
def test_raw_blocks_of_any_selection(rows: list[int]) -> None:
    builder = CaptureBuilder()
    blocks = []
    for number in range(20):
        before = len(builder.to_bytes())
        builder.event("chdir", [bytes(8), bytes(number) + b"\0"], exit=True)
        blocks.append(builder.to_bytes()[before:])
    (batch,) = open_reader(io.BytesIO(builder.to_bytes())).batches()
    assert batch.raw_blocks(np.array(rows, np.intp)) == b"".join(blocks[row] for row in rows)
