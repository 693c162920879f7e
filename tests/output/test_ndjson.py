from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import ALL_ROWS
from scaptools.output.ndjson import JsonRenderer, scap_json, sysdig_json
from scaptools.output.renderer import render
from scaptools.output.template import Template

MakeEvents = Callable[..., Any]
MakeColumn = Callable[..., Any]
NS = 10**9
START = 1_470_327_477_881_785_348


def printed(renderer: JsonRenderer, events: Any) -> str:
    return bytes(render(renderer, events.batch, ALL_ROWS)).decode()


def sysdig(events: Any, text: str) -> str:
    return printed(sysdig_json(Template.parse(text, events.registry)), events)


def scap(events: Any, *names: str) -> str:
    return printed(scap_json(events.fields(*names)), events)


@pytest.fixture
def events(make_events: MakeEvents, make_column: MakeColumn, texts: Callable[..., Any]) -> Any:
    """Two events; the second one misses whatever can be missing."""
    t, f = ParamType, PrintFormat
    return make_events(
        {
            "evt.num": (t.UINT64, f.ID, make_column(t.UINT64, [2**64 - 1, 7])),
            "evt.time": texts(b"16:17:57.881785348", b"16:17:57.881785349"),
            "evt.rawtime": (t.ABSTIME, f.DEC, make_column(t.ABSTIME, [START, START + 1])),
            "evt.rawtime.ns": (t.ABSTIME, f.PADDED_DEC, make_column(t.ABSTIME, [42, 43])),
            "evt.pad": (t.UINT32, f.PADDED_DEC, make_column(t.UINT32, [42, None])),
            "fd.dev": (t.INT32, f.HEX, make_column(t.INT32, [0x55C4, None])),
            "fd.num": (t.INT64, f.ID, make_column(t.INT64, [-1, None])),
            "fd.cip": (t.IPADDR, f.NA, make_column(t.IPADDR, [b"\1\2\3\4", None])),
            "fd.name": texts(b"/a\x02b\xff", None),
            "fd.net": (t.IPNET, f.NA, make_column(t.IPNET, [bytes(8), None])),
            "fd.types": (t.CHARBUF, f.NA, make_column(t.CHARBUF, [[b"file", b'"'], []], "lists")),
            "proc.args": texts(b'say "\xc3\xa9" \\ /\n\x02\xff', None),
            "evt.is_io": (t.BOOL, f.NA, make_column(t.BOOL, [1, None])),
            "thread.cpu": (t.DOUBLE, f.NA, make_column(t.DOUBLE, [0.1, math.nan])),
            "evt.buffer": (t.BYTEBUF, f.NA, make_column(t.BYTEBUF, [b"\x7fELF\0" + b"\xff" * 90, None])),
        },
        timestamps=[START, START + 1],
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*%proc.args %evt.num", r'{"evt.num":18446744073709551615,"proc.args":"say \"é\" \\ /\n\u0002�"}'),
        ("*%evt.time %evt.rawtime.ns", '{"evt.rawtime.ns":42,"evt.time":1470327477881785348}'),
        ("*%evt.pad %fd.dev", '{"evt.pad":"000000042","fd.dev":"55C4"}'),
        ("*%fd.num %10fd.num text %evt.num", '{"evt.num":18446744073709551615,"fd.num":-1}'),
        ("*%fd.cip %fd.net", '{"fd.cip":"1.2.3.4","fd.net":null}'),
        ("*%evt.is_io %thread.cpu", '{"evt.is_io":true,"thread.cpu":0.1}'),
        ("*%fd.types %fd.name", r'{"fd.name":"/ab","fd.types":["file","\""]}'),
        ("*%evt.buffer", '{"evt.buffer":".ELF.' + "." * 90 + '"}'),
        ("*literal", "null"),
    ],
)
def test_sysdig_style(events: Any, text: str, expected: str) -> None:
    assert sysdig(events, text).splitlines()[0] == expected


def test_missing_values_in_sysdig_style(events: Any) -> None:
    every = "%fd.num %fd.cip %proc.args %evt.is_io %evt.buffer %fd.dev %thread.cpu %fd.types"
    second = sysdig(events, "*" + every).splitlines()[1]
    assert json.loads(second) == dict.fromkeys(every.replace("%", "").split())
    assert sysdig(events, "%evt.num %fd.num").splitlines() == ['{"evt.num":18446744073709551615,"fd.num":-1}']
    assert sysdig(events, "%evt.num").count("\n") == 2


def test_keys_are_tokens_as_written(make_events: MakeEvents, texts: Callable[..., Any], argument_rule: Any) -> None:
    events = make_events({"json.value": (*texts(b"x"), {"argument": argument_rule})})
    line = '{"json.value[\\"/é\\"]":"x","json.value[/a]":"x","json.value[/?]":"x"}\n'
    assert sysdig(events, '%json.value[/\udcff] %json.value["/é"] %json.value[/a]') == line


@pytest.mark.parametrize(
    ("names", "first", "second"),
    [
        (["fd.num", "evt.num"], '{"fd.num":-1,"evt.num":18446744073709551615}', '{"fd.num":null,"evt.num":7}'),
        (
            ["evt.time"],
            '{"evt.time":"2016-08-04T16:17:57.881785348Z","evt.time_ns":1470327477881785348}',
            '{"evt.time":"2016-08-04T16:17:57.881785349Z","evt.time_ns":1470327477881785349}',
        ),
        (
            ["evt.rawtime", "evt.rawtime.ns"],
            '{"evt.rawtime":"2016-08-04T16:17:57.881785348Z","evt.rawtime_ns":1470327477881785348,"evt.rawtime.ns":42}',
            '{"evt.rawtime":"2016-08-04T16:17:57.881785349Z","evt.rawtime_ns":1470327477881785349,"evt.rawtime.ns":43}',
        ),
        (["evt.pad", "fd.dev"], '{"evt.pad":42,"fd.dev":21956}', '{"evt.pad":null,"fd.dev":null}'),
        (["fd.types"], r'{"fd.types":["file","\""]}', '{"fd.types":[]}'),
        (["fd.cip", "fd.net"], '{"fd.cip":"1.2.3.4","fd.net":null}', '{"fd.cip":null,"fd.net":null}'),
        (["proc.args"], r'{"proc.args":"say \"é\" \\ /\n\u0002\\xff"}', '{"proc.args":null}'),
        (["fd.name"], r'{"fd.name":"/a\u0002b\\xff"}', '{"fd.name":null}'),
        (["evt.is_io", "thread.cpu"], '{"evt.is_io":true,"thread.cpu":0.1}', '{"evt.is_io":null,"thread.cpu":null}'),
        (["evt.buffer"], '{"evt.buffer":"\x7fELF\\u0000' + r"\\xff" * 90 + '"}', '{"evt.buffer":null}'),
    ],
)
def test_scap_style(events: Any, names: list[str], first: str, second: str) -> None:
    assert scap(events, *names).splitlines() == [first, second]


@given(st.lists(st.none() | st.integers(0, 2**64 - 1), min_size=1, max_size=10))
def test_instants(make_events: MakeEvents, make_column: MakeColumn, times: list[int | None]) -> None:
    column = make_column(ParamType.ABSTIME, times)
    events = make_events({"container.start_ts": (ParamType.ABSTIME, PrintFormat.DEC, column)})
    for time, line in zip(times, scap(events, "container.start_ts").splitlines(), strict=True):
        text = None
        if time is not None:
            seconds, ns = divmod(time, NS)
            text = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"
        assert json.loads(line) == {"container.start_ts": text, "container.start_ts_ns": time}


def decoded(value: Any, errors: str) -> Any:
    return value.decode("utf-8", errors) if isinstance(value, bytes) else value


SCALARS = {
    ParamType.INT64: st.integers(-(2**63), 2**63 - 1),
    ParamType.CHARBUF: st.binary(max_size=8).map(lambda value: value.replace(b"\0", b"")),
    ParamType.BOOL: st.booleans(),
    ParamType.DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
}


@given(data=st.data())
def test_lines_are_the_values(make_events: MakeEvents, make_column: MakeColumn, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    values: dict[str, list[Any]] = {}
    columns: dict[str, Any] = {}
    for index in range(data.draw(st.integers(1, 5))):
        name = f"f.n{index}"
        type_ = data.draw(st.sampled_from(list(SCALARS)))
        form = data.draw(st.sampled_from(["plain", "coded", "lists"]))
        value = st.none() | (st.lists(st.none() | SCALARS[type_], max_size=3) if form == "lists" else SCALARS[type_])
        values[name] = data.draw(st.lists(value, min_size=count, max_size=count))
        columns[name] = type_, PrintFormat.DEC, make_column(type_, values[name], form)
    events = make_events(columns)
    styles = [
        (sysdig(events, "*" + " ".join(f"%{name}" for name in values)), "replace"),
        (scap(events, *values), "backslashreplace"),
    ]
    for text, errors in styles:
        lines = [json.loads(line) for line in text.split("\n")[:-1]]
        for row, line in enumerate(lines):
            assert list(line) == list(values)
            for name, found in line.items():
                value = values[name][row]
                if isinstance(value, list):
                    expected = [decoded(element, errors) for element in value]
                    assert found == (expected or (None if errors == "replace" else []))
                else:
                    assert found == decoded(value, errors)
        assert len(lines) == count
