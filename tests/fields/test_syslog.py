"""The syslog.* fields, alone and against sysdig."""

from __future__ import annotations

import io
import subprocess
from typing import TYPE_CHECKING

import pytest

from scaptools.api import Capture
from tests.state.scenarios import START, Ev, capture_bytes, cstr, i64, u32

if TYPE_CHECKING:
    from pathlib import Path

LOG = b"\x01" + bytes(16) + cstr(b"/dev/log")
WRITTEN = (b"<34>su: failed", b"<191>x", b"<13", b"none", b"<13>", b"<999>far", b"<>empty number")
NAMES = ("facility.str", "facility", "severity.str", "severity", "message")


def capture(*, fd: int = 4) -> bytes:
    events = [
        Ev(18, 10, START, (u32(1), u32(2), u32(0))),
        Ev(19, 10, START + 1, (i64(4),)),
        Ev(22, 10, START + 2, (i64(4),)),
        Ev(23, 10, START + 3, (i64(0), LOG)),
    ]
    for number, data in enumerate(WRITTEN):
        events.append(Ev(8, 10, START + 10 * number + 10, (i64(fd), u32(len(data)))))
        events.append(Ev(9, 10, START + 10 * number + 11, (i64(len(data)), data)))
    events.append(Ev(8, 10, START + 990, (i64(fd), u32(9))))
    events.append(Ev(9, 10, START + 991, (i64(-11), b"<34>failed")))
    return capture_bytes(events)


def values(data: bytes) -> list[tuple[object, ...]]:
    table = Capture(io.BytesIO(data)).select([f"syslog.{name}" for name in NAMES])
    return [tuple(row.values()) for row in table.to_pylist()]


def test_messages_have_a_priority_and_a_text() -> None:
    found = [row for row in values(capture()) if row[-1] is not None]
    assert found == [
        ("auth", 4, "crit", 2, "su: failed"),
        ("local7", 23, "debug", 7, "x"),
        ("user", 1, "notice", 5, ""),
        ("<NA>", 124, "debug", 7, "far"),
    ]


def test_other_descriptors_hold_no_messages() -> None:
    assert {row[-1] for row in values(capture(fd=5))} == {None}


@pytest.mark.interop
def test_sysdig_reads_the_same_messages(sysdig: str, tmp_path: Path) -> None:
    path = tmp_path / "log.scap"
    path.write_bytes(capture())
    form = "|".join(f"%syslog.{name}" for name in NAMES)
    out = subprocess.run(
        [sysdig, "-r", str(path), "-p", f"*{form};"], capture_output=True, text=True, check=True
    ).stdout
    theirs = [tuple(line.removeprefix("\n").split("|")) for line in out.split(";\n") if line]
    ours = [tuple("<NA>" if value is None else str(value) for value in row) for row in values(path.read_bytes())]
    assert theirs == ours
