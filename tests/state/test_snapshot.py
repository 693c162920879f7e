"""Snapshots and single looks say what the fields of the event say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scaptools.api import Capture
from scaptools.capture.indexing import write_index
from scaptools.capture.reader import open_reader
from scaptools.state.engine import track
from scaptools.state.keeper import CheckpointKeeper
from scaptools.state.looks import event_fd, event_thread
from scaptools.state.snapshot import AccountView, state_at
from scaptools.state.views import FdView, ThreadView, text
from tests.state.scenarios import START, Ev, capture_bytes, events_of, i64, random_operations, reader_of

if TYPE_CHECKING:
    from pathlib import Path

SIX = [
    ("open", 0, 0, 1, 0),
    ("socket", 0, 1, 5, 0),
    ("connect", 0, 1, 1, 0),
    ("clone", 0, 1, 2, 2),
    ("close", 0, 0, 1, 0),
    ("procexit", 0, 0, 0, 2),
]


@pytest.mark.parametrize("window_bytes", [700, 1 << 20])
def test_a_snapshot_shows_what_its_event_sees(tmp_path: Path, window_bytes: int) -> None:
    path = tmp_path / "random.scap"
    path.write_bytes(capture_bytes(events_of(random_operations(3, 120))))
    with Capture(str(path)) as capture:
        seen = [
            [event[name] for name in ("proc.name", "proc.cwd", "proc.fdopencount", "fd.num", "fd.name", "user.uid")]
            + [event.thread, event.fd]
            for event in capture.events()
        ]
        capture.reader.window_bytes = window_bytes
        for number, (name, cwd, count, fd, fd_name, uid, thread, looked_at) in enumerate(seen, 1):
            if number % 5 and number < 200:
                continue
            snapshot = capture.at(number)
            assert snapshot.number == number
            if thread is None:
                continue
            found = snapshot.threads[thread.tid]
            assert found == thread
            assert (found.name, found.cwd, found.uid) == (name, cwd, uid)
            assert len(snapshot.fds(thread.pid)) == count
            if looked_at is not None and fd is not None and fd == looked_at.num:
                assert snapshot.fds(thread.tid)[fd] == looked_at
                assert looked_at.name == fd_name


def test_what_ends_is_still_there_at_the_event_that_ends_it() -> None:
    events = events_of(SIX)
    ending = [number for number, event in enumerate(events, 1) if event.type in {5, 186}]
    events.append(Ev(70, 11, START + 10**6, (i64(0),)))
    closed, ended = (state_at(reader_of(events), number) for number in ending)
    assert 0 in closed.fds(10)
    assert 0 not in ended.fds(10)
    assert 10 in ended.processes
    assert 10 not in state_at(reader_of(events), len(events)).threads
    assert closed.timestamp_ns == events[ending[0] - 1].ts
    with pytest.raises(KeyError):
        ended.fds(4711)


def test_users_groups_and_descriptors_as_text() -> None:
    snapshot = state_at(reader_of(events_of(SIX)), 6)
    assert snapshot.fds(10)[1] == FdView(
        1, "ipv4", "10.0.0.5:40000->10.0.0.5:40000", "udp", ("10.0.0.5", 40000), ("10.0.0.5", 40000)
    )
    assert snapshot.users == {1000: AccountView("me", "/home/me", "/bin/sh")}
    assert snapshot.groups == {1000: AccountView("us")}
    assert snapshot.containers == {}
    assert text(b"\xff\n") == "\\xff\n"


@pytest.mark.parametrize("number", [0, -1, 99])
def test_there_is_no_state_where_there_is_no_event(number: int) -> None:
    with pytest.raises(IndexError, match=f"no event {number}"):
        state_at(reader_of(events_of(SIX)), number)


def test_batches_without_descriptors_have_threads() -> None:
    (batch,) = track(reader_of(events_of(SIX)), ())
    assert isinstance(event_thread(batch, 0), ThreadView)
    with pytest.raises(LookupError, match="needs"):
        event_fd(batch, 0)


def test_an_index_saves_replaying_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "indexed.scap"
    path.write_bytes(capture_bytes(events_of(random_operations(8, 400))))
    last = sum(len(batch) for batch in Capture(str(path)).batches())
    numbers = (1, last // 2, last - 3, last)
    with Capture(str(path)) as capture:
        expected = [vars(capture.at(number)) for number in numbers]
    with open_reader(str(path), window_bytes=4000) as reader:
        write_index(reader, path, keeper=CheckpointKeeper(last // 8))
    with Capture(str(path)) as capture:
        assert len(capture.reader.find_index().checkpoints) > 3
        assert [vars(capture.at(number)) for number in numbers] == expected
