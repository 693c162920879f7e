from __future__ import annotations

import gzip
import io
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.blocks import BlockType
from scaptools.capture.blocks import iterate_blocks
from scaptools.capture.copying import copy_bytes, write_newest
from scaptools.capture.reader import open_reader
from scaptools.capture.writer import CaptureWriter
from scaptools.testing import CaptureBuilder

CAPTURES = Path(__file__).parents[2].parent / "shared" / "data" / "captures"
NAMES = sorted(path.name for path in CAPTURES.glob("*.scap")) or ["(none)"]


def decompressed(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("window_bytes", [1 << 25, 5000])
def test_copies_are_identical(name: str, window_bytes: int, shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "captures" / name
    with open_reader(path, window_bytes=window_bytes) as reader, CaptureWriter(tmp_path / "out") as writer:
        copied = copy_bytes(reader, writer)
    assert (tmp_path / "out").read_bytes() == decompressed(path)
    assert copied == len(decompressed(path))


@given(st.binary(max_size=200), st.integers(28, 200), st.sampled_from([50, 1 << 20]))
def test_damaged_stretches_are_copied_too(junk: bytes, at: int, window_bytes: int) -> None:
    data = CaptureBuilder().event("read").block(0x999, b"what").event("open").event("close").to_bytes()
    data = data[:at] + junk + data[at:]
    target = io.BytesIO()
    with CaptureWriter(target) as writer:
        copy_bytes(open_reader(io.BytesIO(data), window_bytes=window_bytes), writer)
    assert target.getvalue() == data


#: sysdig 0.29.3 refuses options in a section header, which this one has.
READABLE = [name for name in NAMES if name != "curl_google_comments.scap"]


@pytest.mark.interop
@pytest.mark.parametrize("name", READABLE)
def test_converted_captures_are_read_by_sysdig(name: str, shared_data: Path, tmp_path: Path, sysdig: str) -> None:
    path = shared_data / "captures" / name
    with open_reader(path) as reader, CaptureWriter(tmp_path / "out") as writer:
        events, late = write_newest(reader, writer)
    assert late == 0
    again = open_reader(tmp_path / "out")
    assert sum(len(batch) for batch in again.batches()) == events
    assert not again.damage
    done = subprocess.run([sysdig, "-r", tmp_path / "out"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_converting_again_changes_nothing(shared_data: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for source, target in ((shared_data / "captures" / "cat_write.scap", first), (first, second)):
        with open_reader(source) as reader, CaptureWriter(target) as writer:
            write_newest(reader, writer)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(("window_bytes", "late"), [(1 << 20, 0), (60, 1)])
def test_sections_without_events_and_late_metadata(window_bytes: int, late: int) -> None:
    """Blocks behind events move in front of them, unless those were written long before."""
    builder = CaptureBuilder().section(minor=0).event("read", [bytes(8), b""], exit=True)
    builder.block(BlockType.MI, bytes(180))
    target = io.BytesIO()
    with CaptureWriter(target) as writer:
        found = write_newest(open_reader(io.BytesIO(builder.to_bytes()), window_bytes=window_bytes), writer)
    assert found == (1, late)
    again = open_reader(io.BytesIO(target.getvalue()))
    assert sum(len(batch) for batch in again.batches()) == 1
    assert [section.version for section in again.sections] == [(1, 2), (1, 0)]


def test_late_metadata_of_a_file_moves_in_front(tmp_path: Path) -> None:
    path = tmp_path / "c.scap"
    builder = CaptureBuilder()
    for _ in range(50):
        builder.event("read", [bytes(8), b""], exit=True)
    builder.block(BlockType.MI, bytes(180)).event("read", [bytes(8), b""], exit=True).write(path)
    target = io.BytesIO()
    with CaptureWriter(target) as writer, open_reader(path, window_bytes=200) as reader:
        assert write_newest(reader, writer) == (51, 0)
    kinds = [block["name"] for block in iterate_blocks(open_reader(io.BytesIO(target.getvalue())))]
    assert kinds == ["SHB", "MI", *["EV_V2"] * 51]
