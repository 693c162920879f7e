"""Fields that read state: their declarations, and those sysdig cannot be asked about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from scaptools.errors import FormatError
from scaptools.fields.container import CONTAINER_FIELDS
from scaptools.fields.evt_state import EVT_STATE_FIELDS, human_interval
from scaptools.fields.fd import FD_FIELDS
from scaptools.fields.fspath import FSPATH_FIELDS
from scaptools.fields.group import GROUP_FIELDS
from scaptools.fields.proc import PROC_FIELDS
from scaptools.fields.registry import FieldRegistry
from scaptools.fields.thread import THREAD_FIELDS
from scaptools.fields.user import USER_FIELDS
from scaptools.state import names
from scaptools.state.engine import state_of, track
from scaptools.state.needs import ALL_NEEDS
from tests.state.scenarios import START, Ev, cstr, i64, reader_of, tuple4, u32

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaptools.capture.batch import EventBatch

ALL = (
    *PROC_FIELDS,
    *THREAD_FIELDS,
    *FD_FIELDS,
    *USER_FIELDS,
    *GROUP_FIELDS,
    *CONTAINER_FIELDS,
    *EVT_STATE_FIELDS,
    *FSPATH_FIELDS,
)
REGISTRY = FieldRegistry(ALL)


def batch_of(*events: tuple[int, Sequence[bytes]], tid: int = 10) -> EventBatch:
    made = [Ev(type_, tid, START + number, tuple(params)) for number, (type_, params) in enumerate(events)]
    (batch,) = track(reader_of(made), ALL_NEEDS)
    return batch


def ask(batch: EventBatch, written: str) -> list[Any]:
    name, _, argument = written.rstrip("]").partition("[")
    return REGISTRY.resolve(name, argument or None).column(batch, slice(None)).to_arrow().to_pylist()  # type: ignore[no-any-return]


OPEN = (
    (306, (i64(-100), cstr(b"/srv/log"), u32(1), u32(0))),
    (307, (i64(3), i64(-100), cstr(b"/srv/log"), u32(1), u32(0), u32(0x802))),
)


def test_every_field_says_what_it_is() -> None:
    for field in ALL:
        assert field.description.endswith("."), field.name
        assert field.name.split(".")[0] in {"proc", "thread", "fd", "user", "group", "container", "evt", "fs"}


@pytest.mark.parametrize(
    "written", ["proc.aname[x]", "proc.args[-1]", "thread.cgroup.a1", "fd.types[x]", "container.mount[(]"]
)
def test_arguments_that_cannot_be_one(written: str) -> None:
    with pytest.raises(FormatError):
        ask(batch_of((70, (i64(0),))), written)


def test_descriptors_in_parts() -> None:
    batch = batch_of(*OPEN)
    assert ask(batch, "fd.name") == [None, b"/srv/log"]
    assert ask(batch, "fd.nameraw") == [None, b"/srv/log"]
    assert (ask(batch, "fd.directory"), ask(batch, "fd.filename")) == ([None, b"/srv"], [None, b"log"])
    assert (ask(batch, "fd.dev.major"), ask(batch, "fd.dev.minor")) == ([None, 8], [None, 2])
    assert ask(batch, "fd.uid") == [b"10-1", b"103"]
    assert ask(batch, "fd.types")[1] == [b"file", b"directory"]
    assert ask(batch, "fd.types[1]") == [[b"directory"], [b"directory"]]
    assert ask(batch, "proc.stdin.name") == [b"/dev/null", b"/dev/null"]
    assert ask(batch, "proc.stdout.type") == [b"directory", b"directory"]
    assert ask(batch, "proc.fdopencount") == [2, 3]


def test_both_ends_of_a_connection() -> None:
    batch = batch_of(
        (18, (u32(2), u32(1), u32(0))),
        (19, (i64(4),)),
        (22, (i64(4),)),
        (23, (i64(0), tuple4(1, 0))),
    )
    assert ask(batch, "fd.ip")[3] == [b"\x0a\0\0\5", b"\x7f\0\0\1"]
    assert ask(batch, "fd.port")[3] == [40000, 80]
    assert [ask(batch, f"fd.{side}port")[3] for side in "cslr"] == [40000, 80, 40000, 80]
    assert ask(batch, "fd.l4proto") == [None, b"<NA>", b"<NA>", b"tcp"]
    assert ask(batch, "fd.connected") == [None, False, False, True]
    assert ask(batch, "fd.name_changed") == [None, False, False, True]


def test_ancestors_are_asked_one_by_one_or_all() -> None:
    child = (i64(12), cstr(b"sh"), b"-c\0", i64(10), i64(10), i64(1), cstr(b"/"), i64(9), *(b"\0" * 8,) * 2)
    clone = (*child, *(u32(0),) * 3, cstr(b"child"), b"", u32(0), u32(0), u32(0), i64(10), i64(10))
    made = [Ev(223, 10, START, clone), Ev(70, 12, START + 5, (i64(0),))]
    (batch,) = track(reader_of(made))
    assert [ask(batch, f"proc.aname[{generation}]")[1] for generation in range(3)] == [b"child", b"listed", None]
    assert ask(batch, "proc.aname") == [[], [b"listed"]]
    assert ask(batch, "proc.apid")[1] == [10]
    assert ask(batch, "proc.aargs") == [None, b"-l"]
    assert ask(batch, "proc.aenv[A]") == [b"", b"1"]
    assert (ask(batch, "proc.pname"), ask(batch, "proc.pvpid")) == ([None, b"listed"], [None, 10])
    assert ask(batch, "proc.duration") == [None, 5]


def test_paths_of_calls() -> None:
    batch = batch_of(
        *OPEN,
        (301, (i64(0), cstr(b"rel"))),
        (301, (i64(-2), cstr(b"rel"))),
        (303, (i64(0), i64(1), cstr(b"below"), u32(0))),
        (303, (i64(0), i64(77), cstr(b"below"), u32(0))),
        (177, (i64(0), i64(1), cstr(b"a"), i64(-100), cstr(b"b"))),
    )
    assert ask(batch, "fs.path.name")[1:] == [
        b"/srv/log",
        b"/data/dir/rel",
        None,
        b"/srv/data/below",
        b"<UNKNOWN>below",
        None,
    ]
    assert ask(batch, "fs.path.nameraw")[2] == b"rel"
    assert (ask(batch, "fs.path.source")[6], ask(batch, "fs.path.target")[6]) == (b"/srv/data/a", b"/data/dir/b")
    assert ask(batch, "evt.abspath")[4:] == [b"/srv/data/below", b"<UNKNOWN>/below", b"/srv/data/a"]
    assert ask(batch, "evt.abspath[dst]")[6] == b"/data/dir/b"


def test_containers() -> None:
    document = {
        "container": {
            "id": "697956520d89",
            "type": 0,
            "name": "web",
            "image": "nginx",
            "privileged": True,
            "Mounts": [{"Source": "/s", "Destination": "/d", "Mode": "", "RW": False, "Propagation": ""}],
            "labels": {"io.kubernetes.x": "1", "tier": "front"},
        }
    }
    cgroups = b"cpu=/docker/697956520d891b5cb0e215093970c733549a3f745f52263c05b37f8a488994f3\0"
    numbers = (i64(10), i64(10), i64(1), cstr(b"/"), i64(9), *(b"\0" * 8,) * 2, *(u32(0),) * 3)
    batch = batch_of(
        (231, (i64(0), cstr(b"sh"), b"", *numbers, cstr(b"sh"), cgroups, b"")),
        (272, (cstr(json.dumps(document).encode()),)),
        (70, (i64(0),)),
    )
    assert ask(batch, "container.id") == [b"697956520d89"] * 3
    assert ask(batch, "container.name") == [None, b"web", b"web"]
    assert ask(batch, "container.privileged")[2] is True
    assert ask(batch, "container.mounts")[2] == b"/s:/d::false:"
    assert (ask(batch, "container.mount.dest[0]")[2], ask(batch, "container.mount[/x]")[2]) == (b"/d", None)
    assert (ask(batch, "container.labels")[2], ask(batch, "container.label[tier]")[2]) == (b"tier:front", b"front")
    assert ask(batch_of((70, (i64(0),))), "container.name") == [b"host"]


def test_names_for_parameters() -> None:
    batch = batch_of(*OPEN)
    state = state_of(batch)
    rows, two = batch.rows_of_type(307).repeat(2), batch.rows_of_type(307).repeat(2)
    assert names.fd_texts(state, rows, two + 2).to_arrow().to_pylist() == [b"<f>/srv/log"] * 2
    assert names.fd_characters(state, rows, two * 0 + 1).to_arrow().to_pylist() == [b"d"] * 2
    assert names.thread_names(state, rows, two * 0 + 11).to_arrow().to_pylist() == [b"listed"] * 2
    assert names.user_names(state, rows, two * 0 + 1000).to_arrow().to_pylist() == [b"me"] * 2
    assert names.group_names(state, rows, two * 0 + 5).to_arrow().to_pylist() == [None] * 2


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0ns"),
        (999, "999ns"),
        (1_500, "1.50us"),
        (10_000, "10us"),
        (1_234_567, "1.23ms"),
        (56_000_000, "56ms"),
        (1_500_000_000, "1.50s"),
        (61_000_000_000, "1:1"),
        (3_661_000_000_000, "01:01:01"),
    ],
)
def test_human_intervals(ns: int, text: str) -> None:
    assert human_interval(ns) == text
