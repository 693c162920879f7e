from __future__ import annotations

import gzip
import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from scaptools.capture.reader import open_reader
from scaptools.capture.source import open_source
from scaptools.errors import EmptyCaptureError, InputError
from scaptools.testing import CaptureBuilder


def capture_bytes(events: int = 50) -> bytes:
    builder = CaptureBuilder()
    for number in range(events):
        builder.event("chdir", [bytes(8), f"/tmp/{number}\0".encode()], exit=True)
    return builder.to_bytes()


def drained(source: object, step: int, length: int) -> bytes:
    """The whole stream by windows that overlap by what a reader leaves over."""
    position, data = 0, b""
    while True:
        window, final = source.window(position, length)  # type: ignore[attr-defined]
        if final:
            return data + window.tobytes()
        data += window[:step].tobytes()
        position += min(step, len(window))


PACKED = {
    "raw": lambda data: data,
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "gzip members": lambda data: b"".join(gzip.compress(data[i : i + 97]) for i in range(0, len(data), 97)),
    "zstd frames": lambda data: b"".join(zstandard.compress(data[i : i + 97]) for i in range(0, len(data), 97)),
    "gzip and junk": lambda data: gzip.compress(data) + b"not gzip at all",
}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize(("step", "length"), [(1000, 1000), (10, 100), (700, 4096)])
def test_windows_cover_the_stream(packing: str, step: int, length: int, tmp_path: Path) -> None:
    data = capture_bytes()
    path = tmp_path / "any-name"
    path.write_bytes(PACKED[packing](data))
    source = open_source(path)
    try:
        assert drained(source, step, length) == data
        assert source.damage is None
    finally:
        source.close()


@pytest.mark.parametrize("packing", PACKED)
def test_small_windows_deliver_every_event(packing: str, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(PACKED[packing](capture_bytes()))
    reader = open_reader(path, window_bytes=256)
    batches = list(reader.batches())
    assert len(batches) > 5
    assert np.concatenate([batch.numbers() for batch in batches]).tolist() == list(range(1, 51))
    assert not reader.damage


@given(st.integers(1, 400))
def test_a_cut_gzip_gives_every_whole_block_before_the_cut(cut: int) -> None:
    data = gzip.compress(capture_bytes(200), 1)
    reader = open_reader(io.BytesIO(data[:-cut]))
    names = [
        name
        for batch in reader.batches()
        for name in batch.parameters(batch.types_present()[0]).column(1).strings().array.to_pylist()
    ]
    assert names == [f"/tmp/{number}".encode() for number in range(len(names))]
    assert any("gzip" in damage.reason for damage in reader.damage)


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(capture_bytes()))
    writer.start()
    assert sum(len(batch) for batch in open_reader(path).batches()) == 50
    writer.join()


def test_a_stream_cannot_be_read_twice() -> None:
    reader = open_reader(io.BytesIO(capture_bytes()))
    assert sum(len(batch) for batch in reader.batches()) == 50
    with pytest.raises(InputError, match="only once"):
        list(reader.batches())


def test_a_file_can_be_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(capture_bytes())
    reader = open_reader(path)
    assert [sum(len(batch) for batch in reader.batches()) for _ in range(2)] == [50, 50]


def test_a_url_is_read_through_fsspec(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(gzip.compress(capture_bytes()))
    assert sum(len(batch) for batch in open_reader(f"file://{path}").batches()) == 50


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0)])
def test_nothing_in_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_bytes(content)
    with pytest.raises(EmptyCaptureError):
        open_reader(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        open_source(tmp_path / "missing")
