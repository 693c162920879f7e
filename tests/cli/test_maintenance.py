from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from scap_formats.blocks import BlockType
from scaptools.capture.reader import open_reader
from scaptools.testing import CaptureBuilder

SCAP = Path(sys.executable).with_name("scap")
READ = [(5).to_bytes(8, "little"), (9).to_bytes(4, "little")]


def scap(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCAP, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    builder = CaptureBuilder().block(BlockType.MI, bytes(180))
    for _ in range(10):
        builder.event(6, READ).event(7, [bytes(8), b"x"])
    return builder.write(tmp_path / "some.scap")


def events(path: Path) -> int:
    return sum(len(batch) for batch in open_reader(path).batches())


def test_convert_copies_every_byte(capture: Path, tmp_path: Path) -> None:
    packed, plain = tmp_path / "packed", tmp_path / "plain"
    assert scap("convert", capture, packed, "-z").returncode == 0
    assert gzip.decompress(packed.read_bytes()) == capture.read_bytes()
    done = scap("convert", packed, plain)
    assert plain.read_bytes() == capture.read_bytes()
    assert done.stderr == f"{capture.stat().st_size} bytes written to {plain}\n"


def test_convert_upgrades(capture: Path, tmp_path: Path) -> None:
    done = scap("convert", capture, tmp_path / "new", "--convert")
    assert done.stderr == f"10 events written to {tmp_path / 'new'}\n"
    (batch,) = open_reader(tmp_path / "new").batches()
    assert batch.types_present() == [7]


def test_repair_tells_what_is_lost(capture: Path, tmp_path: Path) -> None:
    data = capture.read_bytes()
    capture.write_bytes(data[:-100] + b"\xff" * 12 + data[-100:])
    done = scap("repair", capture, tmp_path / "fixed")
    assert done.returncode == 0
    assert "bytes lost" in done.stderr
    assert events(tmp_path / "fixed") >= 18
    assert "nothing was broken" in scap("repair", tmp_path / "fixed", tmp_path / "again").stderr


def test_split_by_count(capture: Path, tmp_path: Path) -> None:
    done = scap("split", capture, tmp_path / "part.scap", "--max-events", 8)
    assert done.returncode == 0
    assert [events(tmp_path / f"part-000{number}.scap") for number in (1, 2, 3)] == [8, 8, 4]
    assert "Say when a part ends" in scap("split", capture, tmp_path / "x").stderr
    assert "-W needs" in scap("split", capture, tmp_path / "x", "-W", 2).stderr


def test_index_lies_beside_the_capture(capture: Path) -> None:
    assert scap("index", capture).stderr == f"20 events in 1 chunks, written to {capture}.scapidx\n"
    assert Path(f"{capture}.scapidx").is_file()
    assert "no file" in scap("index", "-").stderr


def test_merge_tells_contradictions(tmp_path: Path) -> None:
    for name in ("one", "two"):
        body = {"num_cpus": 1, "memory_bytes": 0, "hostname": name.encode()}
        CaptureBuilder().block(BlockType.MI, body).event(6, READ).write(tmp_path / name)
    done = scap("merge", tmp_path / "one", tmp_path / "two", "-w", tmp_path / "both")
    assert done.returncode == 0
    assert "machine: one with 1 CPUs" in done.stderr
    assert events(tmp_path / "both") == 2
