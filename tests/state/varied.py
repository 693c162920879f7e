"""Varied captures: every version of clone and execve, containers, and sockets of all families, as events."""

from __future__ import annotations

import json
import random
import struct
from typing import TYPE_CHECKING

from scap_formats.table import event_table
from scaptools.state.lifetypes import clone_layouts, execve_layouts
from tests.state.scenarios import LISTED, PROCESSES, START, THREAD, THREADS, Ev, cstr, i64, tuple4, u32, u64

if TYPE_CHECKING:
    from collections.abc import Mapping

ADDRESSES6 = (b"\xfd" + bytes(14) + b"\x01", bytes(15) + b"\x01", bytes(10) + b"\xff\xff\x7f\0\0\1", bytes(16))
CONTAINERS = (b"a" * 64, b"b" * 64)


def _valued(event_type: int, values: Mapping[str, bytes]) -> tuple[bytes, ...]:
    """The parameters sysdig 0.29.3 knows of an event, by name; numbers not given are 0."""
    event = event_table().events[event_type]
    params = event.params if event.old_params is None else event.old_params
    return tuple(values.get(param.name, bytes(param.type.size or 0)) for param in params)


def _tuple(dice: random.Random) -> bytes:
    kind = dice.randrange(3)
    if kind == 0:
        return tuple4(dice.randrange(9), dice.randrange(9))
    if kind == 1:
        ends = (dice.choice(ADDRESSES6) + struct.pack("<H", dice.choice((0, 53, 80, 40000))) for _ in range(2))
        return b"\x0a" + b"".join(ends)
    return b"\x01" + u64(dice.randrange(3)) + u64(dice.randrange(3)) + cstr(dice.choice((b"", b"/run/x", b"/dev/log")))


def _cgroups(dice: random.Random) -> bytes:
    return b"cpu=/docker/" + cstr(dice.choice(CONTAINERS)) if dice.random() < 0.3 else b"cpu=/\0"


def varied_events(seed: int, count: int) -> list[Ev]:
    """So many calls of a few threads."""
    dice = random.Random(seed)
    clones = [number for number in clone_layouts() if number < event_table().old_event_max]
    execves = [number for number in execve_layouts() if number < event_table().old_event_max]
    found: list[Ev] = []
    tids = list(LISTED)

    def add(event_type: int, tid: int, *params: bytes) -> None:
        found.append(Ev(event_type, tid, START + 1000 * len(found), params))

    for number in range(count):
        tid, fd = dice.choice(tids), dice.randrange(6)
        call = dice.randrange(10)
        if call == 0:
            thread = dice.random() < 0.3
            child = dice.choice(THREADS if thread else PROCESSES[2:])
            values = {
                "res": i64(0), "exe": cstr(b"exe%d" % number), "comm": cstr(b"c%d" % number), "args": cstr(b"-x"),
                "tid": i64(child), "pid": i64(PROCESSES[0] if thread else child), "ptid": i64(PROCESSES[0]),
                "cwd": cstr(b"/"), "fdlimit": i64(64), "flags": u32(THREAD | 1 if thread else 0), "uid": u32(number),
                "gid": u32(7), "vtid": i64(child), "vpid": i64(PROCESSES[0] if thread else child),
                "cgroups": _cgroups(dice),
            }  # fmt: skip
            event_type = dice.choice(clones)
            add(event_type - 1, child)
            add(event_type, child, *_valued(event_type, values))
            tids.append(child)
        elif call == 1:
            event_type = dice.choice(execves)
            values = {
                "res": i64(dice.choice((0, 0, -2))), "exe": cstr(b"prog%d" % number), "comm": cstr(b"p%d" % number),
                "args": cstr(b"a") + cstr(b"b"), "tid": i64(tid), "pid": i64(tid), "ptid": i64(1),
                "cwd": cstr(b"/"), "fdlimit": u64(99), "env": cstr(b"K=V"), "cgroups": _cgroups(dice),
                "loginuid": u32(5),
            }  # fmt: skip
            add(
                event_type - 1,
                tid,
                *_valued(event_type - 1, {"filename": cstr(b"/bin/p"), "pathname": cstr(b"/bin/p")}),
            )
            add(event_type, tid, *_valued(event_type, values))
        elif call == 2 and tid != LISTED[0]:
            add(186, tid, i64(0), i64(0), b"\0", b"\0")
        elif call == 3:
            told = {"id": dice.choice(CONTAINERS)[:12].decode(), "type": 0, "name": f"n{number}", "image": "i"}
            add(272, -1, cstr(json.dumps({"container": {**told, "lookup_state": 1}}).encode()))
        elif call == 4:
            add(18, tid, u32(dice.choice((1, 2, 10))), u32(1), u32(0))
            add(19, tid, i64(fd))
        elif call == 5:
            add(22, tid, i64(fd))
            add(23, tid, i64(dice.choice((0, 0, -115, -111))), _tuple(dice))
        elif call == 6:
            add(246, tid)
            add(247, tid, i64(fd), _tuple(dice), b"\0", u32(0), u32(0))
        else:
            add(6, tid, i64(fd), u32(9))
            add(7, tid, i64(1), b"z")
    return found
