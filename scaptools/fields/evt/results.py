"""Results: what a system call returned.

The result is the parameter called ``res``, or the new descriptor of a call that makes one. It is one signed number per
event, kept with the batch, that every field here is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.table import event_table
from scap_formats.types import Direction, EventCategory, EventClass, EventFlag, ParamType, PrintFormat
from scaptools.columns import ALL_ROWS, Coded, Numbers, Texts
from scaptools.fields.evt.groups import row_count, type_groups
from scaptools.fields.model import Cost, Field
from scaptools.fields.paramtext.distinct import distinct
from scaptools.fields.paramtext.names import ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from scap_formats.table import EventType
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Mask, Rows
    from scaptools.fields.paramtext import Dialect

    #: From events to True where a count applies to them.
    Applies = Callable[[EventBatch, Rows], Mask]

_SUCCESS = b"SUCCESS"
#: Types the return value of a system call can have.
_RESULT_TYPES = frozenset(
    {
        ParamType.ERRNO,
        ParamType.FD,
        ParamType.FD32,
        ParamType.PID,
        ParamType.PID32,
        ParamType.INT32,
        ParamType.INT64,
        ParamType.UINT32,
        ParamType.UINT64,
        ParamType.UID,
        ParamType.GID,
    }
)


@cache
def result_params(dialect: Dialect) -> tuple[int | None, ...]:
    """The index of the parameter that holds the result, for every event type; None where there is none."""
    find = _classic_param if dialect.old_view else _current_param
    return tuple(map(find, event_table().events))


def _classic_param(event: EventType) -> int | None:
    params = event.params if event.old_params is None else event.old_params
    names = [param.name for param in params]
    if "res" in names:
        return names.index("res")
    makes_fd = event.direction is Direction.EXIT and event.flags & EventFlag.CREATES_FD
    return names.index("fd") if makes_fd and "fd" in names else None


def _current_param(event: EventType) -> int | None:
    returns = event.direction is Direction.EXIT and event.event_class is EventClass.SYSCALL
    if not returns or not event.params or event.params[0].type not in _RESULT_TYPES:
        return None
    return 0


def results(dialect: Dialect, batch: EventBatch, rows: Rows) -> Numbers:
    """The result of each event as int64, missing where it has none."""
    if isinstance(rows, slice) and rows == ALL_ROWS:
        return batch.memo(("results", dialect.name), lambda: _gathered(dialect, batch, rows))  # type: ignore[no-any-return]
    return _gathered(dialect, batch, rows)


def _gathered(dialect: Dialect, batch: EventBatch, rows: Rows) -> Numbers:
    count = row_count(batch, rows)
    values, valid = np.zeros(count, np.int64), np.zeros(count, bool)
    params = result_params(dialect)
    for group in type_groups(batch, rows, lambda event: params[event.id] is not None):
        column = group.table.column(params[group.event.id] or 0).numbers()
        values[group.places] = column.values
        valid[group.places] = column.validity()
    return Numbers(values, valid)


def _raw(dialect: Dialect, batch: EventBatch, rows: Rows, _argument: Any) -> Numbers:
    return results(dialect, batch, rows)


def _word(dialect: Dialect, batch: EventBatch, rows: Rows, _argument: Any) -> Coded:
    returned = results(dialect, batch, rows)
    valid = returned.validity()
    codes = np.where(valid, 0, -1)
    failed = np.flatnonzero(valid & (returned.values < 0))
    which, errors = distinct(returned.values[failed])
    codes[failed] = which + 1
    return Coded(codes, Texts.of([_SUCCESS, *(ERRORS.get(-error, b"%d" % error) for error in errors.tolist())]))


def _failures(dialect: Dialect, batch: EventBatch, rows: Rows) -> tuple[Mask, Mask]:
    """Whether each event failed, and whether it has a result at all."""
    returned = results(dialect, batch, rows)
    valid = returned.validity()
    return valid & (returned.values < 0), valid


def _failed(dialect: Dialect, batch: EventBatch, rows: Rows, _argument: Any) -> Numbers:
    failed, valid = _failures(dialect, batch, rows)
    return Numbers(failed.astype(np.uint32), None if dialect.failed_always else valid)


@dataclass(frozen=True)
class _ErrorCount:
    """1 for events that failed, among those a condition applies to."""

    dialect: Dialect
    applies: Applies | None = None

    def __call__(self, batch: EventBatch, rows: Rows, _argument: Any) -> Numbers:
        failed, valid = _failures(self.dialect, batch, rows)
        if self.dialect.failed_always:
            valid = failed
        if self.applies is not None:
            valid = valid & self.applies(batch, rows)
        return Numbers(failed.astype(np.uint32), valid)


@cache
def memory_types() -> Mask:
    """True for the event types that are about memory, by number."""
    return np.array([event.category is EventCategory.MEMORY for event in event_table().events])


def about_memory(batch: EventBatch, rows: Rows) -> Mask:
    """True for events about memory."""
    return np.asarray(memory_types()[batch.header("type", rows)])


def error_count_field(suffix: str, what: str, dialect: Dialect, applies: Applies | None) -> Field:
    """A field that counts failed events, among those ``applies`` is true of."""
    return Field(
        f"evt.count.error{suffix}",
        ParamType.UINT32,
        f"1 for events{what} that failed, for counting.",
        _ErrorCount(dialect, applies),
        PrintFormat.DEC,
        cost=Cost.PARAMETERS,
    )


def result_fields(dialect: Dialect) -> tuple[Field, ...]:
    """The fields of this module by the rules of a dialect."""
    return (
        Field(
            "evt.res",
            ParamType.CHARBUF,
            "SUCCESS, or the name of the error, for events that have a result.",
            partial(_word, dialect),
            PrintFormat.DEC,
            flags=frozenset({"NO_PTR_STABILITY"}),
            cost=Cost.PARAMETERS,
        ),
        Field(
            "evt.rawres",
            ParamType.INT64,
            "What the call returned as a number; errors are negative.",
            partial(_raw, dialect),
            PrintFormat.DEC,
            cost=Cost.PARAMETERS,
        ),
        Field(
            "evt.failed",
            ParamType.BOOL,
            "Whether the call returned an error.",
            partial(_failed, dialect),
            cost=Cost.PARAMETERS,
        ),
        error_count_field("", "", dialect, None),
        error_count_field(".memory", " about memory", dialect, about_memory),
    )
