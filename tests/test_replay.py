"""Replays: the events of captures in order of time, when they are due."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scaptools.api import open_capture
from scaptools.capture.writer import CaptureWriter
from scaptools.errors import FilterError, NotACaptureError, PluginError
from scaptools.fields.catalog import Catalog
from scaptools.plugins.contract import EventColumns, PluginInfo, ScapEvents
from scaptools.plugins.replay import ReplayPlugin, replay_of
from scaptools.record import record
from scaptools.replay import Pace, Replay
from scaptools.testing.builders import CaptureBuilder


@pytest.fixture
def streams(tmp_path):
    """Two plugin streams and system events whose times interleave."""
    one, two, host = CaptureBuilder(), CaptureBuilder(), CaptureBuilder()
    for i in range(5):
        one.plugin_event(b"one %d" % i, plugin_id=2, ts=10**18 + 3 * i)
        two.plugin_event(b"two %d" % i, plugin_id=3, ts=10**18 + 3 * i + 1)
        host.event("close", [(0).to_bytes(8, "little")], exit=True, ts=10**18 + 3 * i + 2)
    return [str(builder.write(tmp_path / f"{n}.scap")) for n, builder in enumerate((one, two, host))]


def times(replay, *args) -> list[int]:
    return [int(ts) - 10**18 for batch, rows in replay.batches(*args) for ts in batch.header("ts", rows)]


def test_captures_are_merged_by_time(streams) -> None:
    assert times(Replay(streams)) == list(range(15))
    assert times(Replay(streams[:1])) == [0, 3, 6, 9, 12]


def test_a_filter_separates_them_again(streams) -> None:
    catalog = Catalog()
    assert times(Replay(streams, catalog=catalog), "evt.type = close") == [2, 5, 8, 11, 14]
    assert times(Replay(streams, catalog=catalog), "evt.source = syscall or evt.pluginname exists")[:2] == [0, 2]
    with pytest.raises(FilterError):
        times(Replay(streams), "evt.type =")


def test_a_reader_that_stops_early_ends_the_merge(streams) -> None:
    batches = Replay(streams).batches()
    next(batches)
    batches.close()


def test_a_broken_capture_is_the_error(streams, tmp_path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"no capture at all")
    for captures in ([str(bad)], [*streams, str(bad)]):
        with pytest.raises(NotACaptureError, match="bad"):
            times(Replay(captures))


def test_damage_is_collected(streams, tmp_path) -> None:
    cut = tmp_path / "cut.scap"
    cut.write_bytes(Path(streams[0]).read_bytes()[:-10])
    for captures in ([str(cut)], [str(cut), streams[1]]):
        replay = Replay(captures)
        assert len(times(replay)) == 5 * len(captures) - 1
        assert [error.path for error in replay.damage] == [str(cut)]


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 5.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


@pytest.mark.parametrize(("speed", "slept"), [(1, [1.0, 2.5]), (2, [0.5, 1.25])])
def test_pace(speed, slept) -> None:
    clock = Clock()
    pace = Pace(speed, lambda: clock.now, clock.sleep)
    second = 10**9
    ts = 10**18 + np.array([0, second, second, second // 2, 7 * second // 2], np.int64)
    groups = [group for part in (ts[:3], ts[3:]) for group in pace.groups(part.astype(np.uint64))]
    assert groups == [slice(0, 1), slice(1, 3), slice(0, 1), slice(1, 2)]
    assert clock.slept == slept


def test_a_paced_replay_gives_every_event(streams) -> None:
    assert times(Replay(streams, pace=Pace(1.0))) == list(range(15))


def test_recording_a_replay_is_the_identity(streams, tmp_path) -> None:
    out = tmp_path / "out.scap"
    with CaptureWriter(out) as writer:
        record([(ReplayPlugin(), streams[0])], writer)
    assert out.read_bytes()[28:] == Path(streams[0]).read_bytes()[28:]


def test_a_replay_stands_in_for_a_plugin(streams, tmp_path) -> None:
    mixed = tmp_path / "mixed.scap"
    with CaptureWriter(mixed) as writer:
        for batch, rows in Replay(streams).batches():
            writer.write([batch.raw_blocks(rows)] if writer.bytes_written else [])
            if not writer.bytes_written:
                writer.section_header()
                writer.write([batch.raw_blocks(rows)])
    stand_in = replay_of(PluginInfo("two", "1.0.0", "stands in", id=3, source="two"))()
    (batch,) = list(stand_in.open(str(mixed)))
    assert isinstance(batch, EventColumns)
    assert [event.payload for event in batch] == [b"two %d" % i for i in range(5)]
    (everything,) = list(ReplayPlugin().open(str(mixed)))
    assert isinstance(everything, ScapEvents)
    assert len(everything) == 10


def test_a_replay_plugin_says_what_is_wrong(streams, tmp_path) -> None:
    with pytest.raises(PluginError, match="plugin replay: open failed"):
        ReplayPlugin().open(str(tmp_path / "nothing"))
    cut = tmp_path / "cut.scap"
    cut.write_bytes(Path(streams[0]).read_bytes()[:-10])
    stream = iter(ReplayPlugin().open(str(cut)))
    assert len(next(stream)) == 4
    with pytest.raises(PluginError, match="reading events failed"):
        next(stream)


def test_a_million_events(tmp_path) -> None:
    count = 1_000_000
    lengths = (np.arange(count) % 7).astype(np.uint32)
    data = bytes(int(lengths.sum()))
    ts = np.arange(count, dtype=np.uint64) + 10**18
    path, again = tmp_path / "a.scap", tmp_path / "b.scap"
    from scaptools.capture.encode import encode_plugin_columns

    with CaptureWriter(path) as writer:
        writer.section_header()
        writer.write([encode_plugin_columns(4, data, lengths, ts)])
    with CaptureWriter(again) as writer:
        record([(replay_of(PluginInfo("four", "1.0.0", "x", id=4, source="four"))(), str(path))], writer)
    assert again.read_bytes() == path.read_bytes()
    with open_capture(again) as capture:
        assert sum(map(len, capture.batches())) == count
