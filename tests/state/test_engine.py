"""What the engine carries, what it must be told, and captures without enter events."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from scaptools.capture.reader import CaptureReader
from scaptools.fields.fd import FD_FIELDS
from scaptools.fields.proc import PROC_FIELDS
from scaptools.fields.registry import FieldRegistry
from scaptools.fields.user import USER_FIELDS
from scaptools.state.engine import StateEngine, state_of, track
from tests.state.scenarios import START, Ev, address4, capture_bytes, cstr, events_of, i64, reader_of, tuple4, u32

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

REGISTRY = FieldRegistry((*PROC_FIELDS, *FD_FIELDS, *USER_FIELDS))


def values(
    events: Sequence[Ev], name: str, *, needs: Collection[str] = ("fds",), window_bytes: int = 1 << 20
) -> list[Any]:
    """A field of all events."""
    found: list[Any] = []
    for batch in track(reader_of(events, window_bytes=window_bytes), needs):
        found.extend(REGISTRY.resolve(*name.rstrip("]").split("[")).column(batch, slice(None)).to_arrow().to_pylist())
    return found


def event(number: int, type_: int, tid: int, *params: bytes) -> Ev:
    return Ev(type_, tid, START + number, params)


def test_needs_decide_what_may_be_asked() -> None:
    (batch,) = track(reader_of([event(0, 70, 10, i64(0))]), needs=())
    state = state_of(batch)
    assert state.threads(slice(None)).tolist() == [0]
    for ask in (lambda: state.descriptors, lambda: state.calls, lambda: state.run_times, lambda: state.all_counters):
        with pytest.raises(LookupError, match="needs"):
            ask()


def test_thread_fields_are_the_same_whatever_else_is_tracked() -> None:
    operations = [
        ("execve", 0, 1, 2, 1),
        ("brk", 1, 0, 0, 0),
        ("execve", 0, 1, 2, 2),
        ("setuid", 1, 7, 1, 1),
        ("setuid", 1, 7, 1, 2),
    ]
    events = events_of(operations)
    for window_bytes in (200, 1 << 20):
        for name in ("proc.exepath", "proc.name", "user.uid"):
            few = values(events, name, needs=(), window_bytes=window_bytes)
            assert few == values(events, name, window_bytes=window_bytes)
    assert values(events, "user.uid", needs=(), window_bytes=200)[-1] == 7
    assert values(events, "proc.exepath", needs=(), window_bytes=200)[-3] == b"/data/up"


def test_a_second_section_starts_anew() -> None:
    first = capture_bytes([event(0, 2, 10), event(1, 3, 10, i64(3), cstr(b"/a"), u32(1), u32(0))])
    second = capture_bytes([event(2, 70, 10, i64(3))])
    names = []
    for batch in track(CaptureReader(io.BytesIO(first + second))):
        names.extend(REGISTRY.resolve("fd.name").column(batch, slice(None)).to_arrow().to_pylist())
    assert names == [None, b"/a", None]


def test_calls_of_captures_without_enter_events() -> None:
    events = [
        event(0, 307, 10, i64(5), i64(-100), cstr(b"/etc/passwd"), u32(1), u32(0), u32(0), bytes(8)),
        event(1, 7, 10, i64(1), b"x", i64(5), u32(1)),
        event(2, 363, 10, i64(7), i64(5), i64(7)),
        event(3, 5, 10, i64(0), i64(5)),
        event(4, 71, 10, i64(0), i64(5)),
        event(5, 71, 10, i64(0), i64(7)),
        event(6, 19, 10, i64(8), u32(2), u32(1), u32(0), u32(0)),
        event(7, 23, 10, i64(0), tuple4(1, 0), i64(8), address4(0)),
        event(8, 199, 10, i64(0), u32(33)),
        event(9, 97, 10, i64(0), i64(1)),
        event(10, 19, 10, i64(-13), u32(2), u32(1), u32(0), u32(0)),
        event(11, 451, 10, i64(0), u32(7), u32(9), u32(0)),
        event(12, 71, 10, i64(0), i64(7)),
    ]
    assert values(events, "fd.num") == [5, 5, 7, 5, 5, 7, 8, 8, None, 1, -1, None, 7]
    assert values(events, "fd.name")[:8] == [
        b"/etc/passwd",
        b"/etc/passwd",
        b"/etc/passwd",
        b"/etc/passwd",
        b"",
        b"/etc/passwd",
        b"",
        b"10.0.0.5:40000->127.0.0.1:80",
    ]
    assert values(events, "fd.name")[-1] == b""
    assert values(events, "user.uid")[8] == 33
    assert values(events, "proc.cwd")[9:11] == [b"/srv/data/", b"/srv/data/"]


def test_a_process_ends_for_the_events_after_its_last() -> None:
    events = [event(0, 186, 10, i64(0)), event(1, 71, 11, i64(0)), event(2, 152, 10, i64(0))]
    for window_bytes in (100, 1 << 20):
        assert values(events, "proc.name", window_bytes=window_bytes) == [b"listed", b"listed", None]


def test_the_engine_takes_in_batches_of_one_capture() -> None:
    engine = StateEngine({"fds"})
    batches = list(reader_of(events_of([("open", 0, 0, 1, 0), ("fstat", 0, 0, 0, 0)]), window_bytes=90).batches())
    states = [engine.advance(batch) for batch in batches]
    assert len(states) == len(batches) > 1
    assert [state.batch for state in states] == batches
