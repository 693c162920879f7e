"""Plugins that misbehave: each ends in an error of its own, and what came before it is there."""

from __future__ import annotations

import os
import time

import numpy as np
import pyarrow as pa
import pytest

from scaptools.capture.reader import open_reader
from scaptools.capture.writer import CaptureWriter
from scaptools.errors import PluginError
from scaptools.plugins.contract import Payloads
from scaptools.plugins.loading import Loader
from scaptools.plugins.shared.child import Limits
from scaptools.record import record

QUICK = Limits(start_s=5, open_s=0.5, call_s=0.5, memory_bytes=1 << 28)


def faulty(build, fault: str, **more: str) -> str:
    return build("faulty.c", "2.0.0", FAULT=f'"{fault}"', **more)


def recorded(path) -> list[int]:
    """The times of the events of a capture that must be intact."""
    with open_reader(path) as capture:
        times = [int(ts) for batch in capture.batches() for ts in batch.header("ts")]
        assert capture.damage == []
    return times


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no version", "is no plugin: it does not say which API it requires"),
        ("garbled version", "requires an API version that is none: 'two'"),
        ("future version", "requires plugin API 10000000.0.0, which is not known"),
        ("early version", "requires plugin API 0.1.0, an unreleased one"),
        ("unreleased version", "requires plugin API 2.1.0, which is not known"),
        ("null name", "has no name"),
        ("bad own version", "has a version that is none: 'first'"),
        ("no id", "produces events, but has no id"),
        ("reserved source", "produces events of the source syscall, which is reserved"),
        ("crash in init", r"crashed in init \(SIGABRT\)"),
        ("leak at once", "crashed in init"),
    ],
)
def test_loading(build, load, fault, message) -> None:
    with pytest.raises(PluginError, match=message):
        load(faulty(build, fault), limits=QUICK)


def test_hang_in_init(build, load) -> None:
    with pytest.raises(PluginError, match="did not come back from init within 1 s"):
        load(faulty(build, "hang in init"), limits=Limits(start_s=1))


def test_missing_symbol(build, load) -> None:
    with pytest.raises(PluginError, match="lacks the symbol plugin_get_description"):
        load(faulty(build, "", LACKING="1"))


def test_no_library(load, tmp_path) -> None:
    path = tmp_path / "library.so"
    with pytest.raises(PluginError, match="no such file"):
        load(str(path))
    path.write_bytes(b"\x7fELF nonsense")
    with pytest.raises(PluginError, match="cannot be loaded"):
        load(str(path))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("{", "text that is no JSON"),
        ("{}", "JSON that is no list"),
        ("[1]", "entry 0 of its fields is no object"),
        ('[{"name": "f", "desc": "d"}]', "entry 0 of its fields has no type"),
        ('[{"name": "f", "type": "ipaddr", "desc": "d"}]', "has the type 'ipaddr', not one of string, uint64"),
        ('[{"name": "f", "type": "string", "desc": ""}]', "has no desc"),
        ('[{"name": 1, "type": "string", "desc": "d"}]', "has a name that is no string"),
        ('[{"name": "f", "type": "string", "desc": "d", "isList": 1}]', "isList that is neither true nor false"),
        ('[{"name": "f", "type": "string", "desc": "d", "arg": {"isRequired": true}}]', "neither key nor index"),
        ('[{"name": "f", "type": "string", "desc": "d", "arg": 1}]', "an arg that is no object"),
        ('[{"name": "f", "type": "string", "desc": "d", "properties": [1]}]', "no list of strings"),
        ('[{"name": "f", "type": "string", "desc": "d"}, {"name": "f", "type": "string", "desc": "d"}]', "f twice"),
    ],
)
def test_bad_fields(build, load, fields, message) -> None:
    with pytest.raises(PluginError, match=message):
        load(faulty(build, "", FIELDS='"' + fields.replace('"', '\\"') + '"'), in_process=True)


@pytest.mark.parametrize(("fault", "message"), [("null fields", "declares no fields"), ("bad sources", "no JSON")])
def test_bad_declarations(build, load, fault, message) -> None:
    with pytest.raises(PluginError, match=message):
        load(faulty(build, fault, FIELDS='"[]"'), in_process=True)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("failing open", "open failed: the fault's own words"),
        ("null error", "open failed without saying why"),
        ("crash in open", r"crashed in open \(SIGABRT\)"),
        ("hang in open", "did not come back from open within 0.5 s"),
    ],
)
def test_opening(build, load, fault, message) -> None:
    plugin = load(faulty(build, fault), limits=QUICK)
    with pytest.raises(PluginError, match=message):
        plugin.open("")


@pytest.mark.parametrize(
    ("fault", "message", "events"),
    [
        ("segfault", r"crashed in next_batch \(SIGSEGV\)", 3),
        ("exit", r"ended its process in next_batch \(status 7\)", 3),
        ("hang", "did not come back from next_batch within 0.5 s", 3),
        ("failure", "reading events failed: the fault's own words", 3),
        ("failure with events", "reading events failed: the fault's own words", 3),
        ("unknown code", "reading events failed", 3),
        ("negative length", "gave an event of 4294967291 bytes", 3),
        ("null payload", "gave an event at an address that cannot be read", 3),
        ("wild payload", "gave an event at an address that cannot be read", 3),
        ("null batch", "gave a batch of 2 events without any", 3),
        ("endless batch", "gave a batch of 4294967295 events", 3),
        ("empty batch", "gave an empty batch", 3),
        ("leak", "uses [0-9]+ MiB of memory, more than 256", None),
    ],
)
def test_recording(build, load, tmp_path, fault, message, events) -> None:
    plugin = load(faulty(build, fault), limits=QUICK)
    path = tmp_path / "out.scap"
    with pytest.raises(PluginError, match=message), CaptureWriter(path, atomic=False) as writer:
        record([(plugin, "")], writer)
    times = recorded(path)
    assert times[:3] == [1000, 1001, 1002]
    if events is not None:
        assert len(times) == events


@pytest.mark.parametrize("fault", ["", "idle", "crash in close", "crash in destroy", "stdout"])
def test_harmless(build, load, tmp_path, fault, capfd) -> None:
    plugin = load(faulty(build, fault), limits=QUICK)
    path = tmp_path / "out.scap"
    with CaptureWriter(path, atomic=False) as writer:
        record([(plugin, "")], writer)
    plugin.end()
    assert recorded(path) == [1000, 1001, 1002, 1003, 1004]
    assert capfd.readouterr().out == ""


def test_output_of_a_plugin_is_not_data(build, load, capfd) -> None:
    load(faulty(build, "stdout"))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == "printed by the plugin\n"


def test_unset_times_are_now(build, load) -> None:
    before = time.time_ns()
    stream = load(faulty(build, "unset time")).open("")
    times = [event.timestamp_ns for batch in stream for event in batch]
    assert before - 1000 <= times[3] <= time.time_ns()
    assert times[3] % 1000 == 0
    assert times[4] == 1004


def test_long_batches_and_large_events_are_fine(build, load) -> None:
    stream = load(faulty(build, "long batch")).open("")
    sizes = [len(batch) for batch in stream]
    assert sum(sizes) == 3 + (1 << 17)
    stream = load(faulty(build, "large event")).open("")
    assert [len(event.payload) for batch in stream for event in batch] == [7, 7, 7, 20 << 20, 7]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("crash in extraction", r"crashed in extract_fields \(SIGSEGV\)"),
        ("hang in extraction", "did not come back from extract_fields within 0.5 s"),
        ("null values", "gave 1 values of f without any"),
    ],
)
def test_extraction(build, load, fault, message) -> None:
    fields = r'"[{\"name\": \"f\", \"type\": \"string\", \"desc\": \"d\"}]"'
    plugin = load(faulty(build, fault, FIELDS=fields), limits=QUICK)
    with pytest.raises(PluginError, match=message):
        plugin.extract(plugin.prepare(_payloads()), "f", None)


@pytest.mark.parametrize(("fault", "expected"), [("", [None]), ("no values", [None]), ("null texts", [[b"text"]])])
def test_missing_values(build, load, fault, expected) -> None:
    fields = r'"[{\"name\": \"f\", \"type\": \"string\", \"desc\": \"d\", \"isList\": true}]"'
    plugin = load(faulty(build, fault, FIELDS=fields))
    assert plugin.extract(plugin.prepare(_payloads()), "f", None).to_arrow().to_pylist() == expected


def test_endless_list(build, load) -> None:
    fields = r'"[{\"name\": \"f\", \"type\": \"string\", \"desc\": \"d\", \"isList\": true}]"'
    plugin = load(faulty(build, "endless list", FIELDS=fields))
    with pytest.raises(PluginError, match="gave 18446744073709551615 values of f"):
        plugin.extract(plugin.prepare(_payloads()), "f", None)


def test_in_one_process(build) -> None:
    fields = r'"[{\"name\": \"f\", \"type\": \"string\", \"desc\": \"d\"}]"'
    loader = Loader(limits=QUICK, together=True)
    sound = loader.load(build("sample.c", "3.12.0"))
    broken = loader.load(faulty(build, "crash in extraction", FIELDS=fields))
    try:
        assert sound.session.home is broken.session.home
        with pytest.raises(PluginError, match=r"plugin faulty: crashed in extract_fields \(SIGSEGV\)"):
            broken.extract(broken.prepare(_payloads()), "f", None)
        with pytest.raises(PluginError, match=r"plugin sample: (crashed|ended|closed)"):
            sound.extract(sound.prepare(_payloads()), "sample.text", None)
    finally:
        broken.end()
        sound.end()


def test_a_hang_ends_the_process_of_all(build) -> None:
    fields = r'"[{\"name\": \"f\", \"type\": \"string\", \"desc\": \"d\"}]"'
    loader = Loader(limits=QUICK, together=True)
    sound = loader.load(build("sample.c", "3.12.0"))
    broken = loader.load(faulty(build, "hang in extraction", FIELDS=fields))
    try:
        with pytest.raises(PluginError, match=r"plugin faulty: did not come back from extract_fields within 0\.5 s"):
            broken.extract(broken.prepare(_payloads()), "f", None)
        assert sound.session.home.poll() is not None
    finally:
        broken.end()
        sound.end()


def test_nothing_is_left_behind(build, load) -> None:
    plugin = load(faulty(build, "hang"), limits=QUICK)
    process = plugin.session._process.pid
    stream = plugin.open("")
    iterator = iter(stream)
    assert len(next(iterator)) == 3
    with pytest.raises(PluginError, match="did not come back"):
        next(iterator)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def _payloads() -> Payloads:
    return Payloads(pa.array([b"x"], pa.binary()), np.ones(1, np.uint64), np.ones(1, np.uint64))
