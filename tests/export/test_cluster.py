from __future__ import annotations

import os
import signal
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scaptools import open_capture
from scaptools.capture.index import CHUNK_BYTES
from scaptools.capture.indexing import write_index
from scaptools.capture.reader import open_reader
from scaptools.cluster import Part, parts_of
from scaptools.errors import NotACaptureError, OutputError
from scaptools.export.cluster import DatasetJob, export_on_cluster, export_part
from scaptools.state.keeper import CheckpointKeeper
from scaptools.testing import CaptureBuilder

FIELDS = ["evt.num", "evt.time", "evt.type", "proc.name", "fd.name", "evt.latency", "evt.args"]


def rows_of(folder: Path, name: str = "") -> list[dict[str, object]]:
    """The rows of a dataset's files with a name, in the order of the capture."""
    tables = [pq.read_table(path) for path in sorted(folder.rglob(f"{name}*.parquet"))]
    return sorted(pa.concat_tables(tables).to_pylist(), key=lambda row: row["evt.num"])


@pytest.fixture
def large(tmp_path: Path, shared_data: Path) -> Path:
    """A capture of several batches."""
    data = (shared_data / "captures" / "run_as_user_0_container.scap").read_bytes()
    import gzip

    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    reader = open_capture(shared_data / "captures" / "run_as_user_0_container.scap")
    batch = next(iter(reader.batches()))
    events = batch.raw_blocks()
    path = tmp_path / "large.scap"
    path.write_bytes(data + events * (12_000_000 // len(events)))
    return path


def test_parts_are_the_whole_and_can_be_done_again(large: Path, tmp_path: Path) -> None:
    job = DatasetJob(str(tmp_path / "set"), FIELDS, "evt.type in (open, close)", "syscall")
    counts = [sum(export_part(Part(str(large), index, 2, f"p{index}"), job).rows.values()) for index in (0, 1, 1)]
    assert counts[1] == counts[2] > 0
    assert counts[0] > 0
    assert rows_of(tmp_path / "set") == open_capture(large).to_arrow(FIELDS, where=job.where).to_pylist()


def test_parts_may_begin_with_a_state_that_was_kept(large: Path, tmp_path: Path) -> None:
    with open_reader(large, window_bytes=CHUNK_BYTES) as reader:
        write_index(reader, large, keeper=CheckpointKeeper(50_000))
    parts = parts_of([str(large)], 2)
    assert len(parts) > 2
    assert all(part.events for part in parts)
    job = DatasetJob(str(tmp_path / "set"), FIELDS, None, "syscall")
    for part in reversed(parts):
        export_part(part, job)
    assert rows_of(tmp_path / "set") == open_capture(large).to_arrow(FIELDS).to_pylist()


def test_a_cluster_that_loses_a_worker_writes_the_same(large: Path, shared_data: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    small = sorted(map(str, (shared_data / "captures").glob("c*.scap")))
    job = DatasetJob(str(tmp_path / "set"), FIELDS, None, "syscall")
    killed: list[int] = []
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1", silence_logs=60
        ) as cluster,
    ):
        warnings.simplefilter("ignore")

        def progress(done: int, count: int) -> None:
            if not killed:
                victim = next(iter(cluster.workers.values()))
                killed.append(victim.pid)
                os.kill(victim.pid, signal.SIGKILL)

        result = export_on_cluster([*small, str(large)], job, scheduler=cluster.scheduler_address, progress=progress)
    assert len(killed) == 1
    assert result.damage == []
    for capture in [*small, str(large)]:
        wanted = open_capture(capture).to_arrow(FIELDS).to_pylist()
        assert rows_of(tmp_path / "set", "*" + Path(capture).name) == wanted


def test_errors_of_parts_are_told(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    bad = tmp_path / "bad.scap"
    bad.write_bytes(b"nothing of the kind")
    with warnings.catch_warnings(), pytest.raises(NotACaptureError, match="is not a capture"):
        warnings.simplefilter("ignore")
        export_on_cluster([str(bad)], DatasetJob(str(tmp_path / "set")), workers=1)
    CaptureBuilder().write(tmp_path / "set" / "taken")
    with pytest.raises(OutputError, match="not empty"):
        export_on_cluster([str(bad)], DatasetJob(str(tmp_path / "set")))
