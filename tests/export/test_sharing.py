from __future__ import annotations

import gzip
import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from scaptools import CaptureWriter, open_capture
from scaptools.errors import ExportError
from scaptools.export.compact import Kind, build_struct, parse_struct
from scaptools.export.parquetparts import ParquetParts
from scaptools.export.sharing import export_shares
from scaptools.export.tableexport import TableExport
from scaptools.export.tables import TableChoice
from scaptools.export.wireshark import WiresharkExport
from scaptools.testing import CaptureBuilder

WINDOW = 200_000


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    """A capture of a few windows, with plugin events among the others."""
    source = shared_data / "captures" / "curl_google.scap"
    data = source.read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    events = next(iter(open_capture(source).batches())).raw_blocks()
    plugin = CaptureBuilder().plugin_event(b'{"eventName":"A"}', ts=1_500_000_000_000_000_000).to_bytes()
    extra = next(iter(open_capture(io.BytesIO(plugin)).batches())).raw_blocks()
    path = tmp_path_factory.mktemp("captures") / "c.scap"
    path.write_bytes(data + (events + extra) * 5)
    return path


@pytest.mark.parametrize("where", [None, "evt.type in (open, read) and evt.dir=<"])
def test_packets_of_several_processes_are_those_of_one(capture: Path, where: str | None) -> None:
    def exported(processes: int) -> bytes:
        target, opened = io.BytesIO(), open_capture(capture)
        opened.reader.window_bytes = WINDOW
        export = WiresharkExport(opened.catalog, predicate=None if where is None else opened.compile(where))
        export.share_out(processes)
        with CaptureWriter(target) as writer:
            result = export.run(opened.reader, writer)
        assert result.packets["syscall"] > 100
        return target.getvalue()

    assert exported(1) == exported(2) == exported(3)


@pytest.mark.parametrize("format_", ["parquet", "arrow", "csv", "jsonl"])
def test_tables_of_several_processes_are_those_of_one(capture: Path, format_: str, tmp_path: Path) -> None:
    def exported(processes: int) -> list[bytes]:
        opened = open_capture(capture)
        opened.reader.window_bytes = WINDOW
        choice = TableChoice(opened.catalog)
        target = tmp_path / f"{processes}" / f"t.{format_}"
        target.parent.mkdir()
        with TableExport(str(target), format_, choice) as export:
            if processes == 1:
                for batch, rows in opened.matches(None, fields=choice.needed, internal=False):
                    export.add(batch, rows)
            else:
                export.share_out(
                    lambda share: opened.looked_at(None, fields=choice.needed, internal=False, share=share), processes
                )
        assert len(export.rows) == 2
        return [path.read_bytes() for path in sorted(target.parent.iterdir())]

    assert exported(1) == exported(2)


def test_small_captures_and_what_counts_events_are_not_shared_out(capture: Path, tmp_path: Path) -> None:
    with open_capture(capture) as opened:
        catalog = opened.catalog
    assert export_shares(str(capture), catalog, []) == 1
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(1 << 30)
    assert export_shares(str(large), catalog, [catalog.parse("evt.count")]) == 1
    assert export_shares("s3://bucket/large", catalog, []) == 1


def test_structures_survive_a_round_trip() -> None:
    struct = {
        1: (Kind.I32, -5),
        2: (Kind.BINARY, b"text"),
        4: (Kind.TRUE, True),
        5: (Kind.FALSE, False),
        6: (Kind.LIST, (Kind.STRUCT, [{3: (Kind.I64, 2**40)}] * 20)),
        40: (Kind.DOUBLE, bytes(8)),
        41: (Kind.BYTE, 7),
    }
    assert parse_struct(build_struct(struct)) == struct
    with pytest.raises(ExportError, match="cut off"):
        parse_struct(build_struct(struct)[:-1])
    with pytest.raises(ExportError, match="of type 13"):
        parse_struct(b"\x1d\x00")


@pytest.mark.parametrize("part", [b"", b"PAR1" * 4, b"PAR1\x00\xff\xff\xff\x7fPAR1"])
def test_what_is_no_part_is_refused(part: bytes) -> None:
    with pytest.raises(ExportError):
        ParquetParts(io.BytesIO().write).add(part)


def test_row_groups_are_where_the_footer_says(capture: Path, tmp_path: Path) -> None:
    opened = open_capture(capture)
    opened.reader.window_bytes = WINDOW
    choice = TableChoice(opened.catalog, ["evt.num", "proc.name"])
    with TableExport(str(tmp_path / "t.parquet"), "parquet", choice) as export:
        for batch, rows in opened.matches(None, fields=choice.needed, internal=False):
            export.add(batch, rows)
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert file.num_row_groups > 2
    bounds = [file.metadata.row_group(group).column(0).statistics for group in range(file.num_row_groups)]
    for group, bound in enumerate(bounds):
        numbers = file.read_row_group(group)["evt.num"].to_pylist()
        assert (numbers[0], numbers[-1]) == (bound.min, bound.max)
