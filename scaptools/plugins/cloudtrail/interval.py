"""Time windows on the names of log files.

``X`` is from X until now, ``X-Y`` from X to Y. X and Y are a number and one of ``w d h m s``, back from now, or a time
like ``2021-06-01T08:05:00Z``. The time in a log file's name is that of its delivery, in minutes, and so is a window.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail.timestamps import parse_time

_RELATIVE: Final = r"[0-9]+[wdhms]"
_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
_RANGE: Final = re.compile(rf"(.*)[\t\n\f\r ]*-[\t\n\f\r ]*({_RELATIVE}|{_DATE}Z)", re.DOTALL)
_POINT: Final = re.compile(rf"(?P<count>[0-9]+)(?P<unit>[wdhms])|(?P<date>{_DATE})(?:[.,][0-9]+)?Z")
_UNITS: Final = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_STAMP: Final = re.compile(r".*_CloudTrail_[^_]+_([^_]+)Z_")
_FORM: Final = "give 5d, 5d-2d or 2021-06-01T00:00:00Z-2021-06-02T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Window:
    """Log files delivered from ``start`` on, up to ``end`` unless that is None."""

    start: datetime
    end: datetime | None

    @property
    def first_day(self) -> str:
        """The folder of the first day."""
        return f"{self.start.year:04}/{self.start:%m/%d}/"

    def holds(self, key: str) -> bool:
        """Whether a log file is in the window; one whose name has no time is."""
        found = _STAMP.search(key)
        if found is None:
            return True
        return _minute(self.start) <= found[1] and (self.end is None or found[1] <= _minute(self.end))


def parse_window(text: str, *, plugin: str, now: datetime | None = None) -> Window | None:
    """Read an interval; None for an empty one, which leaves nothing out. Raises PluginError."""
    if not text:
        return None
    now = now or datetime.now(UTC)
    both = _RANGE.fullmatch(text)
    points = [text] if both is None else [both[1], both[2]]
    times = []
    for point in points:
        time = _time(point, now)
        if time is None:
            raise PluginError(f'invalid interval: "{text}": cannot read "{point}"', plugin=plugin, hint=_FORM)
        times.append(time)
    window = Window(times[0], times[1] if len(times) > 1 else None)
    if window.end is not None and _minute(window.end) < _minute(window.start):
        raise PluginError(
            f"start time {_shown(window.start)} must be less than end time {_shown(window.end)}", plugin=plugin
        )
    return window


def _time(text: str, now: datetime) -> datetime | None:
    found = _POINT.fullmatch(text)
    if found is None:
        return None
    if found["date"] is not None:
        # What exists as a date but lies outside the four digits' years does not get this far.
        return None if parse_time(f"{found['date']}Z".encode()) is None else _date(found["date"])
    try:
        return now - timedelta(**{_UNITS[found["unit"]]: int(found["count"])})
    except (OverflowError, ValueError):  # ValueError: more digits than an int takes
        return None


def _date(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(f"{text}+00:00")
    except ValueError:  # the year 0
        return None


def _minute(time: datetime) -> str:
    return f"{time.year:04}{time:%m%dT%H%M}"


def _shown(time: datetime) -> str:
    return f"{time.year:04}-{time:%m-%dT%H:%M:%S}Z"
