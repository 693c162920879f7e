"""Random captures: short lists of numbers turned into the events of a few threads that share a few descriptors."""

from __future__ import annotations

import io
import random
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from scap_formats.blocks import BlockType
from scap_formats.bodies import build_block
from scap_formats.descriptors import DescriptorType
from scaptools.capture.reader import CaptureReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

START = 1_600_000_000_000_000_000
TIDS = (10, 11, 12, 13, 14, 15)
#: Those that are processes; all others are only ever their threads, as kernels see to it.
PROCESSES = TIDS[:4]
THREADS = TIDS[4:]
LISTED = TIDS[:2]
FDS = (0, 1, 2, 3, 4, 5)
PATHS = (b"/etc/passwd", b"rel", b"../up", b"/a/./b//c/", b"/dev/log", b"d/..", b"/", b"x./y", b"/srv", b"")
ADDRESSES = ((b"\x7f\0\0\1", 80), (b"\x0a\0\0\5", 40000), (b"\x0a\0\0\6", 53), (b"\0\0\0\0", 0))
THREAD, FILES = 0x2000, 0x1


@dataclass(frozen=True)
class Ev:
    """One event: its type, thread, time and the bytes of its parameters."""

    type: int
    tid: int
    ts: int
    params: tuple[bytes, ...]


def i64(value: int) -> bytes:
    return struct.pack("<q", value)


def u32(value: int) -> bytes:
    return struct.pack("<I", value & 0xFFFFFFFF)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def cstr(value: bytes) -> bytes:
    return value + b"\0"


def tuple4(a: int, b: int) -> bytes:
    """A socket tuple from one address to another, empty where ``a`` says so."""
    if a % 5 == 4:
        return b""
    (source, sport), (target, dport) = ADDRESSES[a % 4], ADDRESSES[b % 4]
    return b"\x02" + source + struct.pack("<H", sport) + target + struct.pack("<H", dport)


def address4(a: int) -> bytes:
    address, port = ADDRESSES[a % 4]
    return b"\x02" + address + struct.pack("<H", port)


def _path(a: int) -> bytes:
    return cstr(PATHS[a % len(PATHS)])


def _fd(a: int) -> int:
    return FDS[a % len(FDS)]


def _result(a: int, success: int) -> int:
    return -2 if a % 7 == 6 else success


def _ids(tid: int, a: int, b: int, *, thread: bool) -> tuple[bytes, ...]:
    """The parameters of a clone exit behind the result."""
    other = PROCESSES[b % len(PROCESSES)]
    pid = PROCESSES[b % len(PROCESSES)] if thread else tid
    flags = THREAD | (FILES if a % 2 else 0) if thread else 0
    numbers = (tid, pid, other)
    return (
        cstr(b"exe%d" % (a % 3)),
        cstr(b"arg"),
        *map(i64, numbers),
        cstr(b"/home"),
        i64(1024),
        u64(a),
        u64(b),
        u32(100 + a),
        u32(50 + b),
        u32(0),
        cstr(b"comm%d" % (b % 4)),
        b"cpu=/\0",
        u32(flags),
        u32(a),
        u32(b),
        i64(tid),
        i64(pid),
    )


def _clone(tid: int, a: int, b: int, *, child: bool, thread: bool) -> tuple[bytes, ...]:
    """A clone exit of the caller or of the child; threads never have the id of a process that has threads."""
    ids = THREADS if thread else PROCESSES
    others = [each for each in ids if each != tid]
    result = 0 if child else others[(a + 1 + b) % len(others)]
    return (i64(result), *_ids(tid, a, b, thread=thread))


def _execve(a: int, b: int, tid: int) -> tuple[bytes, ...]:
    return (
        i64(_result(a, 0)),
        cstr(b"prog%d" % (a % 3)),
        cstr(b"x") + cstr(b"y"),
        i64(tid),
        i64(tid),
        i64(PROCESSES[b % len(PROCESSES)]),
        cstr(b"/ignored"),
        u64(512),
        u64(a),
        u64(b),
        u32(200 + a),
        u32(80),
        u32(1),
        cstr(b"prog%d" % (a % 3)),
        b"cpu=/\0",
        cstr(b"K=V"),
        u32(7),
        i64(b),
        u32(a),
        u32(1),
    )


#: By call: the enter type with its parameters, the exit type with its parameters; either may be missing.
CALLS: dict[
    str, tuple[Callable[..., tuple[int, tuple[bytes, ...]] | None], Callable[..., tuple[int, tuple[bytes, ...]]]]
] = {
    "open": (
        lambda a, b, tid: (2, (_path(a), u32(1), u32(0))) if b % 2 else (2, ()),
        lambda a, b, tid: (3, (i64(_result(b, _fd(a))), _path(a), u32(0x400 if b % 3 == 0 else 1), u32(0))),
    ),
    "openat": (
        lambda a, b, tid: (306, (i64(_fd(b) if a % 2 else -100), _path(a), u32(1), u32(0))),
        lambda a, b, tid: (
            307,
            (i64(_result(b, _fd(a))), i64(_fd(b) if a % 2 else -100), _path(a), u32(1), u32(0), u32(5)),
        ),
    ),
    "close": (lambda a, b, tid: (4, (i64(_fd(a)),)), lambda a, b, tid: (5, (i64(_result(b, 0)),))),
    "read": (lambda a, b, tid: (6, (i64(_fd(a)), u32(9))), lambda a, b, tid: (7, (i64(_result(b, 1)), b"z"))),
    "write": (lambda a, b, tid: (8, (i64(_fd(a)), u32(9))), lambda a, b, tid: (9, (i64(_result(b, 1)), b"z"))),
    "fstat": (lambda a, b, tid: (70, (i64(_fd(a)),)), lambda a, b, tid: (71, (i64(0),))),
    "dup": (lambda a, b, tid: (124, (i64(_fd(a)),)), lambda a, b, tid: (125, (i64(_result(b, _fd(b))),))),
    "fcntl": (
        lambda a, b, tid: (150, (i64(_fd(a)), bytes([1 if b % 2 else 3]))),
        lambda a, b, tid: (151, (i64(_result(a, _fd(b))),)),
    ),
    "pipe": (
        lambda a, b, tid: (60, ()),
        lambda a, b, tid: (61, (i64(_result(b, 0)), i64(_fd(a)), i64(_fd(b)), u64(9))),
    ),
    "socketpair": (
        lambda a, b, tid: (42, (u32(1), u32(1), u32(0))),
        lambda a, b, tid: (43, (i64(_result(b, 0)), i64(_fd(a)), i64(_fd(b)), u64(1), u64(2))),
    ),
    "eventfd": (lambda a, b, tid: (62, (u64(0), u32(0))), lambda a, b, tid: (63, (i64(_result(b, _fd(a))),))),
    "socket": (
        lambda a, b, tid: (18, (u32((1, 2, 10, 16)[b % 4]), u32(1 + a % 3), u32(0))),
        lambda a, b, tid: (19, (i64(_result(b, _fd(a))),)),
    ),
    "bind": (
        lambda a, b, tid: (20, (i64(_fd(a)),)),
        lambda a, b, tid: (21, (i64(_result(a, 0)), address4(b))),
    ),
    "connect": (
        lambda a, b, tid: (22, (i64(_fd(a)),)),
        lambda a, b, tid: (23, (i64(-115 if b % 5 == 3 else _result(b, 0)), tuple4(a, b))),
    ),
    "accept": (
        lambda a, b, tid: (246, ()),
        lambda a, b, tid: (247, (i64(_result(b, _fd(a))), tuple4(b, a), b"\0", u32(0), u32(0))),
    ),
    "sendto": (
        lambda a, b, tid: (30, (i64(_fd(a)), u32(4), tuple4(b, b + 1))),
        lambda a, b, tid: (31, (i64(_result(a, 4)), b"data")),
    ),
    "recvfrom": (
        lambda a, b, tid: (34, (i64(_fd(a)), u32(4))),
        lambda a, b, tid: (35, (i64(_result(a, 4)), b"data", tuple4(b, b + 1))),
    ),
    "getsockopt": (
        lambda a, b, tid: (46, ()),
        lambda a, b, tid: (47, (i64(0), i64(_fd(a)), b"\0", b"\0", b"\0", u32(0))),
    ),
    "chdir": (lambda a, b, tid: (94, ()), lambda a, b, tid: (95, (i64(_result(b, 0)), _path(a)))),
    "fchdir": (lambda a, b, tid: (96, (i64(_fd(a)),)), lambda a, b, tid: (97, (i64(_result(b, 0)),))),
    "setuid": (lambda a, b, tid: (198, (u32(a),)), lambda a, b, tid: (199, (i64(_result(b, 0)),))),
    "setresgid": (
        lambda a, b, tid: (194, (u32(a), u32(b if a % 3 else -1), u32(0))),
        lambda a, b, tid: (195, (i64(_result(b, 0)),)),
    ),
    "setsid": (lambda a, b, tid: (274, ()), lambda a, b, tid: (275, (i64(_result(b, tid)),))),
    "prlimit": (
        lambda a, b, tid: (144, (i64(TIDS[b % len(TIDS)] if a % 2 else 0), bytes([7 if b % 3 else 2]))),
        lambda a, b, tid: (145, (i64(_result(a, 0)), i64(64 + a), i64(0), i64(0), i64(0))),
    ),
    "brk": (lambda a, b, tid: (158, (u64(a),)), lambda a, b, tid: (159, (u64(a), u32(a), u32(b), u32(1)))),
    "clone": (lambda a, b, tid: (222, ()), lambda a, b, tid: (223, _clone(tid, a, b, child=False, thread=False))),
    "cloned": (lambda a, b, tid: (222, ()), lambda a, b, tid: (223, _clone(tid, a, b, child=True, thread=False))),
    "thread": (lambda a, b, tid: (222, ()), lambda a, b, tid: (223, _clone(tid, a, b, child=False, thread=True))),
    "threaded": (lambda a, b, tid: (222, ()), lambda a, b, tid: (223, _clone(tid, a, b, child=True, thread=True))),
    "execve": (lambda a, b, tid: (292, (_path(b),)), lambda a, b, tid: (293, _execve(a, b, tid))),
    "switch": (
        lambda a, b, tid: None,
        lambda a, b, tid: (152, (i64(TIDS[a % len(TIDS)]), u64(a), u64(b), u32(a + b), u32(b), u32(3))),
    ),
    "procexit": (lambda a, b, tid: None, lambda a, b, tid: (186, (i64(0), i64(0), b"\0", b"\0"))),
    "signal": (lambda a, b, tid: None, lambda a, b, tid: (232, (i64(1), i64(2), b"\x09"))),
    "futex": (lambda a, b, tid: (64, (u64(0), b"\0\0", u64(0))), lambda a, b, tid: (65, (i64(0),))),
}
#: Whether an operation stands for both events of a call, only the enter event or only the exit event.
BOTH, ENTER, EXIT = range(3)
Operation = tuple[str, int, int, int, int]


def operations(*, min_size: int = 0, max_size: int = 60) -> st.SearchStrategy[list[Operation]]:
    """Lists of (call, thread, number, number, which events)."""
    small = st.integers(0, 11)
    events = st.sampled_from((BOTH, BOTH, BOTH, ENTER, EXIT))
    operation = st.tuples(st.sampled_from(sorted(CALLS)), st.integers(0, len(TIDS) - 1), small, small, events)
    return st.lists(operation, min_size=min_size, max_size=max_size)


def random_operations(seed: int, count: int) -> list[Operation]:
    """A long scenario, the same for the same seed."""
    dice = random.Random(seed)
    return [
        (
            dice.choice(sorted(CALLS)),
            dice.randrange(len(TIDS)),
            dice.randrange(12),
            dice.randrange(12),
            dice.choice((0, 0, 0, 1, 2)),
        )
        for _ in range(count)
    ]


def events_of(chosen: Sequence[Operation]) -> list[Ev]:
    """The events of operations, 1 microsecond apart.

    A process that has, or had, other threads is never born again: no kernel gives its id to another one before they
    are gone.
    """
    events: list[Ev] = []
    shared: set[int] = set()
    for call, thread, a, b, which in chosen:
        enter, exit_ = CALLS[call]
        tid = TIDS[thread]
        if call == "threaded":
            tid = THREADS[thread % len(THREADS)]
        elif call in {"cloned", "execve"}:
            tid = PROCESSES[thread % len(PROCESSES)]
        entered = enter(a, b, tid)
        made = [entered] if which != EXIT and entered is not None else []
        if which != ENTER or entered is None:
            made.append(exit_(a, b, tid))
            if call in {"thread", "threaded"}:
                shared.add(number(made[-1][1][4]))
            elif call in {"clone", "cloned"} and (number(made[-1][1][0]) or tid) in shared:
                continue
        events.extend(
            Ev(type_, tid, START + 1000 * (len(events) + at), params) for at, (type_, params) in enumerate(made)
        )
    return events


def number(data: bytes) -> int:
    """The signed number some bytes hold."""
    return int.from_bytes(data, "little", signed=True)


def _event_block(event: Ev) -> bytes:
    lengths = struct.pack(f"<{len(event.params)}H", *map(len, event.params))
    size = 26 + len(lengths) + sum(map(len, event.params))
    head = struct.pack("<HQqIHI", 0, event.ts, event.tid, size, event.type, len(event.params))
    body = head + lengths + b"".join(event.params)
    padding = -len(body) % 4
    total = struct.pack("<I", 12 + len(body) + padding)
    return struct.pack("<I", BlockType.EV_V2) + total + body + bytes(padding) + total


def _listed_process(tid: int) -> dict[str, object]:
    return {
        "tid": tid,
        "pid": tid,
        "ptid": 1,
        "sid": 1,
        "vpgid": 1,
        "comm": b"listed",
        "exe": b"/bin/listed",
        "exepath": b"/bin/listed",
        "args": b"-l\0",
        "cwd": b"/data/dir",
        "fdlimit": 256,
        "uid": 1000,
        "gid": 1000,
        "env": b"A=1\0",
        "vtid": tid,
        "vpid": tid,
        "cgroups": b"cpu=/\0",
        "root": b"/",
        "loginuid": 1000,
        "exe_writable": 0,
        "tail_size": 5,
    }


#: The descriptors the listed threads have open.
LISTED_FDS = (
    {"fd": 0, "ino": 1, "type": DescriptorType.FILE, "name": b"/dev/null"},
    {"fd": 1, "ino": 2, "type": DescriptorType.DIRECTORY, "name": b"/srv/data"},
)
INTERFACES = ((b"lo", b"\x7f\0\0\1", b"\xff\0\0\0"), (b"eth0", b"\x0a\0\0\5", b"\xff\xff\xff\0"))


def capture_bytes(events: Sequence[Ev]) -> bytes:
    """A capture of the events, with two threads, their descriptors and two interfaces listed."""
    blocks = [struct.pack("<IIIHHQI", BlockType.SHB, 28, 0x1A2B3C4D, 1, 2, 2**64 - 1, 28)]
    interfaces = [
        {
            "kind": 1,
            "address": address,
            "netmask": mask,
            "broadcast": bytes(4),
            "linkspeed": 0,
            "name": name,
            "extra": b"",
        }
        for name, address, mask in INTERFACES
    ]
    users = [
        {"kind": 0, "uid": 1000, "gid": 1000, "name": b"me", "home": b"/home/me", "shell": b"/bin/sh", "extra": b""},
        {"kind": 1, "gid": 1000, "name": b"us", "extra": b""},
    ]
    blocks.append(build_block(BlockType.IL_V2, _body(interfaces)))
    blocks.append(build_block(BlockType.UL_V2, _body(users)))
    blocks.append(build_block(BlockType.PL_V9, _body([{**_listed_process(tid), "extra": b""} for tid in LISTED])))
    for tid in LISTED:
        entries = [{**entry, "extra": b""} for entry in LISTED_FDS]
        blocks.append(build_block(BlockType.FDL_V2, {"tid": tid, **_body(entries)}))
    return b"".join([*blocks, *map(_event_block, events)])


def _body(entries: list[dict[str, object]]) -> dict[str, object]:
    return {"entries": entries, "padding": b"", "rest": b""}


def reader_of(events: Sequence[Ev], *, window_bytes: int = 1 << 20) -> CaptureReader:
    """The capture, to be read in windows of some size."""
    return CaptureReader(io.BytesIO(capture_bytes(events)), window_bytes=window_bytes)
