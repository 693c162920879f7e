from __future__ import annotations

import io
from collections import Counter

import pytest

from scaptools import open_capture
from scaptools.api import Capture
from scaptools.errors import FormatError
from scaptools.export.sql import parse_query, run_query
from scaptools.testing import CaptureBuilder

duckdb = pytest.importorskip("duckdb")


def capture() -> Capture:
    builder = CaptureBuilder()
    for index in range(6):
        builder.event("open" if index % 3 else "close", tid=index)
        builder.plugin_event(b'{"eventName":"N%d","awsRegion":"r"}' % index)
    return Capture(io.BytesIO(builder.to_bytes()))


def answer(query: str, where: str | None = None) -> list[dict[str, object]]:
    asked: list[tuple[str | None, list[str]]] = []
    with capture() as opened:

        def table(source: str | None, columns: list[str]) -> object:
            asked.append((source, columns))
            return opened.record_batches(columns, where=where, source=source)

        rows: list[dict[str, object]] = run_query(query, opened.catalog, table).to_pylist()
    return rows


def test_fields_are_columns() -> None:
    rows = answer("select evt.type, count(*) n from syscall where thread.tid > 0 group by 1 order by n desc")
    assert rows == [{"evt.type": "open", "n": 4}, {"evt.type": "close", "n": 1}]
    rows = answer("""select s.thread.tid, "evt.arg[0]" a from syscall s where s.evt.num = 3""")
    assert rows == [{"thread.tid": 1, "a": None}]


def test_sources_are_tables() -> None:
    assert answer("select count(*) n from events") == [{"n": 12}]
    assert answer("select count(*) n from aws_cloudtrail") == [{"n": 6}]
    assert answer("select ct.name from aws_cloudtrail where ct.name > 'N4'") == [{"ct.name": "N5"}]
    assert "ct.name" in answer("select * from aws_cloudtrail limit 1")[0]
    assert answer("select count(ct.region) r, count(*) n from events", "evt.num < 3") == [{"r": 1, "n": 2}]


def test_tables_can_be_read_again() -> None:
    twice = "select count(*) n from syscall a join syscall b on a.evt.num = b.evt.num"
    named = "with x as (select evt.num from syscall) select count(*) n from x a, x b"
    with pytest.raises(FormatError):
        answer("select nothing.known from syscall")
    for query, count in ((twice, 6), (named, 36)):
        assert answer(query) == [{"n": count}]


def test_only_what_is_named_is_read() -> None:
    query = parse_query(
        duckdb.connect(), "select max(evt.time), fd.connection.client_ip from syscall", capture().catalog
    )
    assert query.columns == ["evt.time", "fd.connection"]
    assert query.tables == Counter(syscall=1)
    assert not query.everything
    assert '"fd.connection".client_ip' in query.text


@pytest.mark.parametrize("query", ["delete from syscall", "select", "select 1; select 2;x", "copy syscall to 'x'"])
def test_only_select_statements(query: str) -> None:
    with pytest.raises(FormatError):
        answer(query)


def test_streams_for_other_libraries(shared_data: object) -> None:
    opened = open_capture(f"{shared_data}/captures/curl_google.scap")
    table = opened.to_arrow()
    asked = duckdb.from_arrow(table).aggregate('count(*), max("evt.num")').fetchall()
    assert asked == [(1221, max(table["evt.num"].to_pylist()))]
    polars = pytest.importorskip("polars")
    pandas = pytest.importorskip("pandas")
    frame = polars.DataFrame(opened)
    assert frame["fd.name"].cast(polars.String).to_list() == table["fd.name"].to_pylist()
    assert opened.to_polars(["evt.num"]).equals(frame.select("evt.num"))
    rows = opened.to_pandas(["evt.num", "evt.rawres"], where="evt.type=read")
    assert (
        rows["evt.rawres"].isna().sum()
        == len(rows) - opened.to_arrow(["evt.num"], where="evt.type=read and evt.dir=<").num_rows
    )
    assert isinstance(rows, pandas.DataFrame)
    assert rows["evt.num"].dtype == pandas.ArrowDtype(table["evt.num"].type)
