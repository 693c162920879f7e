"""Times of events: RFC 3339 with the tolerance of the reader that made it the rule.

Upper-case ``T`` and ``Z``, or an offset of hours and minutes; a fraction behind ``.`` or ``,`` of any length, of which
nine digits count; an hour of one digit passes. Hour 24, second 60 and dates that do not exist do not.
"""

from __future__ import annotations

import re
from typing import Final

_TIME: Final = re.compile(
    rb"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+))?"
    rb"(?:Z|([-+])([0-9]{2}):([0-9]{2}))"
)
_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_EPOCH_DAY: Final = 719468
_NS: Final = 1_000_000_000


def parse_time(text: bytes) -> int | None:
    """Nanoseconds since the epoch modulo 2**64, so that earlier times are huge; None where it is no such time."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    if not 1 <= month <= 12 or not 1 <= day <= _days_in(year, month) or hour > 23 or minute > 59 or second > 59:
        return None
    seconds = ((_day_number(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    if match[8]:
        hours, minutes = int(match[9]), int(match[10])
        if hours > 24 or minutes > 60:
            return None
        seconds -= (hours * 60 + minutes) * (60 if match[8] == b"+" else -60)
    fraction = int((match[7] or b"")[:9].ljust(9, b"0"))
    return (seconds * _NS + fraction) % (1 << 64)


def _days_in(year: int, month: int) -> int:
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _MONTH_DAYS[month - 1] + leap


def _day_number(year: int, month: int, day: int) -> int:
    """Days since the epoch in the Gregorian calendar, year 0 included."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _EPOCH_DAY
