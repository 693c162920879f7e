"""Dates and times of day against the standard library."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scap_formats.types import ParamType
from scaptools.fields.paramtext import Clock
from tests.fields.paramtext_values import texts

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAYOUTS = ["t", "t.n", "d t", "d t.n", "d t.n z", "dTt.n+0000", "sn"]
_ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]
_MAX = 2**64 - 1


@pytest.fixture(params=_ZONES)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def _model(layout: str, timestamp: int, zone: str) -> bytes:
    moment = datetime.fromtimestamp(timestamp // 10**9, UTC).astimezone(ZoneInfo(zone))
    parts = {
        "d": moment.strftime("%Y-%m-%d"),
        "t": moment.strftime("%H:%M:%S"),
        "s": f"{timestamp // 10**9:010d}"[-10:],
        "n": f"{timestamp % 10**9:09d}",
        "z": moment.strftime("%z"),
    }
    return "".join(parts.get(letter, letter) for letter in layout).encode()


def _texts(clock: Clock, timestamps: list[int]) -> list[bytes]:
    result = clock.texts(np.array(timestamps, np.uint64)).to_pylist()
    assert all(isinstance(text, bytes) for text in result)
    return list(result)


# The fixture sets the same zone for all examples of a test.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(_LAYOUTS), st.lists(st.integers(0, _MAX), max_size=20))
def test_local_times(zone: str, layout: str, timestamps: list[int]) -> None:
    assert _texts(Clock(layout), timestamps) == [_model(layout, timestamp, zone) for timestamp in timestamps]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, _MAX - 10**15), st.lists(st.integers(0, 10**14), min_size=1, max_size=20))
def test_times_close_together(zone: str, start: int, steps: list[int]) -> None:
    timestamps = [start + step for step in steps]
    assert _texts(Clock("d t.n z"), timestamps) == [_model("d t.n z", timestamp, zone) for timestamp in timestamps]


def test_the_offset_is_that_of_the_event(zone: str) -> None:
    # One second before New York's clocks go forward in 2021, and the next one.
    change = 1_615_705_200 * 10**9
    expected = {
        "America/New_York": [b"2021-03-14 01:59:59 -0500", b"2021-03-14 03:00:00 -0400"],
        "UTC": [b"2021-03-14 06:59:59 +0000", b"2021-03-14 07:00:00 +0000"],
    }
    result = _texts(Clock("d t z"), [change - 1, change])
    assert result == expected.get(zone, [_model("d t z", at, zone) for at in (change - 1, change)])


@given(st.lists(st.integers(0, _MAX), max_size=20))
def test_utc(timestamps: list[int]) -> None:
    clock = Clock("dTt.n+0000", utc=True)
    assert _texts(clock, timestamps) == [_model("dTt.n+0000", timestamp, "UTC") for timestamp in timestamps]


def test_absolute_time_parameters(zone: str) -> None:
    timestamps = [0, 1_534_527_342_999_999_999, *(10**18 + step * 10**15 for step in range(200))]
    raws = [timestamp.to_bytes(8, "little") for timestamp in timestamps]
    expected = [(_model("d t.n z", timestamp, zone), b"") for timestamp in timestamps]
    assert texts(ParamType.ABSTIME, raws) == expected
