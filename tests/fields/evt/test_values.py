"""What the fields say of single events, without any peer."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from scap_formats.table import syscall_table
from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import ALL_ROWS, Coded, Numbers, Texts
from scaptools.fields.paramtext import CURRENT, StatelessContext, TextStyle
from scaptools.fields.paramtext.style import FAITHFUL
from tests.fields.evt_blocks import START, Ev, batch_of, machine_block
from tests.fields.evt_columns import bound, registry, values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch

_CURRENT = registry(TextStyle(dialect=CURRENT))


def q(value: int) -> bytes:
    return struct.pack("<q", value)


def i4(value: int) -> bytes:
    return struct.pack("<I", value)


def h2(value: int) -> bytes:
    return struct.pack("<H", value)


def one(written: str, event: Ev, fields: Any = None) -> Any:
    (value,) = values(written, batch_of([event]), fields=fields)
    return value


# Headers and times --------------------------------------------------------------------------------------------------


def test_numbers_and_processors() -> None:
    batch = batch_of([Ev(82, cpu=3), Ev(82, cpu=0xFFFF)])
    assert values("evt.num", batch) == [1, 2]
    assert values("evt.cpu", batch) == [3, -1]


def test_times_as_numbers() -> None:
    batch = batch_of([Ev(82, ts=START), Ev(82, ts=START + 2_000_000_001), Ev(82, ts=START - 1)])
    assert values("evt.rawtime", batch) == [START, START + 2_000_000_001, START - 1]
    assert values("evt.rawtime.s", batch) == [1_600_000_000, 1_600_000_002, 1_600_000_000]
    assert values("evt.rawtime.ns", batch) == [123_456_789, 123_456_790, 123_456_788]
    assert values("evt.reltime", batch) == [0, 2_000_000_001, 2**64 - 1]
    assert values("evt.reltime.s", batch)[:2] == [0, 2]
    assert values("evt.reltime.ns", batch)[:2] == [0, 1]
    batch.section.first_ts = None
    assert values("evt.reltime", batch)[0] == START


def test_times_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        event = Ev(82, ts=START)
        assert one("evt.time", event) == b"17:56:40.123456789"
        assert one("evt.time.s", event) == b"17:56:40"
        assert one("evt.outputtime", event) == b"17:56:40.123456789"
        assert one("evt.datetime", event) == b"2020-09-13 17:56:40.123456789"
        assert one("evt.datetime.s", event) == b"2020-09-13 17:56:40"
        assert one("evt.time.iso8601", event) == b"2020-09-13T12:26:40.123456789+0000"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_distance_from_a_time() -> None:
    batch = batch_of([Ev(82, ts=START), Ev(82, ts=START + 5), Ev(82, ts=0), Ev(82, ts=2**64 - 1)])
    assert values(f"evt.around[{START + 2}]", batch) == [2, 3, START + 2, 2**64 - 1 - START - 2]
    assert bound(registry(), "evt.around[5]").comparison == "within"


# Kinds --------------------------------------------------------------------------------------------------------------


def test_names_of_types() -> None:
    events = [
        Ev(3),
        Ev(0, [h2(3), h2(0)]),
        Ev(1, [h2(283)]),
        Ev(1, [h2(60000)]),
        Ev(1, []),
        Ev(196),
        Ev(402, [i4(0), b"container\0", b"{}"]),
        Ev(402, [i4(0), b"container\0x\0", b""]),
        Ev(402, [i4(0)]),
    ]
    names = [b"open", b"read", b"newselect", None, None, b"sysdigevent", b"container", b"container", None]
    assert values("evt.type", batch_of(events)) == names
    names[2], names[5] = b"_newselect", b"scapevent"
    assert values("evt.type", batch_of(events), fields=_CURRENT) == names


def test_a_system_call_without_a_code_goes_by_its_native_number_today() -> None:
    event = Ev(1, [h2(0), h2(0)])
    assert one("evt.type", event) == b"<unknown>"
    assert one("evt.type", event, _CURRENT) == b"read"
    assert one("evt.type", Ev(1, [h2(0)]), _CURRENT) == b"unknown"
    assert one("evt.type", Ev(1, [h2(0), h2(60000)]), _CURRENT) == b"unknown"


def test_system_calls() -> None:
    events = [Ev(3), Ev(152), Ev(234), Ev(186), Ev(0, [h2(3)]), Ev(402, [i4(0), b"x\0", b""])]
    assert values("syscall.type", batch_of(events)) == [b"open", None, None, b"procexit", b"read", None]
    assert values("syscall.type", batch_of(events), fields=_CURRENT) == [b"open", None, None, None, b"read", None]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [("open", [1, 1, 0, 0]), ("close", [0, 0, 1, 0]), ("2", [1, 0, 0, 0]), ("3", [0, 1, 0, 0])],
)
def test_asking_for_a_type(argument: str, expected: list[int]) -> None:
    batch = batch_of([Ev(2), Ev(3), Ev(5), Ev(82)])
    assert values(f"evt.type.is[{argument}]", batch) == expected
    if not argument.isdecimal():
        assert values(f"evt.type.is.{argument}", batch) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("evt.dir", [b">", b"<", b"<", b">", b">"]),
        ("evt.is_io", [1, 1, 1, 0, 0]),
        ("evt.is_io_read", [1, 0, 0, 0, 0]),
        ("evt.is_io_write", [0, 1, 1, 0, 0]),
        ("evt.io_dir", [b"read", b"write", b"write", None, None]),
        ("evt.is_wait", [0, 0, 0, 1, 0]),
        ("evt.count", [1, 1, 1, 1, 1]),
        ("evt.count.exit", [None, 1, 1, None, None]),
        ("evt.is_async", [0, 0, 0, 0, 1]),
        ("evt.asynctype", [None, None, None, None, b"procinfo"]),
        ("evt.count.threadinfo", [None, None, None, None, 1]),
        ("evt.category", [b"unknown", b"unknown", b"unknown", b"wait", b"unknown"]),
    ],
)
def test_what_types_do(written: str, expected: list[Any]) -> None:
    assert values(written, batch_of([Ev(6), Ev(9), Ev(31), Ev(80), Ev(234)])) == expected


def test_kinds_in_todays_libraries() -> None:
    mprotect = syscall_table().find_code("mprotect") or 0
    batch = batch_of([Ev(234), Ev(402, [i4(0), b"container\0", b""]), Ev(0, [h2(mprotect)])])
    assert values("evt.category", batch, fields=_CURRENT) == [b"internal", b"other", b"other"]
    assert values("evt.asynctype", batch, fields=_CURRENT) == [b"procinfo", b"container", None]
    assert values("evt.count.threadinfo", batch, fields=_CURRENT) == [1, 0, 0]
    # 0.29.3 knows what mprotect is about although it has no event type for it.
    assert values("evt.category", batch)[2] == b"memory"


# Results ------------------------------------------------------------------------------------------------------------

_RETURNED = [Ev(5, [q(0)]), Ev(7, [q(-11), b""]), Ev(3, [q(-2)]), Ev(3, [q(4)]), Ev(82), Ev(5, []), Ev(5, [q(-600)])]


@pytest.mark.parametrize(
    ("written", "classic", "current"),
    [
        ("evt.rawres", [0, -11, -2, 4, None, None, -600], None),
        ("evt.res", [b"SUCCESS", b"EAGAIN", b"ENOENT", b"SUCCESS", None, None, b"-600"], None),
        ("evt.failed", [0, 1, 1, 0, 0, 0, 1], [0, 1, 1, 0, None, None, 1]),
        ("evt.count.error", [None, 1, 1, None, None, None, 1], [0, 1, 1, 0, None, None, 1]),
    ],
)
def test_results(written: str, classic: list[Any], current: list[Any] | None) -> None:
    assert values(written, batch_of(_RETURNED)) == classic
    assert values(written, batch_of(_RETURNED), fields=_CURRENT) == (classic if current is None else current)


def test_what_counts_as_a_result() -> None:
    # getuid returns a user and no result; today's libraries take any first number for one.
    assert one("evt.rawres", Ev(203, [i4(7)])) is None
    assert one("evt.rawres", Ev(203, [i4(7)]), _CURRENT) == 7
    # The descriptor of an enter event is none, nor is what a generic event starts with.
    assert one("evt.rawres", Ev(4, [q(3)]), _CURRENT) is None
    assert one("evt.rawres", Ev(1, [h2(3)]), _CURRENT) is None
    assert one("evt.rawres", Ev(161, [struct.pack("<Q", 2**64 - 12), i4(0), i4(0), i4(0)])) == -12


def test_failures_about_memory() -> None:
    batch = batch_of([Ev(165, [q(-22)]), Ev(165, [q(0)]), Ev(5, [q(-9)])])
    assert values("evt.count.error.memory", batch) == [1, None, None]
    assert values("evt.count.error.memory", batch, fields=_CURRENT) == [1, 0, None]


# Descriptors --------------------------------------------------------------------------------------------------------


class _Descriptors(StatelessContext):
    """The descriptor of row n is of the n-th type given, None for no descriptor."""

    def __init__(self, *types: int | None) -> None:
        self._types = types

    def fd_types(self, _batch: EventBatch, rows: NDArray[np.intp]) -> Numbers:
        found = [self._types[row] for row in rows.tolist()]
        valid = np.array([type_ is not None for type_ in found], bool)
        return Numbers(np.array([type_ or 0 for type_ in found], np.int64), valid)


# A file, a directory, an IPv4 and an IPv6 socket, a unix socket, a timer, an unknown number, none.
_TYPES = (16, 2, 3, 6, 8, 14, 99, None)


def test_categories_of_descriptors() -> None:
    fields = registry(context=_Descriptors(*_TYPES))
    batch = batch_of([Ev(7, [q(1), b"x"])] * len(_TYPES))
    words = [b"file", b"file", b"net", b"net", b"ipc", b"unknown", b"unknown", b"unknown"]
    assert values("evt.category", batch, fields=fields) == words
    others = batch_of([Ev(3, [q(1)])] * len(_TYPES))
    assert values("evt.category", others, fields=fields) == [b"file"] * len(_TYPES)


def test_bytes_moved() -> None:
    fields = registry(context=_Descriptors(16, 3, 16, None, 16, 3, 2))
    batch = batch_of(
        [
            Ev(7, [q(10), b"x"]),
            Ev(9, [q(20), b"x"]),
            Ev(7, [q(-1), b""]),
            Ev(7, [q(30), b""]),
            Ev(6, [q(3), i4(5)]),
            Ev(171, [q(0)]),
            Ev(7, [q(7), b""]),
        ]
    )
    expected = {
        "": [10, 20, None, None, None, 0, 7],
        ".in": [10, None, None, None, None, None, 7],
        ".out": [None, 20, None, None, None, None, None],
        ".file": [10, None, None, None, None, None, None],
        ".file.in": [10, None, None, None, None, None, None],
        ".file.out": [None] * 7,
        ".net": [None, 20, None, None, None, 0, None],
        ".net.in": [None] * 7,
        ".net.out": [None, 20, None, None, None, None, None],
    }
    for suffix, lengths in expected.items():
        assert values(f"evt.buflen{suffix}", batch, fields=fields) == lengths, suffix


def test_what_failures_are_about() -> None:
    context = _Descriptors(16, 8, None, None, None, 14, 16)
    batch = batch_of(
        [
            Ev(7, [q(-5), b""]),
            Ev(7, [q(-5), b""]),
            Ev(3, [q(-2)]),
            Ev(23, [q(-111), b""]),
            Ev(165, [q(-22)]),
            Ev(7, [q(-11), b""]),
            Ev(7, [q(1), b"x"]),
        ]
    )
    for style, success in ((TextStyle(), None), (TextStyle(dialect=CURRENT), 0)):
        fields = registry(style, context)
        about = {
            "file": [1, None, 1, None, None, None, success],
            "net": [None, 1, None, 1, None, None, None],
            "memory": [None, None, None, None, 1, None, None],
            "other": [None, None, None, None, None, 1, None],
        }
        for suffix, counts in about.items():
            assert values(f"evt.count.error.{suffix}", batch, fields=fields) == counts, suffix


# Opened files -------------------------------------------------------------------------------------------------------

_RDONLY, _WRONLY, _CREAT, _TMPFILE, _CREATED = 1, 2, 4, 8192, 16384


def _open(flags: int, mode: int = 0, fd: int = 3) -> Ev:
    return Ev(3, [q(fd), b"/x\0", i4(flags), i4(mode)])


@pytest.mark.parametrize(
    ("event", "read", "write", "executable", "created"),
    [
        (_open(_RDONLY), 1, 0, 0, 0),
        (_open(_WRONLY, fd=-13), 0, 1, 0, 0),
        (_open(_RDONLY | _WRONLY), 1, 1, 0, 0),
        (_open(_CREAT | _WRONLY, 0o755), 0, 1, 1, 0),
        (_open(_CREAT, 0o644), 0, 0, 0, 0),
        (_open(_TMPFILE, 0o100), 0, 0, 1, 1),
        (_open(_TMPFILE, 0o100, fd=-1), 0, 0, 1, 0),
        (_open(_CREATED), 0, 0, 0, 1),
        (Ev(307, [q(3), q(-100), b"x\0", i4(_RDONLY), i4(0)]), 1, 0, 0, 0),
        (Ev(327, [q(3), q(-100), b"x\0", i4(_WRONLY), i4(0), i4(0)]), 0, 1, 0, 0),
        (Ev(337, [q(3), q(4), i4(_RDONLY), b"x\0"]), 1, 0, 0, 0),
        (Ev(59, [q(3), b"x\0", i4(0o711)]), 0, 0, 1, 0),
        (Ev(2, [b"/x\0", i4(_RDONLY), i4(0)]), 0, 0, 0, 0),
        (Ev(7, [q(1), b""]), 0, 0, 0, 0),
        (Ev(3, [q(3)]), 0, 0, 0, 0),
    ],
)
def test_what_files_are_opened_for(event: Ev, read: int, write: int, executable: int, created: int) -> None:
    names = ("evt.is_open_read", "evt.is_open_write", "evt.is_open_exec", "evt.is_open_create")
    for fields in (registry(), _CURRENT):
        assert [one(name, event, fields) for name in names] == [read, write, executable, created]


def test_the_first_exit_of_openat_says_nothing() -> None:
    enter = Ev(102, [q(-100), b"x\0", i4(_RDONLY | _CREAT), i4(0o755)])
    assert [one("evt.is_open_read", enter, fields) for fields in (registry(), _CURRENT)] == [1, 0]
    assert [one("evt.is_open_exec", enter, fields) for fields in (registry(), _CURRENT)] == [1, 0]


# Arguments ----------------------------------------------------------------------------------------------------------


def test_single_arguments() -> None:
    batch = batch_of([_open(4097, 0o644), Ev(7, [q(-2), b"x"]), Ev(0, [h2(3), h2(0)]), Ev(82), Ev(3, [q(3)])])
    assert values("evt.arg.flags", batch) == [b"O_RDONLY|O_CLOEXEC", None, None, None, None]
    assert values("evt.arg[flags]", batch) == values("evt.arg.flags", batch)
    assert values("evt.arg[0]", batch) == [b"3", b"ENOENT", b"read", None, b"3"]
    assert values("evt.arg.mode", batch) == [b"0644", None, None, None, None]
    assert values("evt.arg.ID", batch) == [None, None, b"read", None, None]
    assert values("evt.args", batch)[1:4] == [b"res=-2(ENOENT) data=x ", b"", b""]
    assert values("evt.info", batch) == values("evt.args", batch)


def test_arguments_newer_than_the_printed_ones() -> None:
    event = Ev(3, [q(3), b"/x\0", i4(1), i4(0), i4(0x801), struct.pack("<Q", 77)])
    assert one("evt.arg.ino", event) == b"77"
    assert one("evt.arg[5]", event) == b"77"
    assert one("evt.args", event).endswith(b" ino=77 ")
    assert b"ino" not in one("evt.args", event, registry(TextStyle(dialect=FAITHFUL)))
    assert one("evt.args", event, _CURRENT).endswith(b" ino=77")


def test_names_plugins_parameters_have_had() -> None:
    event = Ev(322, [i4(999), b"a\x01"])
    for name in ("plugin_id", "plugin ID"):
        assert one(f"evt.arg[{name}]", event) == b"999"
        assert one(f"evt.rawarg[{name}]", event) == 999
    assert one("evt.arg.event_data", event) == b"a."
    # The first event with a parameter of that name has a number there.
    assert one("evt.rawarg.event_data", event) is None


def test_raw_arguments() -> None:
    batch = batch_of([_open(4097), Ev(7, [q(-2), b"a\0b"]), Ev(161, [struct.pack("<Q", 5)]), Ev(7, [q(0), b""])])
    assert values("evt.rawarg.flags", batch) == [4097, None, None, None]
    assert values("evt.rawarg.res", batch) == [None, -2, 5, 0]
    assert values("evt.rawarg.name", batch) == [b"/x", None, None, None]
    assert values("evt.rawarg.data", batch) == [None, b"a\0b", None, None]
    assert values("evt.rawarg.tuple", batch) == [None] * 4


def test_a_name_that_stands_for_numbers_in_some_events_and_for_bytes_in_others() -> None:
    batch = batch_of([Ev(64, [struct.pack("<Q", 7), h2(0), struct.pack("<Q", 0)]), Ev(22, [q(3), b"\x01/x\0"])])
    field = bound(registry(), "evt.rawarg.addr")
    expected = [None, b"\x01/x\0"] if field.type is ParamType.SOCKADDR else [7, None]
    assert values("evt.rawarg.addr", batch) == expected


@pytest.mark.parametrize(
    ("name", "type_", "format_"),
    [
        ("fd", ParamType.FD, PrintFormat.DEC),
        ("res", ParamType.ERRNO, PrintFormat.DEC),
        ("flags", ParamType.FLAGS32, PrintFormat.HEX),
        ("name", ParamType.FSPATH, PrintFormat.NA),
        ("data", ParamType.BYTEBUF, PrintFormat.NA),
        ("tuple", ParamType.SOCKTUPLE, PrintFormat.NA),
    ],
)
def test_types_of_raw_arguments(name: str, type_: ParamType, format_: PrintFormat) -> None:
    field = bound(registry(), f"evt.rawarg.{name}")
    assert (field.type, field.format) == (type_, format_)


def test_buffers() -> None:
    batch = batch_of([Ev(7, [q(3), b"a\0b"]), Ev(9, [q(0), b""]), Ev(7, [q(-1)]), Ev(5, [q(0)])])
    assert values("evt.buffer", batch) == [b"a\0b", b"", None, None]


def test_arguments_are_coded_where_values_repeat() -> None:
    batch = batch_of([Ev(5, [q(number % 3)]) for number in range(50)] + [Ev(7, [q(5), b"x"])])
    column = bound(registry(), "evt.arg.res").column(batch, slice(None))
    assert isinstance(column, Coded)
    assert len(column.values) == 4


# Everything else ----------------------------------------------------------------------------------------------------


def test_legacy_infrastructure_events() -> None:
    description = b"Event: start ;ID:0123456789abcdef;name:web;Image:nginx@sha256:77;\0"
    batch = batch_of(
        [Ev(286, [b"s\0", b"n\0", description, b"\0"]), Ev(5, [q(0)]), Ev(286, [b"s\0", b"n\0", b"", b"\0"])]
    )
    names = ("name", "container.id", "container.name", "container.image")
    assert [values(f"evt.infra.docker.{name}", batch) for name in names] == [
        [b"start", None, None],
        [b"0123456789ab", None, None],
        [b"web", None, None],
        [b"nginx", None, None],
    ]
    digest = Ev(286, [b"s\0", b"n\0", b"Image:sha256:77ff\0", b"\0"])
    assert one("evt.infra.docker.container.image", digest) == b"77ff"


def test_hosts() -> None:
    assert one("evt.hostname", Ev(82)) is None
    first, second = machine_block(b"first"), machine_block(b"second")
    assert values("evt.hostname", batch_of([Ev(82), Ev(82)], metadata=first + second)) == [b"second", b"second"]
    too_short = struct.pack("<II4sI", 0x201, 16, b"abcd", 16)
    assert values("evt.hostname", batch_of([Ev(82)], metadata=first + too_short)) == [b"first"]


def test_big_endian_captures() -> None:
    events = [Ev(3, [struct.pack(">q", 3), b"/x\0", struct.pack(">I", 4097), struct.pack(">I", 0o644)])]
    batch = batch_of(events, byteorder="big")
    assert values("evt.args", batch) == [b"fd=3 name=/x flags=4097(O_RDONLY|O_CLOEXEC) mode=0644 "]
    assert values("evt.rawtime", batch) == [START]
    assert values("evt.rawres", batch) == [3]
    assert values("evt.is_open_read", batch) == [1]
    assert values("evt.rawarg.flags", batch) == [4097]


def test_columns_have_the_width_of_their_type() -> None:
    batch = batch_of([_open(1), Ev(7, [q(1), b"x"])])
    widths = {"evt.num": np.uint64, "evt.cpu": np.int16, "evt.rawres": np.int64, "evt.rawarg.flags": np.uint32}
    for written, dtype in widths.items():
        column = bound(registry(), written).column(batch, slice(None))
        assert isinstance(column, Numbers)
        assert column.values.dtype == dtype
    assert isinstance(bound(registry(), "evt.time").column(batch, slice(None)), Texts)


def test_styles_are_values() -> None:
    assert replace(TextStyle(), limit=None) == TextStyle(limit=None)


def test_every_use_counts_the_events_it_is_asked_about() -> None:
    batch = batch_of([Ev(2)] * 5)
    first, second = bound(_CURRENT, "util.cnt"), bound(_CURRENT, "util.cnt")
    assert first.column(batch, np.array([1, 3])).to_arrow().to_pylist() == [1, 2]
    assert second.column(batch, ALL_ROWS).to_arrow().to_pylist() == [1, 2, 3, 4, 5]
    assert first.column(batch, ALL_ROWS).to_arrow().to_pylist() == [3, 4, 5, 6, 7]
