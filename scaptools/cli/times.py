"""Times as people read and write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, TypeAlias

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    #: A time in ns since the epoch, given that of a capture's first event.
    Moment: TypeAlias = Callable[[int], int]

_SECOND = 1_000_000_000
#: Units a duration is told in, largest first: name and ns.
_UNITS = (("d", 86400 * _SECOND), ("h", 3600 * _SECOND), ("min", 60 * _SECOND), ("s", _SECOND))
#: Units a duration is written in.
_WRITTEN_UNITS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "": _SECOND,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "min": 60 * _SECOND,
    "h": 3600 * _SECOND,
    "d": 86400 * _SECOND,
}
_DURATION = re.compile(r"\+(\d+)(?:\.(\d{1,9}))?([a-z]*)", re.ASCII)
_NANOSECONDS = re.compile(r"\d{16,20}", re.ASCII)
#: Python reads at most six digits of a second's fraction.
_FRACTION = re.compile(r"[.,](\d{1,9})(?!\d)", re.ASCII)


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


def parse_moment(text: str) -> Moment:
    """A time as options give it.

    RFC 3339 or its date alone, local where no offset is given; a local time of day, of the day of the capture's first
    event; ``+90s``, ``+1.5h`` and the like after that event; or whole ns since the epoch. Raises ValueError.
    """
    duration = _DURATION.fullmatch(text)
    if duration is not None:
        if duration[3] not in _WRITTEN_UNITS:
            raise ValueError(f"{duration[3]} is no unit of time")
        unit = _WRITTEN_UNITS[duration[3]]
        offset = int(duration[1]) * unit + int((duration[2] or "").ljust(9, "0")) * unit // _SECOND
        return lambda first: first + offset
    if _NANOSECONDS.fullmatch(text):
        return lambda _first: int(text)
    fraction = _FRACTION.search(text)
    ns = 0 if fraction is None else int(fraction[1].ljust(9, "0"))
    whole = text if fraction is None else text[: fraction.start()] + text[fraction.end() :]
    try:
        of_day = time.fromisoformat(whole)
    except ValueError:
        at = int(datetime.fromisoformat(whole).timestamp()) * _SECOND + ns
        return lambda _first: at
    return lambda first: int(datetime.combine(_local_day(first), of_day).timestamp()) * _SECOND + ns


def _local_day(ts: int) -> datetime:
    return datetime.fromtimestamp(ts // _SECOND)  # noqa: DTZ006 - local time is what is wanted


def moment_option(context: click.Context, param: click.Parameter, value: str | None) -> Moment | None:
    """The callback of options that are a time. Raises click.BadParameter."""
    if value is None:
        return None
    try:
        return parse_moment(value)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{value!r} is not a time; write 2024-05-06T07:08:09.5Z, 07:08:09.5 or +90s (after the first event)."
        ) from error
