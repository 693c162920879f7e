from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.plugins.cloudtrail.timestamps import parse_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@settings(deadline=None)
@given(st.datetimes(timezones=offsets), st.sampled_from([".", ","]), st.text("0123456789", max_size=12))
def test_against_the_standard_library(moment: datetime, point: str, fraction: str) -> None:
    moment = moment.replace(microsecond=0)
    text = moment.isoformat()
    whole = (moment - EPOCH) // timedelta(seconds=1) * 10**9
    if fraction:
        text = f"{text[:19]}{point}{fraction}{text[19:]}"
        whole += int(fraction[:9].ljust(9, "0"))
    assert parse_time(text.encode()) == whole % 2**64


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T0:00:01Z", 10**9),
        ("2021-06-01T08:00:00.5Z", 1622534400_500000000),
        ("2021-06-01T08:00:00,1234567899Z", 1622534400_123456789),
        ("2021-06-01T10:00:00+02:00", 1622534400_000000000),
        ("2021-05-31T20:30:00-11:30", 1622534400_000000000),
        ("1969-12-31T23:59:59Z", 2**64 - 10**9),
        ("2024-02-29T00:00:00Z", 1709164800_000000000),
        ("0000-02-29T00:00:00Z", -62162121600_000000000 % 2**64),
        ("9999-12-31T23:59:59Z", 253402300799_000000000 % 2**64),
    ],
)
def test_accepted(text: str, nanoseconds: int) -> None:
    assert parse_time(text.encode()) == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2021-06-01",
        "2021-06-01T08:00:00",
        "2021-06-01t08:00:00Z",
        "2021-06-01T08:00:00z",
        "2021-06-01 08:00:00Z",
        "2021-06-01T24:00:00Z",
        "2021-06-01T08:60:00Z",
        "2021-06-01T08:00:60Z",
        "2021-06-01T08:0:00Z",
        "2021-02-29T08:00:00Z",
        "1900-02-29T08:00:00Z",
        "2021-13-01T08:00:00Z",
        "2021-00-01T08:00:00Z",
        "2021-06-00T08:00:00Z",
        "2021-06-31T08:00:00Z",
        "2021-06-01T08:00:00.Z",
        "2021-06-01T08:00:00+0200",
        "2021-06-01T08:00:00+25:00",
        "2021-06-01T08:00:00+00:61",
        "2021-06-01T08:00:00Z ",
        "2021-06-01T08:00:00Z\n",
        "12021-06-01T08:00:00Z",
        "٢٠٢١-06-01T08:00:00Z",
    ],
)
def test_refused(text: str) -> None:
    assert parse_time(text.encode()) is None
