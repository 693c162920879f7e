"""Clocks: columns of timestamps as dates and times of day, digits looked up in tables.

A local time uses the offset its zone had at the time of the event, not the one of today.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from scaptools.digits import digit_matrix, fixed_width
from scaptools.fields.paramtext.distinct import distinct

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

NANOSECONDS = 1_000_000_000
_DAY_SECONDS = 86_400
#: Zones change their offset at whole quarters of an hour.
_QUARTER_SECONDS = 900

#: Parts of a clock's text by the letter that stands for them in a layout, with their widths.
_WIDTHS = {
    "d": len("2020-01-31"),
    "t": len("23:59:59"),
    "s": len("1577836800"),
    "n": len("123456789"),
    "z": len("+0100"),
}


@dataclass(frozen=True, slots=True)
class Clock:
    """How a timestamp is written.

    In ``layout`` d is the date, t the time of day, s ten digits of seconds since the epoch, n nine of nanoseconds and z
    the offset from UTC; everything else stands for itself.
    """

    layout: str
    utc: bool = False

    def texts(self, timestamps: NDArray[np.uint64]) -> pa.Array:
        """Timestamps in ns since the epoch, shape ``(n,)``, as an Arrow ``binary`` array without nulls."""
        record = _record_dtype(self.layout)
        seconds = timestamps // np.uint64(NANOSECONDS)
        codes, found = distinct(seconds)
        # All but the nanoseconds is the same for all events of a second, and is copied as a whole.
        frames = self._frames(found).view(np.dtype((np.void, record.itemsize)))
        rows = frames[codes].view(record)
        if "n" in self.layout:
            digits = _nine_digits((timestamps - seconds * np.uint64(NANOSECONDS)).astype(np.uint32))
            for index, part in enumerate(self.layout):
                if part == "n":
                    rows[f"f{index}"] = digits
        return fixed_width(rows.view(np.uint8).reshape(len(rows), record.itemsize))

    def _frames(self, seconds: NDArray[np.uint64]) -> NDArray[Any]:
        """The text of each second without nanoseconds."""
        frames = np.zeros(len(seconds), _record_dtype(self.layout))
        local = seconds.astype(np.int64)
        offsets = np.zeros(len(local), np.int64) if self.utc else zone_offsets(local)
        local += offsets
        for index, part in enumerate(self.layout):
            if part != "n":
                frames[f"f{index}"] = _part(part, seconds, local, offsets)
        return frames


def _part(part: str, seconds: NDArray[np.uint64], local: NDArray[np.int64], offsets: NDArray[np.int64]) -> Any:
    if part == "t":
        return _times_of_day()[local % _DAY_SECONDS]
    if part == "s":
        return np.ascontiguousarray(digit_matrix(seconds, _WIDTHS["s"])).view("S10").reshape(-1)
    if part == "d":
        codes, days = distinct(local // _DAY_SECONDS)
        return days.astype("datetime64[D]").astype("S10")[codes]
    if part == "z":
        codes, found = distinct(offsets)
        return np.array([_offset_text(offset) for offset in found.tolist()], "S5")[codes]
    return part.encode()


def zone_offsets(seconds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Seconds east of UTC the local zone was at the given seconds since the epoch."""
    codes, quarters = distinct(seconds // _QUARTER_SECONDS)
    found = [time.localtime(quarter * _QUARTER_SECONDS).tm_gmtoff for quarter in quarters.tolist()]
    return np.array(found, np.int64)[codes]


def _offset_text(offset: int) -> bytes:
    minutes = abs(offset) // 60
    return b"%c%02d%02d" % (ord("-" if offset < 0 else "+"), minutes // 60, minutes % 60)


@cache
def _record_dtype(layout: str) -> np.dtype[Any]:
    # Times of day and nanoseconds are assembled from words, texts from byte strings.
    formats = {"t": "<u8", "n": [("high", "u1"), ("middle", "<u4"), ("low", "<u4")]}
    return np.dtype([(f"f{i}", formats.get(part, f"S{_WIDTHS.get(part, 1)}")) for i, part in enumerate(layout)])


@cache
def _times_of_day() -> NDArray[np.uint64]:
    """``HH:MM:SS`` for every second of a day, as a word of eight characters."""
    second = np.arange(_DAY_SECONDS)
    table = np.full((_DAY_SECONDS, 8), ord(":"), np.uint8)
    for place, values in ((0, second // 3600), (3, second // 60 % 60), (6, second % 60)):
        table[:, place : place + 2] = digit_matrix(values, 2)
    return table.view("<u8").reshape(-1)


@cache
def _four_digits() -> NDArray[np.uint32]:
    return np.ascontiguousarray(digit_matrix(np.arange(10_000), 4)).view("<u4").reshape(-1)


def _nine_digits(nanoseconds: NDArray[np.uint32]) -> NDArray[Any]:
    table = _four_digits()
    result = np.empty(len(nanoseconds), [("high", "u1"), ("middle", "<u4"), ("low", "<u4")])
    base = np.uint32(10_000)
    upper = nanoseconds // base
    high = upper // base
    result["high"] = high + np.uint32(ord("0"))
    result["middle"] = table[upper - high * base]
    result["low"] = table[nanoseconds - upper * base]
    return result
