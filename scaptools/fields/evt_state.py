"""The evt.* fields that need state."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.table import event_table
from scap_formats.types import EventFlag, ParamType, PrintFormat
from scaptools.columns import Coded, Column, Numbers, Rows, Texts
from scaptools.errors import FormatError
from scaptools.fields.model import Cost, Field, FieldArgument
from scaptools.state.attached import state_of
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Mask
    from scaptools.fields.model import Extract
    from scaptools.state.batchstate import BatchState
    from scaptools.state.pathcalls import PathArgument


_PROCINFO = 234

# Latency --------------------------------------------------------------------------------------------------------------


@cache
def _flagged(flags: int, *, exits_only: bool = False) -> Mask:
    """Event types that have all of some flags, by type id."""
    return np.array(
        [event.flags & flags == flags and (event.id % 2 == 1 or not exits_only) for event in event_table().events]
    )


def is_attached(batch: EventBatch, rows: Rows) -> Mask:
    """Whether upstream looks at an event's thread before it evaluates fields."""
    types = batch.header("type", rows)
    skipped = _flagged(EventFlag.SKIPPARSERESET)[types] & (types != _PROCINFO)
    return np.asarray((state_of(batch).threads(rows) != ABSENT) & ~skipped)


def _latency(batch: EventBatch, rows: Rows, argument: None) -> Numbers:  # noqa: ARG001
    values = state_of(batch).latencies(rows).astype(np.uint64)
    return Numbers(values, (batch.header("type", rows) != _PROCINFO) | ~is_attached(batch, rows))


_SECOND = 1_000_000_000


def _latency_part(divide: bool) -> Extract:
    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        whole = _latency(batch, rows, None)
        return Numbers(whole.values // _SECOND if divide else whole.values % _SECOND, whole.valid)

    return extract


def human_interval(ns: int) -> str:
    """An interval as people write it, in the unit that suits it."""
    if ns >= 60 * _SECOND:
        minutes, seconds = divmod(ns // _SECOND, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours:02}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds}"
    for unit, size, exact_from in (("s", _SECOND, None), ("ms", 1_000_000, 10), ("us", 1000, 10)):
        if ns >= size:
            whole, rest = divmod(ns, size)
            return (
                f"{whole}{unit}"
                if exact_from is not None and whole >= exact_from
                else f"{whole}.{rest * 100 // size:02}{unit}"
            )
    return f"{ns}ns"


def _human_latency(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    whole = _latency(batch, rows, None)
    distinct, codes = np.unique(whole.values, return_inverse=True)
    texts = Texts.of(human_interval(value).encode() for value in distinct.tolist())
    return Coded(np.where(whole.validity(), codes.ravel(), ABSENT), texts)


#: How many columns a latency is drawn on.
_SCREEN_COLUMNS = 80
_SCREEN_DECADES = 11


def _quantized_latency(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    whole = _latency(batch, rows, None)
    valid = whole.validity() & (whole.values > 0)
    decades = np.minimum(np.log10(np.maximum(whole.values, 1)), _SCREEN_DECADES)
    return Numbers((decades * _SCREEN_COLUMNS / _SCREEN_DECADES).astype(np.uint64) + np.uint64(1), valid)


def _wait_latency(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    waits = _flagged(EventFlag.WAITS, exits_only=True)[batch.header("type", rows)]
    return Numbers(state_of(batch).latencies(rows).astype(np.uint64), waits)


# Descriptors ----------------------------------------------------------------------------------------------------------

_SYSLOG = "/dev/log"


def syslog_writes(batch: EventBatch, rows: Rows) -> Mask:
    """Which events write to the system log."""
    import pyarrow.compute as pc

    from scaptools.state.fdnames import EventNames
    from scaptools.state.names import event_fd_types

    state = state_of(batch)
    event_names: EventNames = state.memo("event names", lambda: EventNames(state))
    matches = pc.fill_null(pc.match_substring(event_names.names, _SYSLOG), fill_value=False)
    table = np.append(matches.to_numpy(zero_copy_only=False), False)
    writes = _flagged(EventFlag.WRITES_TO_FD)[batch.header("type", rows)]
    attached = event_fd_types(state, state.index(rows)).validity()
    return np.asarray(writes & attached & table[event_names.codes[rows]])


def _is_syslog(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    return Numbers(syslog_writes(batch, rows))


def _absolute_path(batch: EventBatch, rows: Rows, which: str | None) -> Column:
    from scaptools.state.pathcalls import path_arguments

    state = state_of(batch)
    return resolved_arguments(state, rows, path_arguments("abspath", which or "src"), unknown=b"<UNKNOWN>/")


def resolved_arguments(
    state: BatchState,
    rows: Rows,
    arguments: Mapping[int, PathArgument],
    *,
    unknown: bytes,
    raw: bool = False,
) -> Coded:
    """The paths some parameters name, by event type; missing for all other events and for calls that failed."""
    import pyarrow as pa

    batch = state.batch
    index = state.index(rows)
    place = np.full(len(batch), ABSENT)
    place[index] = np.arange(len(index))
    codes = np.full(len(index), ABSENT)
    parts, offset = [pa.array([], pa.binary())], 0
    for event_type, argument in arguments.items():
        of_type = batch.rows_of_type(event_type)
        wanted = np.flatnonzero(place[of_type] != ABSENT) if len(of_type) else of_type
        if not len(wanted):
            continue
        at, texts = argument.resolve(state, event_type, wanted, unknown=unknown, raw=raw)
        codes[place[of_type[at]]] = offset + np.arange(len(at))
        parts.append(texts.to_arrow())
        offset += len(at)
    return Coded(codes, Texts(pa.concat_arrays(parts)))


def _parse_which(text: str) -> str:
    if text not in {"src", "dst"}:
        raise FormatError(
            f"{text} is neither src nor dst", hint="write evt.abspath, evt.abspath.src or evt.abspath.dst"
        )
    return text


def _count_procinfo(*, main_only: bool) -> Extract:
    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        counted = batch.header("type", rows) == _PROCINFO
        if main_only:
            state = state_of(batch)
            threads = state.threads(rows)
            counted &= (threads != ABSENT) & (state.mains(rows) == threads)
        return Numbers(counted.astype(np.uint32))

    return extract


def _field(name: str, type_: ParamType, description: str, extract: Extract, **more: Any) -> Field:
    return Field(name, type_, description, extract, cost=Cost.STATE, **more)


_OUTDATED = frozenset({"DEPRECATED"})
_DEC: dict[str, Any] = {"format": PrintFormat.DEC}
_HIDDEN = frozenset({"TABLE_ONLY"})

EVT_STATE_FIELDS = (
    _field(
        "evt.latency", ParamType.RELTIME, "The time since the enter event, in ns.", _latency, flags=_OUTDATED, **_DEC
    ),
    _field(
        "evt.latency.s",
        ParamType.RELTIME,
        "The whole seconds since the enter event.",
        _latency_part(True),
        flags=_OUTDATED,
        **_DEC,
    ),
    _field(
        "evt.latency.ns",
        ParamType.RELTIME,
        "The time since the enter event without its whole seconds.",
        _latency_part(False),
        flags=_OUTDATED,
        format=PrintFormat.PADDED_DEC,
    ),
    _field(
        "evt.latency.quantized",
        ParamType.UINT64,
        "The time since the enter event on a logarithmic scale.",
        _quantized_latency,
        flags=_OUTDATED | _HIDDEN,
        **_DEC,
    ),
    _field(
        "evt.latency.human",
        ParamType.CHARBUF,
        "The time since the enter event in the unit that suits it.",
        _human_latency,
        flags=_OUTDATED,
    ),
    _field(
        "evt.wait_latency",
        ParamType.RELTIME,
        "The time a call that waits took, on its exit event.",
        _wait_latency,
        flags=_OUTDATED,
        **_DEC,
    ),
    _field("evt.is_syslog", ParamType.BOOL, "Whether the event writes to the system log.", _is_syslog),
    _field(
        "evt.abspath",
        ParamType.CHARBUF,
        "The full path of calls relative to a directory's descriptor; .src and .dst where there are two.",
        _absolute_path,
        argument=FieldArgument(_parse_which, required=False, form=".src or .dst", suffix=True),
    ),
    _field(
        "evt.count.procinfo",
        ParamType.UINT32,
        "1 for reports on a process.",
        _count_procinfo(main_only=True),
        flags=_HIDDEN,
        **_DEC,
    ),
)
