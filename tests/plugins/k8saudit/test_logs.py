from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.errors import PluginError
from scaptools.plugins.k8saudit import KubernetesAuditPlugin, logs
from scaptools.plugins.k8saudit.logs import events_of
from tests.plugins.jsontext.lenient import documents

if TYPE_CHECKING:
    from pathlib import Path

TIME = "2025-03-10T08:00:00.25Z"
TIME_NS = 1741593600 * 10**9 + 250_000_000


def event(number: int, **members: Any) -> dict[str, Any]:
    body = {"kind": "Event", "auditID": str(number), "stageTimestamp": TIME} | members
    return {name: value for name, value in body.items() if value is not ...}


def line(value: Any) -> bytes:
    return json.dumps(value).encode()


def read(path: Path | str, **config: Any) -> list[str]:
    batches = KubernetesAuditPlugin(config).open(str(path))
    return [json.loads(found.payload)["auditID"] for batch in batches for found in batch]


def test_payload_and_time() -> None:
    found = events_of(b' { "auditID" : "\\u0061", "kind":"Event","stageTimestamp":"%s" } ' % TIME.encode(), limit=999)
    assert [(one.payload, one.timestamp_ns) for one in found] == [
        (b'{"auditID":"\\u0061","kind":"Event","stageTimestamp":"%s"}' % TIME.encode(), TIME_NS)
    ]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (event(1), ["1"]),
        ([event(1), event(2)], ["1", "2"]),
        ([event(1), [event(2), [[event(3)]]], event(4)], ["1", "2", "3", "4"]),
        ({"kind": "EventList", "items": [event(1), event(2)]}, ["1", "2"]),
        ([{"kind": "EventList", "items": [event(1)]}, event(2)], ["1", "2"]),
        ({"kind": "EventList", "items": []}, []),
        ({"kind": "EventList"}, []),
        ({"kind": "EventList", "items": event(1)}, []),
        ([event(1), {"kind": "Pod"}], []),
        ([event(1), [event(2), 7]], []),
        ([], []),
        ({"kind": "Pod"}, []),
        (event(1, kind=...), []),
        (event(1, kind=["Event"]), []),
        (event(1, stageTimestamp=...), []),
        (event(1, stageTimestamp="yesterday"), []),
        (event(1, stageTimestamp=5), []),
        ([event(1, stageTimestamp=...), event(2)], ["2"]),
        ("Event", []),
        (None, []),
    ],
)
def test_what_a_line_may_be(tmp_path: Path, value: Any, wanted: list[str]) -> None:
    lines = [line(event("first")), line(value), b"", b"{", line(event("last"))]
    (tmp_path / "a").write_bytes(b"\n".join(lines))
    assert read(tmp_path / "a") == ["first", *wanted, "last"]


def test_events_that_are_too_long(tmp_path: Path) -> None:
    sizes = [len(json.dumps(event(number, x="y" * number), separators=(",", ":"))) for number in (1, 5)]
    (tmp_path / "a").write_bytes(b"\n".join(line(event(number, x="y" * number)) for number in (1, 5)))
    assert read(tmp_path, maxEventSize=sizes[1]) == ["1", "5"]
    assert read(tmp_path, maxEventSize=sizes[1] - 1) == ["1"]
    assert read(tmp_path, maxEventSize=sizes[0] - 1) == []


def test_files_of_a_directory_by_age(tmp_path: Path) -> None:
    for age, name in enumerate(("c", "a", "b.gz")):
        (tmp_path / name).write_bytes(line(event(age)) + b"\r\n")
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "d").write_bytes(line(event(9)))
    assert read(f" {tmp_path} ") == ["0", "1", "2"]
    stream = KubernetesAuditPlugin().open(str(tmp_path))
    assert stream.progress() == (0.0, "0/3 files")
    batches = iter(stream)
    next(batches)
    assert stream.progress() == (1 / 3, "1/3 files")
    stream.close()
    assert list(batches) == []


@pytest.mark.parametrize("piece", [1, 7, 100, 1 << 20])
def test_lines_across_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(logs, "_PIECE", piece)
    (tmp_path / "a").write_bytes(b"\n".join(line(event(number)) for number in range(20)))
    assert read(tmp_path / "a") == [str(number) for number in range(20)]


def test_a_line_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_PIECE", 100)
    (tmp_path / "a").write_bytes(line(event(0)) + b"\n" + b"[" * 2000)
    batches = iter(KubernetesAuditPlugin({"webhookMaxBatchSize": 1000}).open(str(tmp_path / "a")))
    assert len(next(batches)) == 1
    with pytest.raises(PluginError, match="a has a line of more than 1000 bytes"):
        list(batches)


def test_longer_lines_than_the_official_reader_takes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(line([event(number, x="y" * 1000) for number in range(100)]))
    assert len(read(tmp_path / "a")) == 100


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("", "cannot open an empty path"),
        ("/no/such/file", "cannot open /no/such/file"),
        ("a\0b", "cannot open a"),
        ("http://:9765/k8s-audit", 'scheme "http" is not supported'),
        ("ftp://x", 'scheme "ftp" is not supported'),
        ("/dev/null", "cannot open /dev/null"),
    ],
)
def test_what_cannot_be_opened(params: str, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        KubernetesAuditPlugin().open(params)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"maxEventSize": "1"}, "maxEventSize must be of type integer"),
        ({"maxEventSize": True}, "maxEventSize must be of type integer"),
        ({"useAsync": 1}, "useAsync must be of type boolean"),
        ({"sslCertificate": 1}, "sslCertificate must be of type string"),
    ],
)
def test_config_of_a_wrong_type(config: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        KubernetesAuditPlugin(config)


def test_config() -> None:
    assert KubernetesAuditPlugin({"maxEventSize": None, "other": 1}).config == {"maxEventSize": None, "other": 1}
    schema = KubernetesAuditPlugin.config_schema
    assert schema is not None
    defaults = {name: entry["default"] for name, entry in schema["properties"].items()}
    assert defaults == {
        "sslCertificate": "/etc/falco/falco.pem",
        "maxEventSize": 262144,
        "webhookMaxBatchSize": 12582912,
        "useAsync": True,
    }


def test_deep_nesting_is_only_data() -> None:
    deep = b"[" * 250 + line(event(1)) + b"]" * 250
    assert len(events_of(deep, limit=1 << 18)) == 1
    assert events_of(b"[" * 100_000, limit=1 << 18) == []


@settings(max_examples=30)
@given(st.lists(documents | st.binary(max_size=40), max_size=5))
def test_any_bytes_are_only_data(lines: list[bytes]) -> None:
    clean = [text.replace(b"\n", b" ") for text in lines]
    found = events_of(b"\n".join([*clean, line(event(1))]), limit=1 << 18)
    assert found[-1].payload == line(event(1)).replace(b" ", b"")
