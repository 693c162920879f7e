"""Process trees: who started whom, and when."""

from __future__ import annotations

import io

from scaptools.capture.reader import CaptureReader
from scaptools.cli.tree import tree_lines, tree_record
from scaptools.state.processtree import Process, ProcessTree, process_tree
from tests.state.scenarios import START, Ev, capture_bytes, cstr, i64, u32, u64

SECOND = 10**9


def clone(tid: int, ptid: int, seconds: int, comm: bytes = b"sh", pid: int | None = None) -> Ev:
    """The child's side of a clone; a thread where ``pid`` is another process."""
    pid = tid if pid is None else pid
    names = (cstr(comm), cstr(b"-c"), i64(tid), i64(pid), i64(ptid), cstr(b"/"), i64(64))
    counters = (u64(0), u64(1), u32(1), u32(1), u32(0))
    more = (cstr(comm), b"", u32(0x2000 if pid != tid else 0), u32(5), u32(0), i64(tid), i64(pid))
    return Ev(223, tid, START + seconds * SECOND, (i64(0), *names, *counters, *more))


def procexit(tid: int, seconds: int) -> Ev:
    return Ev(186, tid, START + seconds * SECOND, (i64(0), i64(0), b"\0", b"\0"))


EVENTS = [
    Ev(70, 10, START, (i64(0),)),
    clone(100, 10, 1, b"make"),
    clone(101, 100, 2),
    clone(102, 100, 3, b"thr", pid=100),
    procexit(101, 4),
    clone(103, 100, 5),
    procexit(103, 6),
    clone(104, 102, 7, b"cc\n"),
    procexit(102, 8),
    procexit(100, 9),
    Ev(70, 104, START + 10 * SECOND, (i64(0),)),
    Ev(70, 999, START + 11 * SECOND, (i64(0),)),
]


def tree_of(events: list[Ev], window_bytes: int = 1 << 20) -> ProcessTree:
    return process_tree(CaptureReader(io.BytesIO(capture_bytes(events)), window_bytes=window_bytes).batches())


def test_children_stay_below_who_started_them() -> None:
    for window_bytes in (300, 1 << 20):
        tree = tree_of(EVENTS, window_bytes)
        assert [(depth, process.pid, process.ppid) for depth, process in tree.walk()] == [
            (0, 10, 1),
            (1, 100, 10),
            (2, 101, 100),
            (2, 103, 100),
            (2, 104, 102),
            (0, 11, 1),
            (0, 999, None),
        ]
        made = {process.pid: process for _, process in tree.walk()}
        assert (made[100].started_ns, made[100].ended_ns) == (START + SECOND, START + 9 * SECOND)
        assert (made[100].threads, made[104].ended_ns, made[10].started_ns) == (2, None, None)
        assert (made[104].uid, made[104].command, made[999].uid) == (5, "cc\n -c", None)
        assert (tree.first_ns, tree.last_ns) == (START, START + 11 * SECOND)


def test_lines_fit_a_terminal_and_alike_ones_share_one() -> None:
    lines = list(tree_lines("x.scap", tree_of(EVENTS), terminal=False))
    assert lines[0] == "x.scap: 7 processes in 11.0 s from 2020-09-13T12:26:40.000000000Z"
    assert lines[2:] == [
        "     10       before            -  listed -l",
        "    100      +1.000s      +9.000s  └ [2 threads] make -c",
        "    101      +2.000s      +6.000s    ├ 2 × sh -c",
        "    104      +7.000s            -    └ cc\\n -c",
        "     11       before            -  listed -l",
        "    999       before            -  <NA>",
    ]


def test_records_name_parents_by_place() -> None:
    record = tree_record("x.scap", tree_of(EVENTS))
    processes = record["processes"]
    assert [each["parent"] for each in processes] == [None, 0, 1, 1, 1, None, None]
    assert processes[4]["args"] == ("-c",)


def test_deep_and_wide_trees_fit() -> None:
    chain = [clone(1000 + number, 999 + number, number, b"x" * 15) for number in range(3000)]
    tree = tree_of(chain, 1 << 16)
    lines = list(tree_lines("x.scap", tree, terminal=False))
    assert max(map(len, lines)) <= 80
    assert "  … └ xxx" in lines[-1]
    assert lines[12].endswith("└ xxxxxxxxxxxxxxx -c")
    assert sum(1 for _ in tree.walk()) == len(lines) - 1  # the two that were listed share one


def test_circles_among_listed_processes_have_a_root() -> None:
    a, b = Process(1, ppid=2), Process(2, ppid=1)
    a.children.append(b)
    b.parent = a
    assert [process.pid for _, process in ProcessTree([a]).walk()] == [1, 2]
    looped = [clone(50, 51, 1), clone(51, 50, 2), procexit(50, 3), clone(50, 51, 4)]
    pids = [process.pid for _, process in tree_of(looped).walk()]
    assert sorted(pids) == [10, 11, 50, 50, 51]
