from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import ALL_ROWS
from scaptools.output.renderer import render
from scaptools.output.table import AlignedTable, TabSeparated


@pytest.fixture
def events(make_events: Callable[..., Any], make_column: Callable[..., Any], texts: Callable[..., Any]) -> Any:
    numbers = make_column(ParamType.INT64, [1, 22, None], "coded")
    return make_events(
        {
            "evt.num": (ParamType.INT64, PrintFormat.ID, numbers),
            "proc.name": texts(b"cat", None, "é\tz\\".encode()),
            "fd.name": texts(b"/etc/x", b"\x1b[2J\xff", b"longer than\nthe name"),
        }
    )


def test_tab_separated(events: Any) -> None:
    table = TabSeparated(events.fields("evt.num", "proc.name", "fd.name"))
    assert table.heading() == b"evt.num\tproc.name\tfd.name\n"
    # Paths are printed as sysdig does, without what is not printable.
    assert bytes(render(table, events.batch, ALL_ROWS)) == (
        b"1\tcat\t/etc/x\n22\t\t[2J\n\t\xc3\xa9" + rb"\tz\\" + b"\tlonger thanthe name\n"
    )


def test_aligned(events: Any) -> None:
    table = AlignedTable(events.fields("proc.name", "evt.num", "fd.name"))
    lines = bytes(render(table, events.batch, ALL_ROWS)).decode().split("\n")
    assert lines == [
        "proc.name  evt.num  fd.name",
        "cat              1  /etc/x",
        "-               22  [2J",
        "é\\tz\\\\           -  longer thanthe name",
        "",
    ]


def test_first_events_decide_the_widths(make_events: Callable[..., Any], texts: Callable[..., Any]) -> None:
    events = make_events({"a.b": texts(b"x", b"y" * 100, b"z" * 9), "c.d": texts(b"1", b"2", b"3")})
    table = AlignedTable(events.fields("a.b", "c.d"))
    printed = [bytes(render(table, events.batch, np.array([row]))) for row in (0, 2, 1)]
    assert printed == [b"a.b  c.d\nx    1\n", b"z" * 9 + b"  3\n", b"y" * 100 + b"  2\n"]
    limited = bytes(render(AlignedTable(events.fields("a.b", "c.d")), events.batch, ALL_ROWS)).split(b"\n")
    assert [line.index(b" ") for line in limited[:2]] == [3, 1]
    assert {len(line) for line in limited[1:2]} == {60 + 2 + 1}


def test_columns_are_narrowed_to_a_terminal(make_events: Callable[..., Any], texts: Callable[..., Any]) -> None:
    wide, narrow = "é" * 30, b"z" * 25
    events = make_events({"a.b": texts(wide.encode(), b"x"), "c.d": texts(narrow, b"y"), "e.f": texts(b"1" * 40, b"2")})
    fields = events.fields("a.b", "c.d", "e.f")
    lines = bytes(render(AlignedTable(fields, room=60), events.batch, ALL_ROWS)).decode().split("\n")
    # What is left of 60 characters is shared by the columns in front; the last one goes on beyond.
    assert lines[1] == "é" * 17 + "…  " + "z" * 17 + "…  " + "1" * 40
    assert lines[2] == "x".ljust(18) + "  " + "y".ljust(18) + "  2"
    tiny = bytes(render(AlignedTable(fields, room=1), events.batch, ALL_ROWS)).decode().split("\n")
    assert tiny[1] == "é" * 11 + "…  " + "z" * 11 + "…  " + "1" * 40
    assert bytes(render(AlignedTable(fields, room=200), events.batch, ALL_ROWS)) == bytes(
        render(AlignedTable(fields), events.batch, ALL_ROWS)
    )


def test_names_cannot_command_a_terminal(
    make_events: Callable[..., Any], texts: Callable[..., Any], argument_rule: Any
) -> None:
    events = make_events({"json.value": (*texts(b"1"), {"argument": argument_rule})})
    fields = [events.registry.resolve("json.value", "\x1b\t\udcff")]
    assert TabSeparated(fields).heading() == rb"json.value[\x1b\t\xff]" + b"\n"
    assert bytes(render(AlignedTable(fields), events.batch, ALL_ROWS)) == rb"json.value[\x1b\t\xff]" + b"\n1\n"


def test_no_rows(events: Any) -> None:
    nothing = np.array([], np.intp)
    assert bytes(render(TabSeparated(events.fields("evt.num")), events.batch, nothing)) == b""
    assert bytes(render(AlignedTable(events.fields("evt.num")), events.batch, nothing)) == b""
