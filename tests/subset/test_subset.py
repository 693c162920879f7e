"""What is kept beside the wanted events, and what a sanitized capture no longer holds."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scap_formats.blocks import BlockType
from scaptools.api import open_capture
from scaptools.capture.reader import open_reader
from scaptools.capture.visibility import shown_rows
from scaptools.capture.writer import CaptureWriter
from scaptools.subset.subset import Subset, SubsetOptions
from scaptools.testing import CaptureBuilder

STATE = [
    "proc.name",
    "proc.pid",
    "proc.ppid",
    "proc.pname",
    "proc.cmdline",
    "proc.cwd",
    "proc.exe",
    "proc.exepath",
    "proc.apid[1]",
    "proc.aname[2]",
    "proc.vmsize",
    "proc.sid",
    "proc.nthreads",
    "fd.name",
    "fd.type",
    "fd.num",
    "fd.typechar",
    "fd.directory",
    "fd.filename",
    "fd.sip",
    "fd.cip",
    "fd.sport",
    "fd.cport",
    "fd.l4proto",
    "user.name",
    "user.uid",
    "user.loginuid",
    "group.name",
    "container.id",
    "thread.tid",
    "evt.type",
    "evt.dir",
    "evt.arg.res",
    "evt.arg.fd",
]
#: Filters by which subsets of real captures are made.
FILTERS = (
    "fd.name contains etc",
    "proc.name=curl and evt.type in (read,write,sendto)",
    "evt.num>500",
    "evt.dir=< and evt.type in (close,read,fstat)",
    "evt.type=execve",
    "evt.type in (connect, open, switch)",
)
CAPTURES = ("cat_write", "curl_google", "run_as_user_0_container", "open-multiple-files", "connect_localhost", "sample")


def subset(source: Path, wanted: str, target: Path, **options: bool) -> Subset:
    made = Subset(SubsetOptions(**options))
    with open_capture(str(source)) as capture:
        for batch, rows in capture.matches(wanted, internal=False):
            made.choose(batch, rows)
        with CaptureWriter(target) as writer:
            made.survey(capture.batches())
            made.write(capture.batches(), writer)
    return made


def table(path: Path, fields: Sequence[str], where: str | None = None) -> list[dict[str, Any]]:
    with open_capture(str(path)) as capture:
        bound = [capture.catalog.parse(name) for name in fields]
        rows = []
        for batch, matching in capture.matches(where, fields=bound, internal=False):
            columns = [field.column(batch, matching).to_arrow().to_pylist() for field in bound]
            rows += [dict(zip(fields, values, strict=True)) for values in zip(*columns, strict=True)]
    return rows


@pytest.mark.parametrize("name", CAPTURES)
def test_fields_of_real_captures_stay(shared_data: Path, tmp_path: Path, name: str) -> None:
    source, target = shared_data / "captures" / f"{name}.scap", tmp_path / "out.scap"
    matched = {wanted: table(source, STATE, wanted) for wanted in FILTERS}
    assert any(matched.values())
    for wanted, expected in matched.items():
        for sanitized in (False, True) if expected else ():
            made = subset(source, wanted, target, sanitized=sanitized)
            assert table(target, STATE) == expected
            assert made.chosen_count == len(expected)


@pytest.mark.interop
@pytest.mark.parametrize("sanitized", [False, True])
@pytest.mark.parametrize("name", CAPTURES)
def test_sysdig_shows_the_same_fields(
    sysdig: str, shared_data: Path, tmp_path: Path, name: str, sanitized: bool
) -> None:
    source, target = shared_data / "captures" / f"{name}.scap", tmp_path / "out.scap"
    wanted = "evt.type in (open, close, connect, read, write, execve) and evt.dir=<"
    form = "*" + " ".join(f"%{field}" for field in STATE if field not in {"user.loginuid", "proc.nthreads"})

    def shown(path: Path, *filter_: str) -> list[bytes]:
        words = [sysdig, "-r", path, "-p", form, *filter_]
        return subprocess.run(words, capture_output=True, check=True).stdout.splitlines()

    made = subset(source, wanted, target, sanitized=sanitized)
    expected = shown(source, "-d", wanted)
    assert len(expected) == made.chosen_count > 0
    assert shown(target) == expected


def test_minimal_is_nothing_but_the_events(shared_data: Path, tmp_path: Path) -> None:
    source, target = shared_data / "captures" / "curl_google.scap", tmp_path / "out.scap"
    subset(source, "fd.name contains etc", target, state=False)
    events = list(open_reader(target).batches())
    assert sum(map(len, events)) == 60
    assert sum(len(shown_rows(batch)) for batch in events) == 60


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def i64(value: int) -> bytes:
    return struct.pack("<q", value)


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def process(tid: int, name: str, ptid: int, uid: int) -> dict[str, Any]:
    return {
        "tid": tid,
        "pid": tid,
        "ptid": ptid,
        "comm": name.encode(),
        "exe": name.encode(),
        "cwd": b"/",
        "env": f"SECRET_{name}=1\0".encode(),
        "uid": uid,
        "gid": uid,
        "loginuid": uid,
    }


def file_entry(fd: int, name: str) -> dict[str, Any]:
    return {"fd": fd, "ino": fd, "type": 1, "name": name.encode()}


def user(uid: int, name: str) -> dict[str, Any]:
    return {"kind": 0, "uid": uid, "gid": uid, "name": name.encode(), "home": b"/", "shell": b"sh"}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """Two families of processes: shell (10) with worker (11), and stranger (20)."""
    builder = CaptureBuilder()
    processes = [process(10, "shell", 1, 1000), process(11, "worker", 10, 1001), process(20, "stranger", 1, 1002)]
    builder.block(BlockType.PL_V9, {"entries": processes, "padding": None, "rest": b""})
    for tid, names in ((10, {3: "/shell/in"}), (11, {4: "/used", 5: "/unused"}), (20, {4: "/strange"})):
        entries = [file_entry(fd, name) for fd, name in names.items()]
        builder.block(BlockType.FDL_V2, {"tid": tid, "entries": entries, "padding": None, "rest": b""})
    users = [user(1000, "ann"), user(1001, "bob"), user(1002, "eve")]
    builder.block(BlockType.UL_V2, {"entries": users, "padding": None, "rest": b""})
    for tid, fd, path in ((11, 6, "/opened"), (11, 7, "/idle"), (20, 6, "/elsewhere")):
        builder.event("open", tid=tid)
        builder.event("open", [i64(fd), text(path), u32(1), u32(0), u32(0)], exit=True, tid=tid)
    for tid, fd in ((11, 6), (11, 4), (20, 4), (20, 6)):
        builder.event("read", [i64(fd), u32(16)], tid=tid)
        builder.event("read", [i64(16), f"content {tid} {fd}...".encode()], exit=True, tid=tid)
    return builder.write(tmp_path / "host.scap")


WANTED = "proc.name=worker and evt.type=read and evt.dir=<"


def test_state_events_are_marked(host: Path, tmp_path: Path) -> None:
    made = subset(host, WANTED, tmp_path / "out.scap")
    batches = list(open_reader(tmp_path / "out.scap").batches())
    flags = np.concatenate([batch.dump_flags() for batch in batches])  # type: ignore[arg-type]
    # The worker's two opens, enter and exit, and the enter events of its two reads.
    assert (flags & 1).tolist() == [1, 1, 1, 1, 1, 0, 1, 0]
    assert (made.chosen_count, made.state_count) == (2, 6)
    assert [row["fd.name"] for row in table(tmp_path / "out.scap", ["fd.name"])] == [b"/opened", b"/used"]


def test_a_sanitized_capture_holds_nothing_else(host: Path, tmp_path: Path) -> None:
    made = subset(host, WANTED, tmp_path / "out.scap", sanitized=True)
    data = (tmp_path / "out.scap").read_bytes()
    for gone in (b"SECRET", b"stranger", b"/unused", b"/strange", b"/elsewhere", b"/idle", b"/shell/in", b"eve"):
        assert gone in host.read_bytes()
        assert gone not in data
    assert b"content" not in data
    for kept in (b"shell", b"worker", b"/used", b"/opened", b"ann", b"bob"):
        assert kept in data
    assert list(made.removed.lines()) == [
        "processes: 2 of 3 kept",
        "environments: 2 emptied",
        "descriptors: 1 of 4 kept",
        "users and groups: 2 of 3 kept",
        "parameters: 2 emptied",
    ]
    assert table(tmp_path / "out.scap", STATE) == table(host, STATE, WANTED)


def test_what_the_filter_reads_stays(host: Path, tmp_path: Path) -> None:
    subset(host, WANTED, tmp_path / "out.scap", sanitized=True, buffers=True, environments=True)
    data = (tmp_path / "out.scap").read_bytes()
    assert b"content 11 4" in data
    assert b"content 20" not in data
    assert b"SECRET_worker" in data
    assert b"SECRET_stranger" not in data


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("kind", [BlockType.EV_V1, BlockType.EV_V2, BlockType.EVF_V2])
def test_rewritten_blocks_are_sound(tmp_path: Path, kind: BlockType, order: Any) -> None:
    builder = CaptureBuilder(order)
    mark = "<" if order == "little" else ">"
    for size in range(9):
        content = bytes([65 + size]) * size
        builder.event("read", [struct.pack(f"{mark}q", size), content], exit=True, block_type=kind)
        builder.event("write", [struct.pack(f"{mark}q", size), content], exit=True, block_type=kind)
    source, target = builder.write(tmp_path / "in.scap"), tmp_path / "out.scap"
    made = Subset(SubsetOptions(sanitized=True))
    with open_reader(source) as reader, CaptureWriter(target) as writer:
        for batch in reader.batches():
            made.choose(batch, np.flatnonzero(batch.header("type") == 9))
        made.survey(reader.batches())
        made.write(reader.batches(), writer)
    reader = open_reader(target)
    (batch,) = reader.batches()
    assert not reader.damage
    assert len(batch) == made.chosen_count + made.state_count == 18
    for event_type in (7, 9):
        values = batch.parameters(event_type)
        assert values.column(1).lengths.tolist() == [0] * len(values.rows)
        assert values.column(0).numbers().values.tolist() == list(range(9))
    assert b"AAAA" not in target.read_bytes()


def scap(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("scap"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_the_command_reports(host: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.scap"
    done = scap("filter", WANTED, host, "-w", target, "--sanitize")
    lines = done.stderr.splitlines()
    assert lines[0] == f"2 events written to {target}, and 4 that keep the state they need"
    assert "descriptors: 1 of 4 kept" in lines
    assert scap("filter", f"{WANTED} and evt.buffer contains content", host, "-w", target, "--sanitize").returncode == 0
    assert b"content 11 4" in target.read_bytes()
    assert scap("dump", target, "-p", "%fd.name").stdout.split() == ["/opened", "/used"]


def test_the_command_reads_standard_input(host: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.scap"
    with host.open("rb") as stream:
        done = scap("filter", WANTED, "-", "-w", target, "-n", "1", stdin=stream)
    assert done.stderr == f"1 events written to {target}, and 5 that keep the state they need\n"


def test_plugin_events_need_no_other_events(tmp_path: Path) -> None:
    builder = CaptureBuilder()
    for number in range(6):
        builder.plugin_event(b"%d" % number)
    source, target = builder.write(tmp_path / "trail.scap"), tmp_path / "out.scap"
    made = subset(source, "evt.num in (2, 5)", target)
    assert (made.chosen_count, made.state_count) == (2, 0)
    assert [len(batch) for batch in open_reader(target).batches()] == [2]


def test_sanitizing_needs_a_target(host: Path) -> None:
    assert scap("filter", WANTED, host, "--sanitize").returncode == 2
