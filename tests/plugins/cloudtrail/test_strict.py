from __future__ import annotations

import pytest

from scaptools.plugins.cloudtrail import strict
from scaptools.plugins.cloudtrail.strict import strict_records

EVENT = b'{"eventTime":"2025-03-10T08:00:00Z","eventType":"x"%b}'
PASSED_OVER = "AwsCloudTrailInsight"


def log(*records: bytes) -> bytes:
    return b'{"Records":[' + b",".join(records) + b"]}"


def test_a_file_as_aws_writes_it_is_read_exactly() -> None:
    records = [EVENT % b"", EVENT % b',"a":[{"}":"]{"}]', EVENT.replace(b"x", PASSED_OVER.encode()) % b""]
    found = strict_records(log(*records))
    assert found is not None
    assert [log(*records)[start:end] for start, end in zip(found.starts, found.ends, strict=True)] == records
    read = found.times(0, 3, passed_over=PASSED_OVER)
    assert read is not None
    times, kept = read
    assert times.tolist() == [1741593600 * 10**9] * 3
    assert kept.tolist() == [True, True, False]
    assert found.joined(0, 3, kept) == records[0] + records[1]
    assert found.joined(1, 3, kept[1:]) == records[1]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        log(),
        log(b"[{}]"),
        log(b"1"),
        log(b"{}", b" {}"),
        log(b'{"a":NaN}'),
        log(b'{"a":"\\q"}'),
        log(b"[" * 5000 + b"]" * 5000),
        log(b"{}") + b"\n",
        b"\xef\xbb\xbf" + log(b"{}"),
        b'{"Records":[{}],"Records":[{}]}',
        b'{"Records":[{}],"More":[{}]}',
    ],
)
def test_what_is_left_to_the_lenient_way(text: bytes) -> None:
    assert strict_records(text) is None


@pytest.mark.parametrize(
    "record",
    [
        b"{}",
        b'{"eventTime":1,"eventType":"x"}',
        EVENT % b',"eventTime":"2025-03-10T08:00:00Z"',
        EVENT % b',"event\\u0054ime":"2025-03-10T08:00:00Z"',
        EVENT % b',"a":{"eventType":"y"}',
        EVENT.replace(b"x", b"\xff") % b"",
        EVENT % (b',"a":' + b"[" * 299 + b"]" * 299),
    ],
)
def test_records_that_are_left_to_it(record: bytes) -> None:
    found = strict_records(log(EVENT % b"", record))
    assert found is not None
    assert found.times(0, 1, passed_over=PASSED_OVER) is not None
    assert found.times(1, 2, passed_over=PASSED_OVER) is None
    assert found.times(0, 2, passed_over=PASSED_OVER) is None


def test_many_brackets_in_all_are_none_too_many_in_one() -> None:
    records = [EVENT % (b',"a":[' + b",".join([b"{}"] * 100) + b"]") for _ in range(50)]
    found = strict_records(log(*records))
    assert found is not None
    assert found.times(0, 50, passed_over=PASSED_OVER) is not None


def test_long_texts_are_left_to_the_lenient_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict, "MAX_TEXT", len(log(b"{}")) - 1)
    assert strict_records(log(b"{}")) is None
