"""Looking ahead: several processes find the first match that one pass would have found."""

from __future__ import annotations

import gzip
import sys
from typing import TYPE_CHECKING

import pytest

from scaptools import lookahead
from scaptools.api import open_capture
from scaptools.capture.reader import Part, open_reader

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="shares are forks, which only Linux is trusted with")

FILTERS = ("evt.type=uselib", "evt.type=execve", "evt.type=procexit")


@pytest.fixture(params=[2, 5])
def shares(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """However small the capture, it is searched in so many parts."""
    monkeypatch.setattr(lookahead, "_WORTH_SHARING", 0)
    monkeypatch.setattr(lookahead, "useful_shares", lambda: request.param)
    return int(request.param)


def sequential(path: Path, expression: str) -> int:
    with open_capture(path) as capture:
        predicate = capture.compile(expression)
        for batch, rows in capture.looked_at(predicate):
            if len(rows):
                return batch.first_number + int(rows[0])
    return 0


def in_parts(path: Path, expression: str) -> int | None:
    with open_capture(path) as capture:
        return lookahead.first_in_parts(capture.reader, capture.compile(expression).select)


@pytest.fixture(scope="module")
def captures(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The shared captures, none of them compressed."""
    folder = tmp_path_factory.mktemp("captures")
    for path in sorted((shared_data / "captures").glob("*.scap")):
        data = path.read_bytes()
        (folder / path.name).write_bytes(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    return sorted(folder.iterdir())


@pytest.mark.usefixtures("shares")
def test_parts_find_what_a_pass_finds(captures: list[Path]) -> None:
    answered = 0
    for path in captures:
        for expression in FILTERS:
            found = in_parts(path, expression)
            answered += found is not None
            assert found in (None, sequential(path, expression)), (path.name, expression)
            with open_capture(path) as capture:
                assert capture.first_match(capture.compile(expression)) == sequential(path, expression)
    assert answered > 20


def test_parts_are_the_whole(captures: list[Path]) -> None:
    path = next(path for path in captures if path.name == "run_as_user_0_container.scap")
    with open_reader(path) as reader:
        size = reader.size
        assert size == path.stat().st_size
        whole = b"".join(batch.raw_blocks() for batch in reader.batches())
        for middle in (size * 7 // 8 // 4 * 4, size * 15 // 16 // 4 * 4):
            begin = reader.boundary(middle)
            assert begin is not None
            parts = [Part(0, middle), Part(begin, None)]
            blocks = [b"".join(batch.raw_blocks() for batch in reader.batches_of_part(part, 1 << 16)) for part in parts]
            assert b"".join(blocks) == whole
            assert all(blocks)


@pytest.mark.usefixtures("shares")
def test_of_a_damaged_capture_only_a_whole_pass_can_tell(captures: list[Path], tmp_path: Path) -> None:
    data = bytearray(max(captures, key=lambda path: path.stat().st_size).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4_000] = bytes(4_000)
    path = tmp_path / "damaged.scap"
    path.write_bytes(data)
    assert in_parts(path, "evt.type=uselib") is None
    with open_capture(path) as capture:
        assert capture.first_match(capture.compile("evt.type=uselib")) == 0
        assert capture.damage
