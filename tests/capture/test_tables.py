from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scap_formats.blocks import BlockKind, BlockType
from scaptools.capture.merge import merge_captures
from scaptools.capture.reader import CaptureReader, open_reader
from scaptools.capture.writer import CaptureWriter
from scaptools.errors import InputError
from scaptools.testing import CaptureBuilder

PADDED = {"padding": None, "rest": b""}


def process(tid: int, comm: bytes = b"sh") -> dict[str, Any]:
    return {"tid": tid, "pid": tid, "comm": comm, "exe": comm, "tail_size": 5, "extra": b""}


def user(uid: int, name: bytes) -> dict[str, Any]:
    return {"kind": 0, "uid": uid, "gid": uid, "name": name, "home": b"/", "shell": b"/bin/sh", "extra": b""}


def descriptor(fd: int, name: bytes) -> dict[str, Any]:
    return {"fd": fd, "ino": 1, "type": 7, "name": name, "extra": b""}


def host(
    name: str,
    *,
    hostname: bytes = b"host",
    processes: list[dict[str, Any]],
    users: list[dict[str, Any]],
    descriptors: dict[int, list[dict[str, Any]]],
    ts: int = 1,
) -> CaptureReader:
    builder = CaptureBuilder()
    builder.block(BlockType.MI, {"num_cpus": 2, "memory_bytes": 1, "hostname": hostname})
    builder.block(BlockType.UL_V2, {"entries": users, **PADDED})
    builder.block(BlockType.PL_V9, {"entries": processes, **PADDED})
    for tid, entries in descriptors.items():
        builder.block(BlockType.FDL_V2, {"tid": tid, "entries": entries, **PADDED})
    data = io.BytesIO(builder.event(6, [bytes(8), bytes(4)], ts=ts).to_bytes())
    data.name = name
    return open_reader(data)


def merged(readers: list[CaptureReader]) -> tuple[dict[BlockKind, list[Any]], list[str], bytes]:
    target, conflicts = io.BytesIO(), []  # type: ignore[var-annotated]
    with CaptureWriter(target) as writer:
        merge_captures(readers, writer, conflicts=conflicts)
    again = open_reader(io.BytesIO(target.getvalue()))
    list(again.batches())
    (section,) = again.sections
    found: dict[BlockKind, list[Any]] = {}
    for block in section.blocks:
        assert block.kind is not None
        found.setdefault(block.kind, []).append(block.parse())
    return found, conflicts, target.getvalue()


def two_hosts() -> list[CaptureReader]:
    return [
        host(
            "one",
            processes=[process(1), process(2), process(3, b"nginx")],
            users=[user(0, b"root"), user(5, b"ann")],
            descriptors={1: [descriptor(0, b"a")], 3: [descriptor(4, b"b")]},
        ),
        host(
            "two",
            hostname=b"other",
            processes=[process(1), process(3, b"bash"), process(9)],
            users=[user(0, b"root"), user(5, b"bob"), user(6, b"eve")],
            descriptors={
                1: [descriptor(0, b"z"), descriptor(1, b"c")],
                3: [descriptor(7, b"x")],
                9: [descriptor(0, b"d")],
            },
        ),
    ]


def test_tables_are_united_and_the_first_is_followed() -> None:
    found, _, _ = merged(two_hosts())
    threads = {entry.tid: entry.comm for block in found[BlockKind.PROCESSES] for entry in block.entries}
    assert threads == {1: b"sh", 2: b"sh", 3: b"nginx", 9: b"sh"}
    users = {entry.uid: entry.name for block in found[BlockKind.USERS] for entry in block.entries}
    assert users == {0: b"root", 5: b"ann", 6: b"eve"}
    (machine,) = found[BlockKind.MACHINE]
    assert machine.hostname == b"host"
    descriptors = {(b.tid, e.fd): e.name for b in found[BlockKind.DESCRIPTORS] for e in b.entries}
    assert descriptors == {(1, 0): b"a", (3, 4): b"b", (1, 1): b"c", (9, 0): b"d"}


def test_contradictions_are_told() -> None:
    _, conflicts, _ = merged(two_hosts())
    assert conflicts == [
        "machine: host with 2 CPUs in one, other with 2 CPUs in two",
        "user 5: ann in one, bob in two",
        "thread 3: 3 nginx nginx in one, 3 bash bash in two",
    ]


@pytest.mark.interop
def test_sysdig_reads_united_tables(tmp_path: Path, sysdig: str) -> None:
    _, _, data = merged(two_hosts())
    (tmp_path / "m.scap").write_bytes(data)
    done = subprocess.run([sysdig, "-r", tmp_path / "m.scap"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2


def test_a_capture_merged_with_itself_keeps_its_tables(shared_data: Path) -> None:
    path = shared_data / "captures" / "sample.scap"
    found, conflicts, _ = merged([open_reader(path), open_reader(path)])
    alone = open_reader(path)
    list(alone.batches())
    assert conflicts == []
    for kind, blocks in found.items():
        assert blocks == [block.parse() for block in alone.sections[0].of_kind(kind)]


def test_byte_orders_do_not_mix() -> None:
    readers = [open_reader(io.BytesIO(CaptureBuilder(order).event("read").to_bytes())) for order in ("little", "big")]
    with pytest.raises(InputError, match="byte order"):
        merge_captures(readers, CaptureWriter(io.BytesIO()))


def test_tables_of_all_sections_and_late_ones_count(tmp_path: Path) -> None:
    builder = CaptureBuilder()
    builder.block(BlockType.UL_V2, {"entries": [user(1, b"one")], **PADDED}).event(6, [bytes(8), bytes(4)], ts=1)
    builder.section()
    builder.block(BlockType.UL_V2, {"entries": [user(1, b"uno"), user(2, b"two")], **PADDED})
    for _ in range(40):
        builder.event(6, [bytes(8), bytes(4)], ts=2)
    builder.block(BlockType.PL_V9, {"entries": [process(7)], **PADDED})
    builder.event(6, [bytes(8), bytes(4)], ts=3)
    path = builder.write(tmp_path / "c.scap")
    found, conflicts, _ = merged([open_reader(path, window_bytes=300), open_reader(path, window_bytes=300)])
    users = [(entry.uid, entry.name) for block in found[BlockKind.USERS] for entry in block.entries]
    assert users == [(1, b"one"), (2, b"two")]
    assert [entry.tid for block in found[BlockKind.PROCESSES] for entry in block.entries] == [7]
    assert conflicts[0] == f"user 1: one in {path}, uno in {path}, section 2"
    # What can be read only once has told only its beginning when the first event is written.
    found, conflicts, _ = merged([open_reader(io.BytesIO(path.read_bytes()), window_bytes=300)])
    assert [entry.uid for block in found[BlockKind.USERS] for entry in block.entries] == [1]
    assert "has 2 sections, the tables of the first are used" in conflicts[-1]
