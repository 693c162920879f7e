"""The time at the beginning of output lines, in the style asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.types import ParamType
from scaptools import digits
from scaptools.columns import Texts
from scaptools.fields.evt.elapsed import LatestEvent
from scaptools.fields.evt.times import since_start, timestamps
from scaptools.fields.model import Field
from scaptools.fields.paramtext.clock import NANOSECONDS, Clock
from scaptools.fields.paramtext.style import TimeStyle

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows
    from scaptools.fields.model import Extract

_TIME_OF_DAY = Clock("t.n")
_NANOSECOND_DIGITS = 9


def output_time(style: TimeStyle) -> Field:
    """``evt.outputtime`` in a style."""
    return Field(
        "evt.outputtime",
        ParamType.CHARBUF,
        "The time as output lines show it.",
        _EXTRACTS[style],
        flags=frozenset({"PRINT_ONLY"}),
        memory=LatestEvent if style is TimeStyle.DELTA else None,
    )


def _seconds(times: NDArray[np.uint64], fraction_digits: int = _NANOSECOND_DIGITS) -> Texts:
    """Times in ns as seconds with a point."""
    import pyarrow.compute as pc

    whole, rest = np.divmod(times, np.uint64(NANOSECONDS))
    fraction: pa.Array = digits.padded(rest, fraction_digits)
    return Texts(pc.binary_join_element_wise(digits.decimal(whole), fraction, b"."))


def _time_of_day(batch: EventBatch, rows: Rows, _argument: Any) -> Texts:
    return Texts(_TIME_OF_DAY.texts(timestamps(batch, rows)))


def _absolute(batch: EventBatch, rows: Rows, _argument: Any) -> Texts:
    # Upstream forgets the zeros in front of the nanoseconds.
    return _seconds(timestamps(batch, rows), fraction_digits=1)


def _relative(batch: EventBatch, rows: Rows, _argument: Any) -> Texts:
    return _seconds(since_start(batch, rows))


def _latency(batch: EventBatch, rows: Rows, _argument: Any) -> Texts:
    from scaptools.state.attached import state_of

    return _seconds(state_of(batch).latencies(rows).astype(np.uint64))


def _since_line_before(batch: EventBatch, rows: Rows, latest: LatestEvent) -> Texts:
    return _seconds(latest.since(batch, rows))


_EXTRACTS: dict[TimeStyle, Extract] = {
    TimeStyle.HUMAN: _time_of_day,
    TimeStyle.ABSOLUTE: _absolute,
    TimeStyle.RELATIVE: _relative,
    TimeStyle.LATENCY: _latency,
    TimeStyle.DELTA: _since_line_before,
}
