"""Plugins of API 3 that extract from and parse system calls, with the host's tables and each other's."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from scaptools.api import open_capture
from scaptools.errors import PluginError
from scaptools.fields.catalog import Catalog
from scaptools.filter import compile_filter
from scaptools.plugins.host import PluginHost
from scaptools.plugins.loading import Loader

BOTH = pytest.mark.parametrize("in_process", [False, True], ids=["child", "here"])
#: Captures of the oldest and the newest kind of event block.
CAPTURES = pytest.mark.parametrize(
    "name", ["open-multiple-files.scap", "curl_google.scap", "run_as_user_0_container.scap"]
)
OPENS = ("3", "307")


@pytest.fixture
def hosted(build):
    """Hosts with the keeper of a table and, by default, a plugin that reads it; given up in the end."""
    hosts = []

    def host(*, in_process: bool = False, peer: bool = True, types: str = "", version: str = "3.12.0") -> PluginHost:
        loader = Loader(in_process=in_process, together=True)
        host = PluginHost([loader.load(build("watch.cpp", version, KEEPER=1), types)])
        hosts.append(host)
        if peer:
            host.add(loader.load(build("watch.cpp", version, PLUGIN_NAME='"peer"')))
        return host

    yield host
    for each in hosts:
        for plugin in reversed(each.plugins):
            plugin.end()


def table(path, host, *fields: str, where: str | None = None) -> list[dict]:
    with open_capture(path, plugins=host) as capture:
        return capture.select(list(fields), where=where).to_pylist()


@CAPTURES
@BOTH
def test_state_is_that_of_each_event(hosted, shared_data, name, in_process) -> None:
    rows = table(
        shared_data / "captures" / name, hosted(in_process=in_process),
        "evt.num", "thread.tid", "watch.event", "watch.opens", "peer.opens", "peer.asked", "watch.comm", "proc.name",
        "watch.parent", "proc.pname", "fd.num", "fd.name", "watch.fd[3]", "watch.args", "proc.args",
    )  # fmt: skip
    opens, asked = Counter(), Counter()
    for row in rows:
        number, type_, source = row["watch.event"].split()
        assert (int(number), source) == (row["evt.num"], "syscall")
        tid = row["thread.tid"]
        opens[tid] += type_ in OPENS
        assert row["watch.opens"] == opens[tid]
        asked[tid] += opens[tid] > 0
        assert row["peer.opens"] == (opens[tid] or None)
        assert row["peer.asked"] == (asked[tid] or None)
        assert row["watch.comm"] == row["proc.name"]
        assert row["watch.parent"] == row["proc.pname"]
        if row["fd.num"] == 3:
            assert row["watch.fd[3]"] == row["fd.name"]
    assert opens.total() > 0


def test_parameters_of_old_blocks(hosted, shared_data) -> None:
    path = shared_data / "captures" / "open-multiple-files.scap"
    rows = table(path, hosted(peer=False), "watch.param[1]", "evt.rawarg.name", where="evt.type=open and evt.dir=<")
    assert len(rows) > 10
    assert all(row["watch.param[1]"].rstrip("\0") == row["evt.rawarg.name"] for row in rows)


@BOTH
def test_only_the_listed_types(hosted, shared_data, in_process) -> None:
    path = shared_data / "captures" / "open-multiple-files.scap"
    host = hosted(types="[3]", peer=False, in_process=in_process)
    rows = table(path, host, "watch.event", "evt.type", "evt.dir")
    assert {row["watch.event"].split()[1] for row in rows if row["watch.event"]} == {"3"}
    for row in rows:
        assert (row["watch.event"] is not None) == ((row["evt.type"], row["evt.dir"]) == ("open", "<"))


def test_filters_and_passes_start_anew(hosted, shared_data) -> None:
    path, host = shared_data / "captures" / "open-multiple-files.scap", hosted()
    once = table(path, host, "evt.num", "watch.opens", where="watch.opens > 5")
    assert once
    assert table(path, host, "evt.num", "watch.opens", where="watch.opens > 5") == once
    with open_capture(path, plugins=host) as capture:
        assert [event["watch.opens"] for event in capture.filter("watch.opens > 5")] == [
            row["watch.opens"] for row in once
        ]


def test_values_need_not_be_in_a_pass(hosted, shared_data) -> None:
    host = hosted(peer=False)
    with open_capture(shared_data / "captures" / "sample.scap", plugins=host) as capture:
        batch = next(capture.batches())
        predicate = compile_filter("watch.event contains syscall", Catalog(host))
        assert len(predicate.select(batch)) == len(batch)


def test_foreign_events_have_no_value(hosted, build, load, tmp_path) -> None:
    from scaptools.capture.writer import CaptureWriter
    from scaptools.record import record

    with CaptureWriter(tmp_path / "out.scap") as writer:
        record([(load(build("sample.c", "3.12.0")), "5")], writer)
    rows = table(tmp_path / "out.scap", hosted(), "evt.num", "watch.event", "watch.opens", "peer.opens")
    assert [list(row.values()) for row in rows] == [[number, None, None, None] for number in range(1, 6)]


def test_a_table_needs_its_plugin(build, load) -> None:
    with pytest.raises(PluginError, match="init failed: there is no table of openers"):
        load(build("watch.cpp", "3.12.0", PLUGIN_NAME='"peer"'))


def test_on_the_command_line(build, shared_data) -> None:
    keeper, peer = build("watch.cpp", "3.12.0", KEEPER=1), build("watch.cpp", "3.12.0", PLUGIN_NAME='"peer"')
    path = str(shared_data / "captures" / "open-multiple-files.scap")
    done = subprocess.run(
        [sys.executable, "-m", "scaptools.cli.main", "filter", "peer.opens >= 12", path, "-n", "2",
         "--plugin", keeper, "--plugin", peer, "-p", "%evt.num %evt.type %watch.opens %peer.opens %watch.comm"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].split()[1:] == ["open", "12", "12", "python"]
