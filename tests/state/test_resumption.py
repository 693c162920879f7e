"""A pass that begins with a state kept in an index says what one from the beginning says."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from scaptools.api import Capture
from scaptools.capture.index import CaptureIndex
from scaptools.capture.indexing import write_index
from scaptools.capture.reader import open_reader
from scaptools.fields.catalog import Catalog
from scaptools.state.engine import ALL_NEEDS, StateEngine
from scaptools.state.keeper import CheckpointKeeper
from scaptools.state.resumption import batches_from
from tests.state.scenarios import capture_bytes, events_of, random_operations

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from scaptools.capture.batch import EventBatch

NAMES = ("proc.name", "proc.pid", "proc.cwd", "proc.nchilds", "user.name", "fd.name", "evt.latency", "evt.args")
CATALOG = Catalog()
CHUNK = 4000


def answers(batches: Iterable[EventBatch]) -> dict[int, tuple[Any, ...]]:
    """What the fields say of every event, by its number."""
    found = {}
    for batch in batches:
        columns = [CATALOG.parse(name).column(batch, slice(None)).to_arrow().to_pylist() for name in NAMES]
        found.update(zip(batch.numbers().tolist(), zip(*columns, strict=True), strict=True))
    return found


def index_of(path: Path, events_between: int = 100) -> CaptureIndex:
    with open_reader(path, window_bytes=CHUNK) as reader:
        return write_index(reader, path, keeper=CheckpointKeeper(events_between), point_bytes=CHUNK)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["raw", "gzip"])
@pytest.mark.parametrize("seed", range(3))
def test_the_rest_is_as_it_was(seed: int, pack: Any, tmp_path: Path) -> None:
    path = tmp_path / "c.scap"
    path.write_bytes(pack(capture_bytes(events_of(random_operations(seed, 600)))))
    index = index_of(path)
    assert len(index.checkpoints) >= 2
    everything = answers(batches_from(open_reader(path), ALL_NEEDS, 1))
    for begin in (1, 150, *(index.checkpoints["number"] + 1).tolist(), len(everything)):
        found = answers(batches_from(open_reader(path), ALL_NEEDS, begin))
        assert set(range(begin, len(everything) + 1)) <= set(found)
        assert found == {number: answer for number, answer in everything.items() if number in found}


def test_what_comes_before_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.scap"
    path.write_bytes(capture_bytes(events_of(random_operations(1, 600))))
    last = int(index_of(path).checkpoints["number"][-1])
    seen = []
    original = StateEngine.advance

    def noting(self: StateEngine, batch: EventBatch) -> Any:
        seen.append(batch.first_number)
        return original(self, batch)

    monkeypatch.setattr(StateEngine, "advance", noting)
    with Capture(path, catalog=CATALOG) as capture:
        name = CATALOG.parse("proc.name")
        wanted = [row for _, rows in capture.matches(f"evt.num = {last + 3}", fields=[name]) for row in rows.tolist()]
    assert len(wanted) == 1
    assert min(seen) == last


def test_what_is_no_state_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.scap"
    path.write_bytes(capture_bytes(events_of(random_operations(2, 600))))
    last = int(index_of(path).checkpoints["number"][-1])
    expected = answers(batches_from(open_reader(path), ALL_NEEDS, 1))
    monkeypatch.setattr(CaptureIndex, "checkpoint", lambda self, row: memoryview(b"rubbish"))
    assert answers(batches_from(open_reader(path), ALL_NEEDS, last)) == expected
