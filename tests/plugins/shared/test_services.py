"""What a host of API 3.x offers: tables, log lines, routines, asynchronous events."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scaptools.api import open_capture
from scaptools.capture.writer import CaptureWriter
from scaptools.errors import PluginError
from scaptools.plugins.contract import Payloads
from scaptools.plugins.shared.services import _TABLES, SYSTEM
from scaptools.record import record

BOTH = pytest.mark.parametrize("in_process", [False, True], ids=["child", "here"])


def payloads(*values: bytes) -> Payloads:
    numbers = np.arange(1, len(values) + 1, dtype=np.uint64)
    return Payloads(pa.array(values, pa.binary()), numbers, numbers)


@pytest.fixture(autouse=True)
def no_tables():
    """Tables are the process's; every test begins without any."""
    _TABLES.clear()
    SYSTEM.clear()
    _TABLES[SYSTEM.threads.name] = SYSTEM.threads


@BOTH
def test_tables(build, load, in_process) -> None:
    plugin = load(build("tables.c", "3.12.0"), in_process=in_process)
    assert plugin.declaration.capabilities == {"sourcing", "extraction", "parsing", "async", "capture listening"}
    for _ in range(2):  # events that were parsed once are not parsed again
        prepared = plugin.prepare(payloads(b"one", b"three"))
        for name, value in (("total", 8), ("bytes", 8), ("comm", b"worker"), ("threads", 1)):
            assert plugin.extract(prepared, f"tables.{name}", None).to_arrow().to_pylist() == [value, value]


@pytest.mark.parametrize(
    ("config", "message"),
    [("slots", "two kinds of get_table_size, or none"), ("no ext", "table tallies lacks reader_ext")],
)
def test_refused_tables(build, load, config, message) -> None:
    with pytest.raises(PluginError, match=f"init failed: table tallies.*{message.partition('lacks')[2] or message}"):
        load(build("tables.c", "3.12.0"), config, in_process=True)


def test_tables_go_with_their_plugin(build, load) -> None:
    library = build("tables.c", "3.12.0")
    load(library, in_process=True).end()
    assert set(_TABLES) == {"threads"}


def test_log_lines(build, load, capfd) -> None:
    load(build("tables.c", "3.12.0"))
    assert capfd.readouterr().err == "component: a warning\n"


@BOTH
def test_asynchronous_events(build, load, tmp_path, in_process) -> None:
    plugin = load(build("tables.c", "3.12.0"), in_process=in_process)
    path = tmp_path / "out.scap"
    with CaptureWriter(path) as writer:
        assert record([(plugin, "")], writer).events == 2
    with open_capture(path) as capture:
        first, second = capture.events()
        assert (first.type, second.type) == ("pluginevent", "tick")
        assert second["evt.arg.plugin_id"] == "999"
        assert second["evt.arg.name"] == "tick"
        assert second.timestamp_ns >= first.timestamp_ns
