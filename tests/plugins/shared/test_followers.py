"""Plugins that add asynchronous events to what others produce."""

from __future__ import annotations

import pytest

from scaptools.api import open_capture
from scaptools.capture.writer import CaptureWriter
from scaptools.errors import PluginError
from scaptools.plugins.host import PluginHost
from scaptools.record import record

BOTH = pytest.mark.parametrize("in_process", [False, True], ids=["child", "here"])


def recorded(path, sources, **options):
    with CaptureWriter(path) as writer:
        record(sources, writer, **options)
    with open_capture(path, plugins=PluginHost([plugin for plugin, _ in sources])) as capture:
        fields = ["evt.type", "evt.source", "evt.asynctype", "evt.arg.plugin_id", "evt.arg.data"]
        return [tuple(row.values()) for row in capture.select(fields).to_pylist()]


@BOTH
def test_beside_a_source(build, load, tmp_path, in_process) -> None:
    source, ticker = load(build("sample.c", "3.12.0")), load(build("ticker.c", "3.12.0"), "3", in_process=in_process)
    assert ticker.follows
    events = recorded(tmp_path / "out.scap", [(source, "4"), (ticker, "")])
    assert events[0] == ("state", "syscall", "state", "0", "0 0")
    assert [event[:4] for event in events if event[0] == "pluginevent"] == [("pluginevent", "sample", None, "999")] * 4
    ticks = [event for event in events if event[0] == "tick"]
    assert ticks == [("tick", "sample", "tick", "999", f"{number} 1") for number in (1, 2, 3)]


@BOTH
def test_alone(build, load, tmp_path, in_process) -> None:
    ticker = load(build("ticker.c", "3.7.0"), in_process=in_process)
    events = recorded(tmp_path / "out.scap", [(ticker, "")], limit=4)
    assert [event[1:] for event in events] == [
        ("syscall", name, "0", f"{number} {captures}")
        for number, (name, captures) in enumerate([("state", 0), ("tick", 1), ("tick", 1), ("tick", 1)])
    ]


def test_sources_it_accepts(build, load, tmp_path) -> None:
    more = {"PLUGIN_NAME": '"other"', "PLUGIN_ID": 998, "PLUGIN_SOURCE": '"other"', "FIELD_PREFIX": '"other"'}
    ticker = load(build("ticker.c", "3.12.0", ASYNC_SOURCES=r'"[\"other\"]"'), "2")
    first, second = load(build("sample.c", "3.12.0")), load(build("sample.c", "3.12.0", **more))
    events = recorded(tmp_path / "out.scap", [(ticker, ""), (first, "2"), (second, "2")])
    assert {event[1:4] for event in events if event[0] == "tick"} == {("other", "tick", "998")}
    with pytest.raises(PluginError, match="adds events to the source other only, but what is read is sample"):
        recorded(tmp_path / "out.scap", [(ticker, ""), (first, "2")])
    with pytest.raises(PluginError, match="but what is read is syscall"):
        recorded(tmp_path / "out.scap", [(ticker, "")])
