"""Times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

_SECOND = 1_000_000_000
#: Units a duration is told in, largest first: name and ns.
_UNITS = (("d", 86400 * _SECOND), ("h", 3600 * _SECOND), ("min", 60 * _SECOND), ("s", _SECOND))


def utc_text(ts: int) -> str:
    """A time in ns since the epoch as RFC 3339 in UTC with all nine digits; beyond the year 9999 the number itself."""
    try:
        whole = datetime.fromtimestamp(ts // _SECOND, UTC)
    except (OverflowError, ValueError, OSError):
        return str(ts)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{ts % _SECOND:09d}Z"


def duration_text(ns: int) -> str:
    """A duration in its largest unit with one digit behind the point, in ms below a second."""
    for name, size in _UNITS:
        if ns >= size:
            return f"{ns / size:.1f} {name}"
    return f"{ns / 1_000_000:.3f} ms"
