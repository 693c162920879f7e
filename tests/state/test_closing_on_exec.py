"""Which descriptors a program keeps when it is run, in captures whose execve events are newer than sysdig 0.29.3."""

from __future__ import annotations

from tests.state.scenarios import START, Ev, cstr, i64, u32, u64
from tests.state.test_engine import values

CLOEXEC = 0x1000


def at(number: int, type_: int, *params: bytes, tid: int = 10) -> Ev:
    return Ev(type_, tid, START + number, params)


def opened(number: int, fd: int, flags: int) -> Ev:
    return at(number, 307, i64(fd), i64(-100), cstr(b"/etc/f%d" % fd), u32(1 | flags), u32(0), u32(0), u64(7))


def executed(number: int, *, newer: bool = True, tid: int = 10) -> Ev:
    ids = (i64(tid), i64(tid), i64(1))
    counters = (cstr(b"/"), u64(64), u64(0), u64(0), u32(1), u32(1), u32(0))
    more = (cstr(b"prog"), b"cpu=/\0", cstr(b"K=V"), u32(0), i64(0), u32(0), u32(0))
    last = (u64(0), u64(0), u64(0)) if newer else ()
    return at(number, 293, i64(0), cstr(b"prog"), b"", *ids, *counters, *more, *last, tid=tid)


def looked(number: int, fd: int, tid: int = 10) -> Ev:
    return at(number, 71, i64(0), i64(fd), tid=tid)


EVENTS = [
    opened(0, 3, CLOEXEC),
    opened(1, 4, 0),
    at(2, 363, i64(5), i64(3), i64(5)),
    at(3, 365, i64(6), i64(4), i64(6), u32(CLOEXEC)),
    at(4, 393, i64(0), i64(7), i64(8), u64(1), u32(CLOEXEC)),
    at(5, 393, i64(0), i64(20), i64(21), u64(1), u32(0)),
]
LOOKED = [looked(20 + fd, fd) for fd in (3, 4, 5, 6, 7, 8, 20, 21)]


def test_marked_descriptors_are_closed() -> None:
    seen = values([*EVENTS, executed(10), *LOOKED], "fd.type")
    assert seen[-8:] == [None, b"file", b"file", None, None, None, b"pipe", b"pipe"]
    counts = values([*EVENTS, executed(10), *LOOKED], "proc.fdopencount")
    assert counts[len(EVENTS) - 1 : len(EVENTS) + 1] == [10, 6]


def test_older_captures_keep_them_as_sysdig_does() -> None:
    assert None not in values([*EVENTS, executed(10, newer=False), *LOOKED], "fd.type")[-8:]


def test_what_a_child_closes_its_parent_keeps() -> None:
    child = [
        at(11, 223, i64(12), *clone_params(12)),
        executed(12, tid=12),
        looked(13, 3, tid=12),
        looked(14, 4, tid=12),
        looked(15, 3),
    ]
    for window_bytes in (600, 1 << 20):
        assert values([*EVENTS, *child], "fd.type", window_bytes=window_bytes)[-3:] == [None, b"file", b"file"]


def clone_params(tid: int) -> tuple[bytes, ...]:
    names = (cstr(b"sh"), b"", i64(10), i64(10), i64(1), cstr(b"/"), i64(64))
    counters = (u64(0), u64(1), u32(1), u32(1), u32(0))
    return (*names, *counters, cstr(b"sh"), b"", u32(0), u32(0), u32(0), i64(10), i64(10))
