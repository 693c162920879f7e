from __future__ import annotations

import gzip
import io
import os
import random
import subprocess
from pathlib import Path

import pytest

from scap_formats.blocks import BlockKind, BlockType
from scap_formats.table import event_table
from scaptools.capture.reader import open_reader
from scaptools.capture.repair import RepairReport, repair_capture
from scaptools.capture.writer import CaptureWriter
from scaptools.errors import NotACaptureError
from scaptools.testing import CaptureBuilder

CAPTURES = Path(__file__).parents[2].parent / "shared" / "data" / "captures"
NAMES = sorted(path.name for path in CAPTURES.glob("*.scap")) or ["(none)"]
#: How many damaged captures are tried; the nightly run raises it.
ROUNDS = int(os.environ.get("SCAP_DAMAGE_ROUNDS", "25"))


def repaired(data: bytes, tmp_path: Path, **options: int) -> tuple[bytes, RepairReport]:
    broken, target = tmp_path / "broken", tmp_path / "fixed"
    broken.write_bytes(data)
    with open_reader(broken, headless=True, **options) as reader, CaptureWriter(target) as writer:
        report = repair_capture(reader, writer)
    return target.read_bytes(), report


def whole(name: str) -> bytes:
    data = (CAPTURES / name).read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def damaged(data: bytes, chance: random.Random) -> bytes:
    broken = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(broken))
        change = chance.choice(["flip", "insert", "delete", "scribble"])
        if change == "flip":
            broken[at] ^= 1 << chance.randrange(8)
        elif change == "insert":
            broken[at:at] = chance.randbytes(chance.randint(1, 50))
        elif change == "delete":
            del broken[at : at + chance.randint(1, 300)]
        else:
            broken[at : at + 8] = chance.randbytes(8)
    return bytes(broken)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "curl_google_comments.scap"])
def test_nothing_happens_to_whole_captures(name: str, shared_data: Path, tmp_path: Path) -> None:
    data, report = repaired(whole(name), tmp_path)
    assert data == whole(name)
    assert not report.changed


@pytest.mark.interop
def test_repaired_captures_are_read_by_sysdig(shared_data: Path, tmp_path: Path, sysdig: str) -> None:
    chance = random.Random(3)
    captures = {name: whole(name) for name in NAMES}
    for _ in range(ROUNDS):
        name = chance.choice(NAMES)
        data, report = repaired(damaged(captures[name], chance), tmp_path)
        reader = open_reader(io.BytesIO(data))
        assert sum(len(batch) for batch in reader.batches(unknown=True)) == report.events
        assert not reader.damage
        done = subprocess.run([sysdig, "-r", tmp_path / "fixed"], capture_output=True, timeout=20)
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.interop
def test_an_interface_list_sysdig_wrote_too_short(shared_data: Path, tmp_path: Path, sysdig: str) -> None:
    """Sysdig itself cannot read what it makes of a capture with an interface list of version 1."""
    broken = tmp_path / "written-by-sysdig.scap"
    subprocess.run([sysdig, "-r", shared_data / "captures" / "curl_google.scap", "-w", broken], check=True)
    assert subprocess.run([sysdig, "-r", broken], capture_output=True).returncode == 1
    data, report = repaired(broken.read_bytes(), tmp_path)
    assert any("interface list" in remark for remark in report.remarks)
    assert report.lost_bytes == 0
    done = subprocess.run([sysdig, "-r", tmp_path / "fixed"], capture_output=True)
    assert done.returncode == 0
    reader = open_reader(io.BytesIO(data))
    events = sum(len(batch) for batch in reader.batches())
    assert events == report.events > 0
    (block,) = reader.sections[0].of_kind(BlockKind.INTERFACES)
    assert len(block.parse().entries) > 1


def test_a_lost_beginning(tmp_path: Path) -> None:
    data = CaptureBuilder().block(BlockType.MI, bytes(180)).event("read").event("open").event("close").to_bytes()
    with pytest.raises(NotACaptureError, match="scap repair"):
        open_reader(io.BytesIO(data[40:]))
    fixed, report = repaired(data[40:], tmp_path)
    assert fixed == CaptureBuilder().to_bytes() + data[28 + 192 :]
    assert report.lost_bytes == 192 - 12
    assert report.events == 3


def test_nothing_intact_is_no_capture(tmp_path: Path) -> None:
    with pytest.raises(NotACaptureError):
        repaired(bytes(range(256)) * 20, tmp_path)


def test_metadata_goes_in_front_of_events(tmp_path: Path) -> None:
    machine = CaptureBuilder().block(BlockType.MI, bytes(180)).to_bytes()[28:]
    events = CaptureBuilder().event("read").event("open").to_bytes()[28:]
    header = CaptureBuilder().to_bytes()
    for window_bytes in (1 << 20, 60):
        fixed, report = repaired(header + events + machine, tmp_path, window_bytes=window_bytes)
        assert fixed == header + machine + events
        assert not report.lost_bytes


def test_a_broken_entry_does_not_cost_the_others(tmp_path: Path) -> None:
    users = [
        {"kind": 0, "uid": n, "gid": n, "name": b"u%d" % n, "home": b"", "shell": b"", "extra": b""} for n in (1, 2, 3)
    ]
    body = {"entries": users, "padding": None, "rest": b""}
    data = bytearray(CaptureBuilder().block(BlockType.UL_V2, body).event("read").to_bytes())
    data[data.index(b"u2") - 2] = 99
    fixed, report = repaired(bytes(data), tmp_path)
    reader = open_reader(io.BytesIO(fixed))
    list(reader.batches())
    (block,) = reader.sections[0].of_kind(BlockKind.USERS)
    assert [entry.name for entry in block.parse().entries] == [b"u1", b"u3"]
    assert report.lost_bytes > 0


def test_events_that_contradict_themselves_are_left_out(tmp_path: Path) -> None:
    close_exit = next(event.id for event in event_table().by_name("close") if event.direction)
    good = CaptureBuilder().event(close_exit, [bytes(8)])
    data = bytearray(good.event(close_exit, [bytes(8)]).event(close_exit, [bytes(8)]).to_bytes())
    size = (len(data) - 28) // 3
    data[28 + size + 36] = 200
    fixed, report = repaired(bytes(data), tmp_path)
    assert (report.events, report.dropped_events, report.lost_bytes) == (2, 1, size)
    assert fixed == bytes(data[: 28 + size] + data[28 + 2 * size :])


def test_wrong_trailers_are_set_right(tmp_path: Path) -> None:
    builder = CaptureBuilder().event("read").event("open").event("close")
    data = bytearray(builder.to_bytes())
    data[28 + 36 : 28 + 40] = b"\xff\xff\xff\xff"
    fixed, report = repaired(bytes(data), tmp_path)
    assert fixed == builder.to_bytes()
    assert (report.lost_bytes, report.events) == (0, 3)


def test_lost_events_are_estimated(tmp_path: Path) -> None:
    builder = CaptureBuilder()
    for _ in range(100):
        builder.event("read")
    data = builder.to_bytes()
    _, report = repaired(data[: 28 + 40 * 20] + bytes(40 * 10) + data[28 + 40 * 30 :], tmp_path)
    assert (report.events, report.missing_events, report.lost_bytes) == (90, 10, 400)
