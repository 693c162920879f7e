"""The syslog.* fields: what a process writes to the system log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scap_formats.table import event_table
from scap_formats.types import EventFlag, ParamType, PrintFormat
from scaptools.columns import Coded, Numbers, Texts
from scaptools.fields.evt_state import syslog_writes
from scaptools.fields.model import Cost, Field
from scaptools.state.attached import state_of
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows
    from scaptools.fields.model import Extract
    from scaptools.state.batchstate import BatchState

#: A message: its priority between angle brackets, then the text.
_MESSAGE = re.compile(rb"<(\d{1,9})>(.*)", re.DOTALL)
_SEVERITIES = 8
_FACILITY_NAMES = (
    *b"kern user mail daemon auth syslog lpr news uucp clock authpriv ftp ntp logaudit logalert cron".split(),
    *(b"local%d" % number for number in range(8)),
)
_SEVERITY_NAMES = tuple(b"emerg alert crit err warn notice info debug".split())


class _Message(NamedTuple):
    priority: int
    text: bytes


def _data_parameters() -> Mapping[int, int]:
    """Where exits of calls that write have what is written."""
    return {
        event.id: index
        for event in event_table().events
        if event.id % 2 and event.flags & EventFlag.WRITES_TO_FD
        for index, param in enumerate(event.params)
        if param.type is ParamType.BYTEBUF
    }


def _messages(state: BatchState) -> tuple[list[_Message], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The messages of a batch, and which of them each event writes, `ABSENT` for none."""
    batch, calls = state.batch, state.calls
    writes = syslog_writes(batch, slice(None))
    messages: list[_Message] = []
    codes = np.full(len(batch), ABSENT)
    for event_type, index in _data_parameters().items():
        rows = batch.rows_of_type(event_type)
        if not writes[rows].any():
            continue
        done = calls.numbers(event_type, 0, None)
        chosen = np.flatnonzero(writes[rows] & done.validity() & (done.values >= 0))
        written = calls.strings(event_type, index, None, raw=True).take(chosen)
        for row, data in zip(rows[chosen].tolist(), written.to_pylist(), strict=True):
            found = _MESSAGE.match(data or b"")
            if found is not None:
                codes[row] = len(messages)
                messages.append(_Message(int(found[1]), found[2]))
    return messages, codes


def _of_message(values: Callable[[list[_Message]], Texts | Numbers]) -> Extract:
    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)
        messages, codes = state.memo("syslog messages", lambda: _messages(state))
        return Coded(codes[rows], values(messages))

    return extract


def _numbers(of: Callable[[int], int]) -> Callable[[list[_Message]], Numbers]:
    return lambda messages: Numbers(np.array([of(message.priority) for message in messages], np.uint32))


def _names(of: Callable[[int], int], names: tuple[bytes, ...]) -> Callable[[list[_Message]], Texts]:
    def texts(messages: list[_Message]) -> Texts:
        numbers = (of(message.priority) for message in messages)
        return Texts.of(names[number] if number < len(names) else b"<NA>" for number in numbers)

    return texts


def _facility(priority: int) -> int:
    return priority // _SEVERITIES


def _severity(priority: int) -> int:
    return priority % _SEVERITIES


def _texts(messages: list[_Message]) -> Texts:
    return Texts.of(message.text for message in messages)


def _field(name: str, type_: ParamType, description: str, values: Callable[[list[_Message]], Texts | Numbers]) -> Field:
    format_ = PrintFormat.DEC if type_ is ParamType.UINT32 else PrintFormat.NA
    return Field(f"syslog.{name}", type_, description, _of_message(values), format=format_, cost=Cost.STATE)


SYSLOG_FIELDS = (
    _field(
        "facility.str",
        ParamType.CHARBUF,
        "Which part of the system a log message is from.",
        _names(_facility, _FACILITY_NAMES),
    ),
    _field("facility", ParamType.UINT32, "The number of the part of the system it is from.", _numbers(_facility)),
    _field("severity.str", ParamType.CHARBUF, "How severe a log message is.", _names(_severity, _SEVERITY_NAMES)),
    _field("severity", ParamType.UINT32, "The number of its severity, 0 being the worst.", _numbers(_severity)),
    _field("message", ParamType.CHARBUF, "The text of a log message.", _texts),
)
