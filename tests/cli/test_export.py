from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from scaptools.cli.main import main
from scaptools.testing import CaptureBuilder


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ending:
        main([str(argument) for argument in arguments])
    return int(ending.value.code or 0)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    builder = CaptureBuilder().event("open", tid=5).plugin_event(b'{"eventName":"A"}').event("close", tid=6)
    return builder.write(tmp_path / "c.scap")


def test_tables_by_suffix_field_filter_and_source(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "t.parquet"
    assert run("export", capture, out, "--fields", "evt.num, thread.tid", "--where", "evt.type=close") == 0
    assert pq.read_table(out).to_pylist() == [{"evt.num": 3, "thread.tid": 6}]
    assert capsys.readouterr().err == f"1 rows written to {out}\n"
    assert run("export", capture, tmp_path / "t.jsonl", "--source", "aws_cloudtrail") == 0
    (line,) = (tmp_path / "t.jsonl").read_text().splitlines()
    assert json.loads(line)["ct.name"] == "A"


def test_tables_on_standard_output(capture: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run("export", capture, "-", "--to", "csv", "--fields", "evt.num,ct.name") == 0
    assert capfdbinary.readouterr().out == b'"evt.num","ct.name"\n1,\n2,"A"\n3,\n'


def test_datasets_of_a_cluster(capture: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    assert run("export", tmp_path / "*.scap", f"{tmp_path}/set/", "--workers", 1, "--fields", "evt.num") == 0
    assert pq.read_table(tmp_path / "set")["evt.num"].to_pylist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.pcapng", "--fields", "evt.num"], "are for tables"),
        (["x.parquet", "--packets"], "is for Wireshark"),
        (["x.csv", "--workers", "2"], "has to be a directory"),
        (["x.unknown"], "no format has the suffix .unknown"),
        (["x.csv", "--fields", "evt.nothing"], "evt.nothing"),
    ],
)
def test_wrong_calls(
    arguments: list[str], message: str, capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export", capture, tmp_path / arguments[0], *arguments[1:]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [capture]


def test_questions_in_sql(capture: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    pytest.importorskip("duckdb")
    query = "select evt.type, max(evt.time) t from events group by all order by all"
    assert run("sql", query, capture) == 0
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert lines[0].split() == ["evt.type", "t"]
    assert lines[1] == "close        2020-09-13 12:26:40.002000000Z"
    assert run("sql", query, capture, "--json", "--where", "evt.type=open") == 0
    assert json.loads(capfdbinary.readouterr().out) == {"evt.type": "open", "t": "2020-09-13 12:26:40.000000000Z"}
    assert run("sql", query, capture, "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capfdbinary.readouterr().out.decode())))
    assert [row["evt.type"] for row in rows] == ["close", "open", "pluginevent"]
    assert run("sql", "drop table events", capture) == 2
    assert b"not a SELECT statement" in capfdbinary.readouterr().err
