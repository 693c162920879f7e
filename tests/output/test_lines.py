from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import ALL_ROWS, Rows
from scaptools.fields.paramtext.style import CURRENT, TextStyle
from scaptools.output import renderer
from scaptools.output.lines import LineRenderer
from scaptools.output.renderer import render
from scaptools.output.template import PRESETS, Template

MakeEvents = Callable[..., Any]
MakeColumn = Callable[..., Any]


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, tuple[ParamType, list[Any], str]], int]:
    count = draw(st.integers(1, 15))
    columns = {}
    for name in draw(st.lists(st.sampled_from(["a.b", "a.bc", "c.d", "e"]), min_size=1, unique=True)):
        type_, value = draw(
            st.sampled_from(
                [
                    (ParamType.INT64, st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3)),
                    (ParamType.CHARBUF, st.binary(max_size=6).map(lambda text: text.replace(b"\0", b"0"))),
                    (ParamType.BOOL, st.booleans()),
                ]
            )
        )
        missing = st.none() if draw(st.booleans()) else st.nothing()
        values = draw(st.lists(missing | value, min_size=count, max_size=count))
        columns[name] = type_, values, draw(st.sampled_from(["plain", "coded"]))
    return columns, count


def text_of(type_: ParamType, value: Any) -> bytes:
    if type_ is ParamType.BOOL:
        return b"true" if value else b"false"
    return value if isinstance(value, bytes) else b"%d" % value


def naive_lines(template: Template, columns: dict[str, tuple[ParamType, list[Any], str]], rows: list[int]) -> bytes:
    """The lines one event and one field at a time."""
    result = b""
    for row in rows:
        line = b""
        for token in template.tokens:
            if isinstance(token, bytes):
                line += token
                continue
            type_, values, _ = columns[token.field.name]
            if values[row] is None and not template.keeps_missing:
                break
            text = b"<NA>" if values[row] is None else text_of(type_, values[row])
            line += text[: token.width].ljust(token.width) if token.width else text
        else:
            result += line + b"\n"
    return result


@given(table=tables(), data=st.data())
def test_equals_formatting_each_event(make_events: MakeEvents, make_column: MakeColumn, table: Any, data: Any) -> None:
    columns, count = table
    events = make_events(
        {
            name: (type_, PrintFormat.DEC, make_column(type_, values, form))
            for name, (type_, values, form) in columns.items()
        }
    )
    field = st.builds("%{}{}".format, st.sampled_from(["", "3", "12"]), st.sampled_from(sorted(columns)))
    tokens = data.draw(st.lists(field | st.sampled_from([" ", "|", "é"]), min_size=1, max_size=8))
    template = Template.parse(data.draw(st.sampled_from(["", "*"])) + "".join(tokens), events.registry)
    chosen = data.draw(st.lists(st.integers(0, count - 1), unique=True).map(sorted) | st.none())
    rows: Rows = ALL_ROWS if chosen is None else np.array(chosen, np.intp)
    expected = naive_lines(template, columns, list(range(count)) if chosen is None else chosen)
    assert bytes(render(LineRenderer(template), events.batch, rows)) == expected


def test_default_line(make_events: MakeEvents, make_column: MakeColumn, texts: Callable[..., Any]) -> None:
    events = make_events(
        {
            "evt.num": (ParamType.UINT64, PrintFormat.ID, make_column(ParamType.UINT64, [141, 1194])),
            "evt.outputtime": texts(b"16:17:57.881785348", b"17:35:48.519213330"),
            "evt.cpu": (ParamType.INT16, PrintFormat.ID, make_column(ParamType.INT16, [0, 3])),
            "proc.name": texts(b"cat", None),
            "thread.tid": (ParamType.INT64, PrintFormat.ID, make_column(ParamType.INT64, [20072, -1])),
            "evt.dir": texts(b"<", b">"),
            "evt.type": texts(b"open", b"sendto"),
            "evt.info": texts(b"fd=3(<f>/etc/ld.so.cache) flags=4097(O_RDONLY|O_CLOEXEC) mode=0 ", b""),
        }
    )
    template = Template.parse(PRESETS[""], events.registry)
    assert bytes(render(LineRenderer(template), events.batch, ALL_ROWS)) == (
        b"141 16:17:57.881785348 0 cat (20072) < open "
        b"fd=3(<f>/etc/ld.so.cache) flags=4097(O_RDONLY|O_CLOEXEC) mode=0 \n"
        b"1194 17:35:48.519213330 3 <NA> (-1) > sendto \n"
    )


def test_widths_of_missing_values(make_events: MakeEvents, texts: Callable[..., Any]) -> None:
    """Sysdig prints ``<NA>      |<NA|`` for this format and an event without a file."""
    events = make_events({"fd.name": texts(None, b"/dev/null")})
    template = Template.parse("*%10fd.name|%3fd.name|", events.registry)
    assert bytes(render(LineRenderer(template), events.batch, ALL_ROWS)) == b"<NA>      |<NA|\n/dev/null |/de|\n"


def test_format_without_fields(make_events: MakeEvents, texts: Callable[..., Any]) -> None:
    events = make_events({"a.b": texts(b"1", b"2", b"3")})
    for text, line in (("abc", b"abc\n"), ("*", b"\n")):
        template = Template.parse(text, events.registry)
        assert bytes(render(LineRenderer(template), events.batch, slice(1, None))) == line * 2


def test_no_rows(make_events: MakeEvents, texts: Callable[..., Any]) -> None:
    events = make_events({"a.b": texts(b"1", None)})
    template = Template.parse("%a.b", events.registry)
    for rows in (np.array([], np.intp), np.array([1])):
        lines = LineRenderer(template)
        assert list(lines.print(lines.gather(events.batch, rows))) == []


@pytest.mark.parametrize("rows", [ALL_ROWS, slice(3, 90, 2), np.array([0, 5, 6, 99])])
def test_wide_formats_are_rendered_in_portions(
    make_events: MakeEvents, texts: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, rows: Rows
) -> None:
    events = make_events({"a.b": texts(*(b"%d" % row for row in range(100)))})
    template = Template.parse("%50a.b|", events.registry)
    whole = bytes(render(LineRenderer(template), events.batch, rows))
    monkeypatch.setattr(renderer, "_PORTION_BYTES", 520)
    lines = LineRenderer(template)
    parts = list(lines.print(lines.gather(events.batch, rows)))
    assert all(len(part) <= 520 for part in parts)
    assert len(parts) > 1 or len(whole) <= 520
    assert b"".join(parts) == whole


def test_unprintable_bytes_of_paths(make_events: MakeEvents, texts: Callable[..., Any]) -> None:
    events = make_events({"fd.name": texts(b"/a\x01\xc3\xa9b", None), "proc.name": texts(b"\x01", b"x")})
    template = Template.parse("*%fd.name %proc.name", events.registry)
    assert bytes(render(LineRenderer(template), events.batch, ALL_ROWS)) == b"/ab \x01\n<NA> x\n"
    current = replace(TextStyle(), dialect=CURRENT)
    assert bytes(render(LineRenderer(template, current), events.batch, ALL_ROWS)) == b"/a\x01\xc3\xa9b \x01\n<NA> x\n"
