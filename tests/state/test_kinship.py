"""Who the parent of a process is once its parent has ended, and the thread container events have of their own."""

from __future__ import annotations

import json

from tests.state.scenarios import START, Ev, cstr, i64
from tests.state.test_engine import values
from tests.state.test_processtree import clone

SECOND = 10**9


def ended(tid: int, seconds: int, reaper: int | None) -> Ev:
    """The end of a thread as newer captures have it, with who takes its children, or as older ones do."""
    told = () if reaper is None else (i64(reaper),)
    return Ev(186, tid, START + seconds * SECOND, (i64(0), i64(0), b"\0", b"\0", *told))


def seen(tid: int, seconds: int) -> Ev:
    return Ev(70, tid, START + seconds * SECOND, (i64(0),))


def family(reaper: int | None) -> list[Ev]:
    return [
        clone(100, 10, 1, b"mother"),
        clone(101, 100, 2, b"child"),
        ended(100, 3, reaper),
        seen(101, 4),
    ]


def test_children_go_to_who_the_event_names() -> None:
    for window_bytes in (200, 1 << 20):
        assert values(family(11), "proc.ppid", window_bytes=window_bytes)[-1] == 11
        assert values(family(11), "proc.pname", window_bytes=window_bytes)[-1] == b"listed"


def test_without_anybody_named_they_have_no_parent_left() -> None:
    assert values(family(0), "proc.ppid")[-1] == 0
    assert values(family(-1), "proc.pname")[-1] is None
    assert values(family(4711), "proc.ppid")[-1] == 0


def test_the_first_process_takes_them_where_it_is_an_ancestor() -> None:
    events = [clone(1, 10, 0, b"init"), clone(100, 1, 1), clone(101, 100, 2), ended(100, 3, 0), seen(101, 4)]
    assert values(events, "proc.ppid")[-1] == 1


def test_older_captures_keep_the_number() -> None:
    assert values(family(None), "proc.ppid")[-1] == 100
    assert values(family(None), "proc.pname")[-1] is None


def test_a_container_event_speaks_for_its_container() -> None:
    document = {"container": {"id": "0123456789ab", "type": 0, "name": "web", "image": "nginx"}}
    events = [
        seen(10, 0),
        Ev(272, -1, START + 1, (cstr(json.dumps(document).encode()),)),
        seen(10, 2),
        Ev(152, -1, START + 3 * SECOND, (i64(10), i64(0), i64(0))),
    ]
    assert values(events, "proc.name") == [b"listed", b"container:0123456789ab", b"listed", None]
    assert values(events, "proc.pid")[1:3] == [-1, 10]
    assert values(events, "proc.vpid")[1] == -2
