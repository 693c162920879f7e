from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail.interval import Window, parse_window

NOW = datetime(2025, 3, 10, 8, 0, 30, tzinfo=UTC)


def parsed(text: str) -> Window | None:
    return parse_window(text, plugin="cloudtrail", now=NOW)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("5d", NOW - timedelta(days=5), None),
        ("2w", NOW - timedelta(weeks=2), None),
        ("90m", NOW - timedelta(minutes=90), None),
        ("0s", NOW, None),
        ("5d-2d", NOW - timedelta(days=5), NOW - timedelta(days=2)),
        ("5d- 2d", NOW - timedelta(days=5), NOW - timedelta(days=2)),
        ("2021-06-01T08:05:17Z", at(2021, 6, 1, 8, 5, 17), None),
        ("2021-06-01T08:05:17.5Z", at(2021, 6, 1, 8, 5, 17), None),
        ("2021-06-01T00:00:00Z-5h", at(2021, 6, 1), NOW - timedelta(hours=5)),
        ("2021-06-01T00:00:00Z-2021-06-02T00:00:00Z", at(2021, 6, 1), at(2021, 6, 2)),
        ("3000w", NOW - timedelta(weeks=3000), None),
    ],
)
def test_intervals(text: str, start: datetime, end: datetime | None) -> None:
    assert parsed(text) == Window(start, end)


def test_no_interval() -> None:
    assert parsed("") is None


@pytest.mark.parametrize(
    "text",
    [
        " ", "yesterday", "5", "d", "5D", "1h30m", " 5d", "5d ", "5d-", "-5d", "5d - 2d", "5d-2d-1d", "2021-06-01",
        "2021-06-01T00:00:00", "2021-06-01T00:00:00+00:00", "2021-02-30T00:00:00Z", "2021-06-01T24:00:00Z", "٥d",
        "0000-01-01T00:00:00Z", "99999999999999999999d", "9" * 5000 + "d", "999999999w", "5d\n",
        "1d-2021-06-01T00:00:00.5Z",
    ],
)  # fmt: skip
def test_what_is_no_interval(text: str) -> None:
    with pytest.raises(PluginError, match="invalid interval: "):
        parsed(text)


def test_an_end_before_the_start() -> None:
    with pytest.raises(PluginError, match="start time 2025-03-08T08:00:30Z must be less than end time 2025-03-05T08:0"):
        parsed("2d-5d")
    assert parsed("2021-06-01T08:10:59Z-2021-06-01T08:10:00Z") is not None


def name(stamp: str) -> str:
    return f"AWSLogs/1/CloudTrail/r/2021/06/01/1_CloudTrail_us-east-1_{stamp}Z_abc.json.gz"


@pytest.mark.parametrize(
    ("key", "held"),
    [
        (name("20210601T0804"), False),
        (name("20210601T0805"), True),
        (name("20210602T0000"), True),
        (name("20210602T0001"), False),
        ("x.json", True),
        ("1_CloudTrail-Digest_us-east-1_20200101T0000Z.json", True),
    ],
)
def test_names_in_a_window(key: str, held: bool) -> None:
    window = parsed("2021-06-01T08:05:59Z-2021-06-02T00:00:00Z")
    assert window is not None
    assert window.holds(key) is held
    assert window.first_day == "2021/06/01/"


def test_a_window_without_an_end() -> None:
    window = parsed("2021-06-01T08:05:59Z")
    assert window is not None
    assert window.holds(name("99991231T2359"))


@given(st.text(alphabet="0123456789wdhmsTZ:-. ", max_size=45))
def test_any_text_is_an_interval_or_an_error(text: str) -> None:
    try:
        window = parsed(text)
    except PluginError:
        return
    assert (window is None) == (text == "")
