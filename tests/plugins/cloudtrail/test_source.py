from __future__ import annotations

import gzip
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail import CloudTrailPlugin, events
from scaptools.plugins.cloudtrail.events import MAX_PAYLOAD
from scaptools.plugins.cloudtrail.files import LogFile, LogFiles
from scaptools.plugins.cloudtrail.source import CloudTrailStream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIME = "2025-03-10T08:00:00Z"
TIME_NS = 1741593600 * 10**9


def record(number: int = 0, **members: Any) -> bytes:
    body = {"eventID": str(number), "eventTime": TIME, "eventType": "AwsApiCall"} | members
    return json.dumps({name: value for name, value in body.items() if value is not ...}).encode()


def log(*records: bytes) -> bytes:
    return b'{"Records":[' + b",".join(records) + b"]}"


def read(path: Path | str) -> list[bytes]:
    return [event.payload for batch in CloudTrailPlugin().open(str(path)) for event in batch]


def test_payload_and_time(tmp_path: Path) -> None:
    odd = b'{ "eventTime" : "%s","eventType":"" , "x":"\xff" }' % TIME.encode()
    (tmp_path / "a.json").write_bytes(log(record(1), odd))
    (batch,) = CloudTrailPlugin().open(str(tmp_path))
    assert [event.payload for event in batch] == [record(1), odd]
    assert [event.timestamp_ns for event in batch] == [TIME_NS, TIME_NS]


@pytest.mark.parametrize(
    "skipped",
    [
        b'{"eventTime":"%s","eventType":"AwsApiCall",}' % TIME.encode(),
        record(eventTime=...),
        record(eventTime=None),
        record(eventTime="yesterday"),
        record(eventTime=1741593600),
        record(eventType=...),
        record(eventType=None),
        record(eventType="AwsCloudTrailInsight"),
        b"{}",
    ],
)
def test_records_that_are_passed_over(tmp_path: Path, skipped: bytes) -> None:
    (tmp_path / "a.json").write_bytes(log(record(1), skipped, record(2)))
    assert read(tmp_path) == [record(1), record(2)]


def test_files_in_order_bad_ones_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(log(record(1), record(2))))
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(log(record(3)))[:-1])
    (tmp_path / "c.json").write_bytes(b"")
    (tmp_path / "d.json").write_bytes(log(record(4, eventTime="2020-01-01T00:00:00Z")))
    assert read(tmp_path) == [record(1), record(2), record(4, eventTime="2020-01-01T00:00:00Z")]


def test_batches_and_progress(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.json").write_bytes(log(*(record(number * 100 + at) for at in range(100))))
    stream = CloudTrailPlugin().open(str(tmp_path))
    assert stream.progress() == (0.0, "0.00% - 0/4 files")
    batches = iter(stream)
    assert len(next(batches)) == 100
    assert stream.progress() == (0.25, "25.00% - 1/4 files")
    assert [len(batch) for batch in batches] == [100, 100, 100]
    assert stream.progress() == (1.0, "100.00% - 4/4 files")
    stream.close()


def test_records_in_several_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_GROUP", 200)
    records = [record(number, x="y" * (number % 7 * 60)) for number in range(50)]
    (tmp_path / "a.json").write_bytes(log(*records))
    assert read(tmp_path) == records


def sized(size: int, **members: Any) -> bytes:
    return record(x="y" * (size - len(record(x="", **members))), **members)


def test_the_longest_record(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(log(sized(MAX_PAYLOAD)))
    assert [len(payload) for payload in read(tmp_path)] == [262144]


def test_a_record_that_is_too_long_ends_the_stream_behind_what_precedes_it(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(log(record(1), sized(MAX_PAYLOAD + 1, eventType=...), record(2)))
    (tmp_path / "b.json").write_bytes(log(record(3), sized(MAX_PAYLOAD + 1), record(4)))
    batches = iter(CloudTrailPlugin().open(str(tmp_path)))
    assert [event.payload for event in next(batches)] == [record(1), record(2)]
    assert [event.payload for event in next(batches)] == [record(3)]
    with pytest.raises(PluginError, match="short write: a record of 262145 bytes"):
        next(batches)


def test_a_file_that_cannot_be_read_ends_the_stream_behind_what_precedes_it(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(log(record(1)))
    (tmp_path / "b.json").symlink_to(tmp_path / "nowhere")
    batches = iter(CloudTrailPlugin().open(str(tmp_path)))
    assert [event.payload for event in next(batches)] == [record(1)]
    with pytest.raises(PluginError, match=r"cannot read .*b\.json"):
        next(batches)


@pytest.mark.parametrize("params", ["s3://bucket", "s3://bucket/prefix", "sqs://queue"])
def test_remote_places_without_the_extra(params: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(PluginError, match=r"needs an extra; pip install 'scaptools\[aws\]'"):
        CloudTrailPlugin().open(params)


@pytest.mark.parametrize("params", ["S3://bucket", " s3://bucket", "SQS://queue"])
def test_prefixes_are_literal(params: str) -> None:
    with pytest.raises(PluginError, match=f"cannot open {params}$"):
        CloudTrailPlugin().open(params)


class Trickle(LogFiles):
    """A place where files come now and then."""

    closed = 0

    @property
    def known(self) -> int:
        return self.opened

    def __iter__(self) -> Iterator[LogFile | None]:
        for number in range(2):
            yield None
            self.opened += 1
            yield LogFile("x.json", log(record(number)))
        yield None

    def close(self) -> None:
        self.closed += 1


def test_waiting_hands_out_what_there_is() -> None:
    files = Trickle()
    stream = CloudTrailStream(files, plugin="cloudtrail")
    assert stream.progress() == (0.0, "0.00% - 0/0 files")
    assert [[event.payload for event in batch] for batch in stream] == [[], [record(0)], [], [record(1)], []]
    stream.close()
    assert files.closed == 1


FIRST = b'"eventVersion":"1"'
KIND = b'"eventType":"x"'
AT = b'"eventTime":"%b"' % TIME.encode()
LATER = b'"eventTime":"2030-01-01T00:00:00Z"'
ODD = st.sampled_from(
    [
        b'{"eventVersion":"2","list":[{"eventVersion":"3"},{"eventVersion":"4"}]}',
        b'{"eventVersion":"2","text":"},{\\"eventVersion\\":"}',
        b'{"eventVersion":"2","text":"},{"}',
        b'{"other":1}',
        b'{"eventVersion":"2"',
        b'"eventVersion":"2"}',
        b'{"eventVersion":"2"}}',
        b'{"eventVersion":"2"}]',
        b"{%b,%b,%b}" % (KIND, AT, LATER),
        b"{%b,%b,%b}" % (KIND, AT, KIND.replace(b"x", b"AwsCloudTrailInsight")),
        b"{%b,%b}" % (KIND.replace(b"x", b"AwsCloudTrailInsight"), AT),
        b'{"event\\u0054ime":"1999-01-01T00:00:00Z",%b,%b}' % (AT, KIND),
        b'{%b,"list":[{%b}]}' % (KIND, AT),
        b'{%b,%b,"text":"\\u003c \\u0041 \\\\"}' % (AT, KIND),
        b'{%b,%b,"text":"\xff\x01"}' % (AT, KIND),
        b'{%b,%b,"text":"\\ud800 \\q"}' % (AT, KIND),
        b'{%b,%b,"number":NaN}' % (AT, KIND),
        b'{%b,%b,"number":1e999}' % (AT, KIND),
        b'{%b,%b,"number":%b}' % (AT, KIND, b"9" * 400),
        b'{%b,%b,"deep":%b}' % (AT, KIND, b"[" * 298 + b"]" * 298),
        b'{%b,%b,"deep":%b}' % (AT, KIND, b"[" * 300 + b"]" * 300),
        b'{%b,%b,"wide":[%b]}' % (AT, KIND, b",".join([b"{}"] * 400)),
        b"{%b,%b}" % (AT.replace(b"2025", b"2025-"), KIND),
        b'{%b,"eventTime":7}' % KIND,
        b"[{%b,%b}]" % (AT, KIND),
        b" {%b,%b}" % (AT, KIND),
        b'{%b,%b}],"Records":[{%b,%b}' % (AT, KIND, LATER, KIND),
        b'["x"]',
        b"",
    ]
)
PLAIN = st.integers(0, 9).map(
    lambda number: b'{%b,"eventTime":"%b","eventType":"x%d"}' % (FIRST, TIME.encode(), number)
)


@given(
    st.lists(PLAIN | PLAIN | ODD, max_size=6),
    st.sampled_from([b",", b",", b",", b" ,", b", ", b",,"]),
    st.sampled_from([b"]}", b"]}", b"]}", b"] }", b" ]}", b"]}\n", b"", b"]}]}"]),
    st.sampled_from([200, 1 << 22]),
)
def test_files_as_aws_writes_them_give_what_any_do(
    records: list[bytes], between: bytes, tail: bytes, group: int
) -> None:
    text = b'{"Records":[' + between.join(records) + tail

    def found() -> list[tuple[bytes, int]]:
        batches = events.events_of(text, plugin="cloudtrail")
        return [(event.payload, event.timestamp_ns) for batch in batches for event in batch]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "_GROUP", group)
        ours = found()
        patch.setattr(events, "strict_records", lambda _: None)
        assert ours == found()
