"""From every seek point of a gzip file comes what a decoder that began at the beginning would have given."""

from __future__ import annotations

import gzip
import random
import threading
import zlib
from typing import TYPE_CHECKING

import pytest

from scaptools.capture import gathering
from scaptools.capture.compression import GzipDecoder, Peeked
from scaptools.capture.gathering import gather_seek_points
from scaptools.capture.seekpoints import SeekPoint

if TYPE_CHECKING:
    from pathlib import Path


def texts(size: int, seed: int) -> bytes:
    """Bytes that compress, with copies from far back and stretches that do not compress at all."""
    chance, made = random.Random(seed), bytearray()
    while len(made) < size:
        if len(made) > 40_000 and chance.random() < 0.4:
            back = chance.randrange(1, 32_768)
            made += made[-back : len(made) - back + chance.randrange(20, 300)]
        elif chance.random() < 0.02:
            made += chance.randbytes(3000)
        else:
            made += b" ".join(b"%d" % chance.randrange(1000) for _ in range(chance.randrange(1, 40)))
    return bytes(made[:size])


def packed(data: bytes, level: int) -> bytes:
    return gzip.compress(data, level, mtime=0)


def small_blocks(data: bytes) -> bytes:
    """A member of very many blocks, stored, fixed and dynamic ones, that begin at all bits."""
    compressor, pieces, at = zlib.compressobj(6, zlib.DEFLATED, 31, 1), [], 0
    chance = random.Random(5)
    while at < len(data):
        size = chance.randrange(20, 4000)
        pieces.append(compressor.compress(data[at : at + size]))
        pieces.append(compressor.flush(chance.choice((zlib.Z_PARTIAL_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_BLOCK))))
        at += size
    return b"".join([*pieces, compressor.flush()])


DATA = texts(600_000, 1)
FORMS = {
    "stored": packed(DATA, 0),
    "fast": packed(DATA, 1),
    "usual": packed(DATA, 6),
    "best": packed(DATA, 9),
    "small blocks": small_blocks(DATA),
    "members": b"".join(packed(DATA[at : at + 70_000], 6) for at in range(0, len(DATA), 70_000)),
    "small members": b"".join(packed(DATA[at : at + 700], 6) for at in range(0, len(DATA), 700)),
    "rubbish behind": packed(DATA, 6) + b"no gzip",
}


def points_of(packed_data: bytes, path: Path, distance: int) -> list[SeekPoint]:
    path.write_bytes(packed_data)
    return gather_seek_points(path, threading.Event(), distance)


def from_point(path: Path, point: SeekPoint) -> tuple[bytes, object]:
    with path.open("rb") as file:
        decoder = GzipDecoder(Peeked(file))
        decoder.seek(point)
        pieces = []
        while piece := decoder.read(50_000):
            pieces.append(piece)
        return b"".join(pieces), decoder.damage


@pytest.mark.parametrize("form", FORMS)
def test_everything_behind_a_point_comes_out(form: str, tmp_path: Path) -> None:
    path = tmp_path / "c.gz"
    points = points_of(FORMS[form], path, 10_000)
    assert 5 < len(points) <= 60
    previous = 0
    for point in points:
        assert point.whole - previous >= 10_000
        previous = point.whole
        assert from_point(path, point) == (DATA[point.whole :], None)


def test_blocks_begin_at_every_bit(tmp_path: Path) -> None:
    path = tmp_path / "c.gz"
    points = points_of(FORMS["small blocks"], path, 1)
    assert {point.bits for point in points if point.raw} == set(range(8))
    for bits in range(8):
        point = next(point for point in points if point.raw and point.bits == bits)
        assert from_point(path, point) == (DATA[point.whole :], None)


@pytest.mark.parametrize("cut", [30, 5])
def test_a_cut_file_has_points_up_to_the_cut(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "c.gz"
    points = points_of(FORMS["usual"][:-cut], path, 50_000)
    assert points
    found, damage = from_point(path, points[-1])
    assert DATA[points[-1].whole :].startswith(found)
    assert damage is not None


def test_damage_ends_the_points(tmp_path: Path) -> None:
    path = tmp_path / "c.gz"
    points = points_of(FORMS["stored"], path, 10_000)
    middle = len(points) // 2
    data = bytearray(FORMS["stored"])
    assert points[middle].bits == 0
    # There is no such kind of block.
    data[points[middle].compressed] = 0xFF
    assert points_of(bytes(data), path, 10_000) == points[: middle + 1]


def test_stopping_ends_the_pass(tmp_path: Path) -> None:
    path = tmp_path / "c.gz"
    path.write_bytes(FORMS["usual"])
    stop = threading.Event()
    stop.set()
    assert gather_seek_points(path, stop, 10_000) == []


def test_without_zlib_there_are_no_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_LIBRARIES", ("libno-such-library.so.1",))
    gathering._zlib.cache_clear()
    try:
        assert points_of(FORMS["usual"], tmp_path / "c.gz", 10_000) == []
    finally:
        gathering._zlib.cache_clear()
