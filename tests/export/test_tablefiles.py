from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scap_formats.types import ParamType
from scaptools import open_capture
from scaptools.api import Capture
from scaptools.errors import ExportError, OutputError
from scaptools.export.arrow import arrow_type
from scaptools.export.tableexport import TableExport
from scaptools.export.tables import TableChoice, default_columns, schema_of
from scaptools.testing import CaptureBuilder

DAY_NS = 86_400 * 10**9


def export(capture: Capture, target: Path | str, format_: str, **choice: Any) -> dict[str, int]:
    chosen = TableChoice(capture.catalog, **choice)
    with TableExport(str(target), format_, chosen) as files:
        for batch, rows in capture.matches(None, fields=chosen.needed, internal=False):
            files.add(batch, rows)
    return files.rows


def mixed() -> Capture:
    builder = (
        CaptureBuilder()
        .event("open", ts=DAY_NS + 50)
        .plugin_event(b'{"eventName":"A"}', ts=DAY_NS + 60)
        .event("close", ts=2 * DAY_NS)
        .plugin_event(b'{"eventName":"B"}', ts=3 * DAY_NS)
        .event("close", ts=DAY_NS + 70)
    )
    return open_capture(io.BytesIO(builder.to_bytes()))


@pytest.fixture(scope="module")
def everything(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pa.Table, Path]:
    """Every field there is of one capture, as a table in memory and as a folder with a file of every format."""
    folder = tmp_path_factory.mktemp("tables")
    capture = open_capture(shared_data / "captures" / "curl_google.scap")
    names = [
        declared.name
        for declared in capture.catalog.registry
        if not (declared.argument and declared.argument.required) and declared.memory is None
    ]
    names += ["evt.arg[0]", "evt.rawarg.res", "evt.rawarg.tuple", "proc.aname[1]", "evt.flags", "fd.connection"]
    for format_ in ("parquet", "arrow", "csv", "jsonl"):
        export(capture, folder / f"t.{format_}", format_, fields=names)
    return capture.to_arrow(names), folder


def normal(value: Any) -> Any:
    """A value as every library can have it: categories as text, times as ns, lists as lists."""
    if type(value).__name__ in {"Timestamp", "Timedelta"}:
        return value.value
    if isinstance(value, dict):
        return {key: normal(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [normal(part) for part in value]
    return value


def plain(table: pa.Table) -> pa.Table:
    """Dictionaries and the width of offsets set aside, times as numbers, so that tables can be compared."""
    arrays = []
    for column in table.columns:
        chunk = column.combine_chunks()
        if pa.types.is_dictionary(chunk.type):
            chunk = chunk.dictionary_decode()
        if pa.types.is_timestamp(chunk.type):
            chunk = chunk.cast(pa.int64())
        if pa.types.is_large_list(chunk.type):
            chunk = chunk.cast(pa.list_(chunk.type.value_type))
        arrays.append(chunk)
    return pa.table(dict(zip(table.column_names, arrays, strict=True)))


def test_parquet_and_arrow_files_hold_the_table(everything: tuple[pa.Table, Path]) -> None:
    table, folder = everything
    assert table.num_rows == 1221
    read = pq.read_table(folder / "t.parquet")
    assert read.equals(table)
    with pa.ipc.open_file(folder / "t.arrow") as file:
        assert file.read_all().equals(table)


def test_every_type_and_nulls_are_in_the_table(everything: tuple[pa.Table, Path]) -> None:
    table, _ = everything
    kinds = {str(field.type).partition("[")[0].partition("<")[0] for field in table.schema}
    assert kinds == {
        *("uint64", "int64", "double", "bool", "string", "binary", "timestamp", "dictionary", "list", "struct"),
    }
    assert table["fd.name"].null_count == 1221 - 399
    assert table["evt.rawres"].null_count == table["evt.res"].null_count > 0
    assert table["fd.connection"].null_count == 1221 - table["fd.cip"].drop_null().length()


def test_pandas_reads_the_same(everything: tuple[pa.Table, Path]) -> None:
    pandas = pytest.importorskip("pandas")
    table, folder = everything
    frame = pandas.read_parquet(folder / "t.parquet", dtype_backend="pyarrow")
    assert list(frame.columns) == table.column_names
    assert plain(pa.Table.from_pandas(frame, preserve_index=False)).to_pydict() == plain(table).to_pydict()


def test_polars_reads_the_same(everything: tuple[pa.Table, Path]) -> None:
    polars = pytest.importorskip("polars")
    table, folder = everything
    for frame in (polars.read_parquet(folder / "t.parquet"), polars.read_ipc(folder / "t.arrow")):
        assert frame.columns == table.column_names
        read = plain(frame.to_arrow()).to_pydict()
        for name, values in plain(table).to_pydict().items():
            assert read[name] == values, name


def test_duckdb_reads_the_same(everything: tuple[pa.Table, Path]) -> None:
    duckdb = pytest.importorskip("duckdb")
    table, folder = everything
    with duckdb.connect() as connection:
        read = connection.sql(f"from read_parquet('{folder / 't.parquet'}')").to_arrow_table()
    got = plain(read.cast(pa.schema([(f.name, _ns(f.type)) for f in read.schema]))).to_pydict()
    for name, values in plain(table).to_pydict().items():
        assert got[name] == values, name


def _ns(type_: pa.DataType) -> pa.DataType:
    return pa.timestamp("ns", "UTC") if pa.types.is_timestamp(type_) else type_


def test_csv_and_json_lines_say_the_same(everything: tuple[pa.Table, Path]) -> None:
    table, folder = everything
    lines = [json.loads(line) for line in (folder / "t.jsonl").read_text().splitlines()]
    with (folder / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(lines) == len(rows) == table.num_rows
    for name in ("evt.num", "evt.type", "proc.name", "fd.name", "fd.cport", "evt.rawres", "evt.args"):
        values = table[name].to_pylist()
        assert [line[name] for line in lines] == values, name
        assert [row[name] for row in rows] == ["" if value is None else str(value) for value in values], name
    times = table["evt.time"].cast(pa.int64()).to_pylist()
    assert [line["evt.time_ns"] for line in lines] == times
    flags = table["evt.flags"].to_pylist()
    assert [row["evt.flags"] for row in rows] == ["" if value is None else "|".join(value) for value in flags]
    ports = [None if value is None else value["server_port"] for value in table["fd.connection"].to_pylist()]
    assert [row["fd.connection.server_port"] for row in rows] == ["" if port is None else str(port) for port in ports]


def test_a_missing_text_and_an_empty_one_differ_in_csv(tmp_path: Path) -> None:
    export(mixed(), tmp_path / "t.csv", "csv", fields=["evt.num", "evt.pluginname", "evt.args"])
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0] == '"evt.num","evt.pluginname","evt.args"'
    assert lines[1] == '1,,""'


def test_each_source_has_a_file(tmp_path: Path) -> None:
    written = export(mixed(), tmp_path / "t.parquet", "parquet")
    first, second = tmp_path / "t.syscall.parquet", tmp_path / "t.aws_cloudtrail.parquet"
    assert written == {str(first): 3, str(second): 2}
    assert sorted(tmp_path.iterdir()) == sorted([first, second])
    assert pq.read_table(second)["ct.name"].to_pylist() == ["A", "B"]
    assert pq.read_table(first)["evt.type"].to_pylist() == ["open", "close", "close"]


def test_one_source_or_chosen_fields_make_one_file(tmp_path: Path) -> None:
    export(mixed(), tmp_path / "one.parquet", "parquet", source="aws_cloudtrail")
    assert pq.read_table(tmp_path / "one.parquet")["ct.name"].to_pylist() == ["A", "B"]
    export(mixed(), tmp_path / "all.parquet", "parquet", fields=["evt.num", "ct.name"])
    assert pq.read_table(tmp_path / "all.parquet")["ct.name"].to_pylist() == [None, "A", None, "B", None]


def test_nothing_to_write_is_an_empty_table(tmp_path: Path) -> None:
    capture = open_capture(io.BytesIO(CaptureBuilder().to_bytes()))
    assert export(capture, tmp_path / "t.parquet", "parquet") == {str(tmp_path / "t.parquet"): 0}
    table = pq.read_table(tmp_path / "t.parquet")
    assert (table.num_rows, table.schema) == (0, schema_of(default_columns(capture.catalog, "syscall")))


def test_a_directory_is_a_dataset_by_source_and_day(tmp_path: Path) -> None:
    written = export(mixed(), f"{tmp_path}/set/", "parquet")
    assert {str(Path(name).relative_to(tmp_path)): count for name, count in written.items()} == {
        "set/source=syscall/date=1970-01-02/part-0.parquet": 2,
        "set/source=syscall/date=1970-01-03/part-0.parquet": 1,
        "set/source=aws_cloudtrail/date=1970-01-02/part-0.parquet": 1,
        "set/source=aws_cloudtrail/date=1970-01-04/part-0.parquet": 1,
    }
    table = pq.read_table(tmp_path / "set" / "source=syscall", partitioning="hive")
    assert sorted(table["evt.num"].to_pylist()) == [1, 3, 5]
    with pytest.raises(OutputError, match="not empty"):
        export(mixed(), tmp_path / "set", "parquet")


def test_days_beyond_the_open_files_come_in_parts(tmp_path: Path) -> None:
    builder = CaptureBuilder()
    days = [*range(40), 0]
    for day in days:
        builder.event("close", ts=(day + 1) * DAY_NS)
    capture = Capture(io.BytesIO(builder.to_bytes()))
    chosen = TableChoice(capture.catalog, ["evt.num"], "syscall")
    with TableExport(f"{tmp_path}/set/", "parquet", chosen) as files:
        for batch, rows in capture.matches(None, fields=chosen.needed):
            for row in rows:
                files.add(batch, rows[row : row + 1])
    assert sum(files.rows.values()) == len(days)
    assert len(list((tmp_path / "set" / "source=syscall" / "date=1970-01-02").iterdir())) == 2
    numbers = pq.read_table(tmp_path / "set")["evt.num"].to_pylist()
    assert sorted(numbers) == list(range(1, len(days) + 1))


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    capture = mixed()
    chosen = TableChoice(capture.catalog)
    with pytest.raises(RuntimeError), TableExport(str(tmp_path / "t.parquet"), "parquet", chosen) as files:
        for batch, rows in capture.matches(None, fields=chosen.needed):
            files.add(batch, rows)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_standard_output_takes_one_source(monkeypatch: pytest.MonkeyPatch) -> None:
    target = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", target)
    with pytest.raises(ExportError, match="syscall and aws_cloudtrail"):
        export(mixed(), "-", "csv")


def test_payloads_of_a_source_nobody_reads(tmp_path: Path) -> None:
    builder = CaptureBuilder().plugin_event(b"\x00\xff", plugin_id=999).event("close").plugin_event(b"", plugin_id=999)
    capture = open_capture(builder.write(tmp_path / "c.scap"))
    source = capture.catalog.plugins.source_name(999)
    export(capture, tmp_path / "t.parquet", "parquet", source=source, fields=["evt.payload", "evt.source"])
    table = pq.read_table(tmp_path / "t.parquet")
    assert table["evt.payload"].to_pylist() == [b"\x00\xff", b""]
    everything = capture.to_arrow(["evt.payload"])["evt.payload"].to_pylist()
    assert everything == [b"\x00\xff", None, b""]


@pytest.mark.parametrize("type_", list(ParamType))
def test_every_parameter_type_has_an_arrow_type(type_: ParamType) -> None:
    from scap_formats.types import PrintFormat
    from scaptools.fields.model import BoundField, Field

    declared = Field("x.y", type_, "", lambda batch, rows, argument: None)  # type: ignore[arg-type,return-value]
    found = arrow_type(BoundField("x.y", declared, None, type_, PrintFormat.NA))
    expected = {
        ParamType.BOOL: pa.bool_(),
        ParamType.DOUBLE: pa.float64(),
        ParamType.ABSTIME: pa.timestamp("ns", "UTC"),
        ParamType.BYTEBUF: pa.binary(),
        ParamType.CHARBUF: pa.string(),
        ParamType.FSPATH: pa.string(),
        ParamType.IPADDR: pa.string(),
        ParamType.RELTIME: pa.uint64(),
        ParamType.ERRNO: pa.int64(),
        ParamType.SOCKTUPLE: pa.binary(),
    }
    assert found == expected.get(type_, found)
    assert found in {*expected.values()}


def test_no_time_is_null() -> None:
    builder = CaptureBuilder().event("close", ts=2**64 - 1).event("close", ts=2**63 - 1).event("close", ts=0)
    times = open_capture(io.BytesIO(builder.to_bytes())).to_arrow(["evt.time"])["evt.time"]
    assert times.cast(pa.int64()).to_pylist() == [None, 2**63 - 1, 0]
