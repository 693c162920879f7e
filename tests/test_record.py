"""Recordings: what is written is what the sources gave, however they behave."""

from __future__ import annotations

import itertools
import resource
import threading
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.plugin import plugin_event
from scaptools.api import open_capture
from scaptools.capture.writer import CaptureWriter
from scaptools.errors import OutputError, PluginError
from scaptools.plugins.contract import EventColumns, EventStream, PluginInfo, ScapEvents, SourceEvent, SourcePlugin
from scaptools.plugins.events import plugin_events
from scaptools.record import record


class Batches(SourcePlugin):
    """Gives the batches it was made with."""

    def __init__(self, batches, number=999, name="batches") -> None:
        super().__init__()
        self.info = PluginInfo(name, "0.1.0", "test", id=number, source=name)
        self.batches = batches
        self.closed = 0

    def open(self, params: str) -> EventStream:
        plugin = self

        class Stream(EventStream):
            def __iter__(self):
                for batch in plugin.batches:
                    if isinstance(batch, Exception):
                        raise batch
                    yield batch

            def close(self) -> None:
                plugin.closed += 1

        return Stream()


def columns(events) -> EventColumns:
    payloads = [payload for payload, _ in events]
    lengths = np.array([len(payload) for payload in payloads], np.uint32)
    return EventColumns(b"".join(payloads), lengths, np.array([ts for _, ts in events], np.uint64))


def read(path) -> list[tuple[int, bytes, int]]:
    found = []
    with open_capture(path) as capture:
        for batch in capture.batches():
            events = plugin_events(batch)
            payloads = events.payloads(batch, events.rows).data.to_pylist()
            found += zip(events.ids.tolist(), payloads, batch.header("ts", events.rows).tolist(), strict=True)
        assert capture.damage == []
    return found


EVENTS = st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 2**63)), max_size=30)


@given(events=EVENTS, cut=st.integers(0, 30))
def test_what_is_recorded_is_read_back(tmp_path_factory, events, cut) -> None:
    path = tmp_path_factory.mktemp("record") / "out.scap"
    singly = [SourceEvent(payload, ts) for payload, ts in events[cut:]]
    with CaptureWriter(path) as writer:
        recording = record([(Batches([columns(events[:cut]), singly]), "")], writer)
    assert read(path) == [(999, payload, ts) for payload, ts in events]
    assert recording.events == len(events)
    assert recording.payload_bytes == sum(len(payload) for payload, _ in events)


@given(events=EVENTS, first=st.integers(-40, 40), last=st.integers(-40, 40))
def test_columns_are_a_sequence(events, first, last) -> None:
    singly = [SourceEvent(payload, ts) for payload, ts in events]
    assert list(columns(events)) == singly
    assert list(columns(events)[first:last]) == singly[first:last]
    for index in (first, last):
        if -len(events) <= index < len(events):
            assert columns(events)[index] == singly[index]
        else:
            with pytest.raises(IndexError):
                columns(events)[index]


def test_complete_events_keep_type_and_id(tmp_path) -> None:
    from scap_formats.blocks import BlockType
    from scap_formats.bodies import build_block

    blocks = [build_block(BlockType.EV_V2_LARGE, {**plugin_event(7, data, ts=9), "options": None, "rest": b""})
              for data in (b"", b"abc", b"abcd")]  # fmt: skip
    events = [block[10 : 10 + 38 + size] for block, size in zip(blocks, (0, 3, 4), strict=True)]
    batch = ScapEvents(b"".join(events), np.array([len(event) for event in events], np.uint32))
    path = tmp_path / "out.scap"
    with CaptureWriter(path) as writer:
        record([(Batches([batch], number=0), "")], writer, limit=2)
    assert path.read_bytes()[28:] == b"".join(blocks[:2])


def test_a_limit_is_exact(tmp_path) -> None:
    path = tmp_path / "out.scap"
    plugin = Batches([columns([(b"x", i) for i in range(10)])] * 3)
    with CaptureWriter(path) as writer:
        assert record([(plugin, "")], writer, limit=13).events == 13
    assert len(read(path)) == 13
    assert plugin.closed == 1


def test_what_came_before_a_failure_is_kept_and_others_go_on(tmp_path) -> None:
    path = tmp_path / "out.scap"
    failing = Batches([[SourceEvent(b"a", 1)], PluginError("breaks", plugin="batches")])
    other = Batches([[SourceEvent(b"b", i)] for i in range(50)], number=5, name="other")
    with pytest.raises(PluginError, match="plugin batches: breaks"), CaptureWriter(path, atomic=False) as writer:
        record([(failing, ""), (other, "")], writer)
    assert Counter(number for number, _, _ in read(path)) == {999: 1, 5: 50}
    assert (failing.closed, other.closed) == (1, 1)


def test_a_busy_source_starves_nobody_and_a_slow_one_delays_nobody(tmp_path) -> None:
    path = tmp_path / "out.scap"
    stop = threading.Event()

    def slowly():
        for i in range(5):
            time.sleep(0.02)
            yield [SourceEvent(b"slow", i)]
        stop.set()

    busy = Batches(itertools.repeat([SourceEvent(b"busy", 1)] * 10), number=5, name="busy")
    with CaptureWriter(path) as writer:
        recording = record([(busy, ""), (Batches(slowly()), "")], writer, duration_s=20, interrupted=stop)
    assert recording.by_plugin["batches"] >= 4
    assert recording.by_plugin["busy"] > 100


def test_an_idle_source_can_be_interrupted(tmp_path) -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    started = time.monotonic()
    with CaptureWriter(tmp_path / "out.scap") as writer:
        record([(Batches(itertools.repeat([])), "")], writer, interrupted=stop)
    assert time.monotonic() - started < 30


def test_little_is_written_through_as_well(tmp_path) -> None:
    path = tmp_path / "out.scap"
    seen: list[int] = []

    def rarely():
        yield [SourceEvent(b"first", 1)]
        deadline = time.monotonic() + 10
        while not seen and time.monotonic() < deadline:
            if path.stat().st_size > 28:
                seen.append(path.stat().st_size)
            time.sleep(0.02)
            yield []

    with CaptureWriter(path, atomic=False) as writer:
        record([(Batches(rarely()), "")], writer)
    assert seen


def test_a_full_disk_is_told_and_what_is_there_can_be_read(tmp_path) -> None:
    path = tmp_path / "out.scap"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    plugin = Batches(itertools.repeat(columns([(b"x" * 100, i) for i in range(100)])))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError, match="writing failed after"), CaptureWriter(path, atomic=False) as writer:
            record([(plugin, "")], writer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with open_capture(path) as capture:
        assert sum(map(len, capture.batches())) > 600
        assert all(damage.truncated for damage in capture.damage)
