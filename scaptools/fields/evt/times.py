"""Times: when an event happened, as numbers and as text."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import Numbers, Texts
from scaptools.errors import FormatError
from scaptools.fields.model import Field, FieldArgument
from scaptools.fields.paramtext.clock import NANOSECONDS, Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows

    #: From the timestamps of events to one number each.
    Measure = Callable[[EventBatch, Rows], NDArray[np.uint64]]

_DATE_TIME = Clock("d t.n")
_MAX_TIMESTAMP = 2**64 - 1


def timestamps(batch: EventBatch, rows: Rows) -> NDArray[np.uint64]:
    """The time of each event in ns since the epoch."""
    return batch.header("ts", rows).astype(np.uint64, copy=False)


def since_start(batch: EventBatch, rows: Rows) -> NDArray[np.uint64]:
    """The ns from the section's first event to each event; an earlier one wraps around."""
    first = batch.section.first_ts
    return timestamps(batch, rows) - np.uint64(0 if first is None else first)


def _seconds(measure: Measure, batch: EventBatch, rows: Rows) -> NDArray[np.uint64]:
    return measure(batch, rows) // np.uint64(NANOSECONDS)


def _fraction(measure: Measure, batch: EventBatch, rows: Rows) -> NDArray[np.uint64]:
    return measure(batch, rows) % np.uint64(NANOSECONDS)


def _number(measure: Measure, batch: EventBatch, rows: Rows, _argument: Any) -> Numbers:
    return Numbers(measure(batch, rows))


def _text(clock: Clock, batch: EventBatch, rows: Rows, _argument: Any) -> Texts:
    return Texts(clock.texts(timestamps(batch, rows)))


def _distance(batch: EventBatch, rows: Rows, center: int) -> Numbers:
    at, middle = timestamps(batch, rows), np.uint64(center)
    return Numbers(np.maximum(at, middle) - np.minimum(at, middle))


def parse_timestamp(text: str) -> int:
    """A time in ns since the epoch. Raises FormatError."""
    if not (text.isascii() and text.isdecimal()) or int(text) > _MAX_TIMESTAMP:
        raise FormatError(f"{text or 'nothing'} is not a time in ns since the epoch")
    return int(text)


def _clock_field(name: str, clock: Clock, description: str) -> Field:
    return Field(name, ParamType.CHARBUF, description, partial(_text, clock))


def _number_fields(
    name: str, type_: ParamType, measure: Measure, whole: PrintFormat, description: str
) -> tuple[Field, ...]:
    padded = PrintFormat.PADDED_DEC
    return (
        Field(name, type_, f"{description}, in ns.", partial(_number, measure), whole),
        Field(
            f"{name}.s",
            type_,
            f"{description}, whole seconds.",
            partial(_number, partial(_seconds, measure)),
            PrintFormat.DEC,
        ),
        Field(
            f"{name}.ns",
            type_,
            f"{description}, the ns beyond whole seconds.",
            partial(_number, partial(_fraction, measure)),
            padded,
        ),
    )


FIELDS: tuple[Field, ...] = (
    _clock_field("evt.time", Clock("t.n"), "Local time of day with nanoseconds."),
    _clock_field("evt.time.s", Clock("t"), "Local time of day in whole seconds."),
    _clock_field("evt.time.iso8601", Clock("dTt.n+0000", utc=True), "Date and time of day in UTC as ISO 8601 has it."),
    _clock_field("evt.datetime", _DATE_TIME, "Local date and time of day with nanoseconds."),
    _clock_field("evt.datetime.s", Clock("d t"), "Local date and time of day in whole seconds."),
    *_number_fields("evt.rawtime", ParamType.ABSTIME, timestamps, PrintFormat.DEC, "Time since the epoch"),
    *_number_fields(
        "evt.reltime",
        ParamType.RELTIME,
        since_start,
        PrintFormat.PADDED_DEC,
        "Time since the first event of the capture",
    ),
    Field(
        "evt.around",
        ParamType.UINT64,
        "Whether the event is at most so many ms away from a time: evt.around[NS] = MS.",
        _distance,
        PrintFormat.DEC,
        argument=FieldArgument(parse_timestamp, required=True, form="[ns timestamp]"),
        flags=frozenset({"FILTER_ONLY", "NO_TRANSFORMER", "NO_RHS"}),
        comparison="within",
    ),
)
