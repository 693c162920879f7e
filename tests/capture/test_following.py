from __future__ import annotations

import gzip
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scaptools.capture.batch import EventBatch
from scaptools.capture.reader import CaptureReader, open_reader
from scaptools.errors import InputError
from scaptools.testing import CaptureBuilder

PATIENCE_SECONDS = 10


def events(start: int, count: int) -> bytes:
    builder = CaptureBuilder()
    for number in range(start, start + count):
        builder.event("read", ts=number)
    return builder.to_bytes()[28:]


@contextmanager
def watched(reader: CaptureReader) -> Iterator[list[int]]:
    """The times of the events met so far by a pass in the background, which ends with the block."""
    met: list[int] = []

    def run() -> None:
        for batch in reader.batches():
            met.extend(batch.header("ts").tolist())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield met
    finally:
        reader.stop()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def soon(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_a_growing_file_is_followed_to_its_last_whole_event(tmp_path: Path) -> None:
    path = tmp_path / "grows.scap"
    path.write_bytes(CaptureBuilder().to_bytes() + events(0, 3))
    reader = open_reader(path, follow=True)
    with watched(reader) as met, path.open("ab", buffering=0) as file:
        assert soon(lambda: met == [0, 1, 2])
        more = events(3, 2)
        file.write(more[:50])
        assert soon(lambda: met == [0, 1, 2, 3])
        file.write(more[50:])
        assert soon(lambda: met == [0, 1, 2, 3, 4])
        file.write(events(5, 5000))
        assert soon(lambda: met == list(range(5005)))
    assert not reader.damage


def test_what_is_incomplete_when_following_ends_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "grows.scap"
    path.write_bytes(CaptureBuilder().to_bytes() + events(0, 3)[:-5])
    reader = open_reader(path, follow=True)
    with watched(reader) as met:
        assert soon(lambda: met == [0, 1])
    assert [damage.truncated for damage in reader.damage] == [True]


def test_a_file_that_shrinks_ends(tmp_path: Path) -> None:
    path = tmp_path / "grows.scap"
    path.write_bytes(CaptureBuilder().to_bytes() + events(0, 3))
    reader = open_reader(path, follow=True)
    batches: list[EventBatch] = []
    thread = threading.Thread(target=lambda: batches.extend(reader.batches()))
    thread.start()
    assert soon(lambda: bool(batches))
    path.write_bytes(b"")
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def test_a_pipe_gives_events_as_they_come(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, CaptureBuilder().to_bytes() + events(0, 1))
    reader = open_reader(os.fdopen(reading, "rb", buffering=0), follow=True)
    with watched(reader) as met:
        assert soon(lambda: met == [0])
        os.write(writing, events(1, 1))
        assert soon(lambda: met == [0, 1])
        os.close(writing)
        assert soon(lambda: reader.decompressed_bytes == 28 + 80)


def test_compressed_files_cannot_be_followed(tmp_path: Path) -> None:
    path = tmp_path / "c.scap.gz"
    path.write_bytes(gzip.compress(CaptureBuilder().to_bytes()))
    with pytest.raises(InputError, match="cannot be followed"):
        open_reader(path, follow=True)
