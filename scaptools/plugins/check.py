"""The conformance check: whether a plugin does what the contract asks, on payloads it may not expect.

It works on Python plugins and on shared libraries alike; an empty list of findings means that nothing was found wrong.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from scap_formats.plugin import PLUGIN_EVENT
from scap_formats.table import plugin_registry
from scap_formats.types import ParamType
from scaptools.columns import Coded, Lists, Numbers, Texts
from scaptools.errors import PluginError, ScapError
from scaptools.plugins.contract import (
    TIMESTAMP_UNSET,
    EventColumns,
    ExtractorPlugin,
    Payloads,
    ScapEvents,
    SourcePlugin,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scaptools.columns import Column
    from scaptools.plugins.contract import Plugin, PluginField, StreamBatch

#: Payloads nobody should stumble over.
HOSTILE: Final[tuple[bytes, ...]] = (
    b"",
    b"\0",
    b"{}",
    b'{"a": [1, 2, {"b": null}]}',
    b"[" * 1000,
    b"\xff\xfe" * 50,
    b"a" * 70_000,
    b" ",
    b"event 5 word",
)
#: Ids and names that belong to nobody.
_SHARED_ID: Final = 999
_NUMBER_TYPES: Final = frozenset({ParamType.UINT64, ParamType.RELTIME, ParamType.ABSTIME, ParamType.BOOL})
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*")
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_-]+)+", re.IGNORECASE)
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+")
#: Events read from a source, and seconds after which fewer have to do.
_READ: Final = 1000
_READ_SECONDS: Final = 5.0
_EARLIEST_NS: Final = 10**18


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a plugin: what was looked at, and what was found."""

    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"


def check_plugin(plugin: Plugin, open_params: str | None = None) -> list[Finding]:
    """Everything that is wrong with a plugin; a source is opened only where open parameters are given."""
    findings = list(_identity(plugin))
    events: list[bytes] = []
    if isinstance(plugin, SourcePlugin) and open_params is not None:
        findings += _source(plugin, open_params, events)
    if isinstance(plugin, ExtractorPlugin):
        findings += _declared(plugin)
        if _reads_payloads(plugin):
            findings += _extraction(plugin, [*HOSTILE, *events])
    return findings


def _reads_payloads(plugin: ExtractorPlugin) -> bool:
    """Whether a plugin can be asked about any payload, and answers the same whatever it was asked before."""
    whole = plugin.whole_events
    payloads = whole is None or ((not whole.types or PLUGIN_EVENT in whole.types) and not whole.sources)
    return payloads and not getattr(plugin, "keeps_state", False)


def _identity(plugin: Plugin) -> Iterator[Finding]:
    info = plugin.info
    if not _NAME.fullmatch(info.name):
        yield Finding("name", f"{info.name!r} is not made of small letters, digits, _ and -")
    if not _VERSION.match(info.version):
        yield Finding("version", f"{info.version!r} is not of the form 1.2.3")
    if not info.description:
        yield Finding("description", "is empty")
    if bool(info.id) != bool(info.source):
        yield Finding("id", "there must be an id and an event source, or neither")
    known = plugin_registry().get(info.id)
    if info.id not in {0, _SHARED_ID} and known is not None and known.source not in {None, "", info.source}:
        yield Finding("id", f"{info.id} is registered for the event source {known.source}")
    if not isinstance(plugin, SourcePlugin | ExtractorPlugin):
        yield Finding("capabilities", "it neither produces events nor extracts fields")


def _declared(plugin: ExtractorPlugin) -> Iterator[Finding]:
    if not plugin.fields:
        yield Finding("fields", "there are none")
    names = [field.name for field in plugin.fields]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Finding(name, "is declared twice")
    for field in plugin.fields:
        if not _FIELD.fullmatch(field.name):
            yield Finding(field.name, "is not of the form prefix.name")
        if not field.description:
            yield Finding(field.name, "has no description")


def _extraction(plugin: ExtractorPlugin, data: Sequence[bytes]) -> Iterator[Finding]:
    try:
        every = plugin.prepare(_payloads(data, 0))
        later = plugin.prepare(_payloads(data[1:], 1))
        none = plugin.prepare(_payloads((), 0))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        yield Finding("prepare", f"fails: {type(error).__name__}: {error}")
        return
    for field in plugin.fields:
        argument = _argument(field)
        try:
            column = plugin.extract(every, field.name, argument)
            again = plugin.extract(every, field.name, argument)
            rest = plugin.extract(later, field.name, argument)
            empty = plugin.extract(none, field.name, argument)
        except Exception as error:  # noqa: BLE001 - as above
            yield Finding(field.name, f"fails: {error if isinstance(error, ScapError) else repr(error)}")
            continue
        yield from _column(field, column, len(data))
        if len(empty):
            yield Finding(field.name, f"gives {len(empty)} values for no events")
        values = _listed(column)
        if _listed(again) != values:
            yield Finding(field.name, "gives other values when asked again")
        elif _listed(rest) != values[1:]:
            yield Finding(field.name, "gives an event another value when the events around it are others")


def _column(field: PluginField, column: Column, count: int) -> Iterator[Finding]:
    if len(column) != count:
        yield Finding(field.name, f"gives {len(column)} values for {count} events")
    if isinstance(column, Lists) != field.is_list:
        yield Finding(field.name, "is declared a list and is none, or the other way round")
        return
    values = column.values if isinstance(column, Lists | Coded) else column
    kind = Numbers if field.type in _NUMBER_TYPES else Texts
    if not isinstance(values, kind):
        yield Finding(field.name, f"is declared {field.type.name} and gives {type(values).__name__.lower()}")


def _source(plugin: SourcePlugin, params: str, events: list[bytes]) -> Iterator[Finding]:
    times: list[int] = []
    count, end = 0, time.monotonic() + _READ_SECONDS
    try:
        stream = plugin.open(params)
    except PluginError as error:
        yield Finding("open", str(error))
        return
    try:
        for batch in stream:
            for payload, ts in _events(batch):
                events.append(payload)
                times.append(ts)
            count += len(batch)
            if count >= _READ or time.monotonic() > end:
                break
        progress = stream.progress()
        if progress is not None and not 0 <= progress[0] <= 1:
            yield Finding("progress", f"is {progress[0]}, not between 0 and 1")
    except Exception as error:  # noqa: BLE001 - as above
        yield Finding("events", str(error) if isinstance(error, PluginError) else f"not a PluginError: {error!r}")
    finally:
        stream.close()
    early = [ts for ts in times if ts < _EARLIEST_NS]
    if early:
        yield Finding("times", f"{early[0]} is no time in ns since the epoch of these years")
    del events[_READ:]
    for payload in events[:10]:
        if not plugin.event_text(payload):
            yield Finding("event text", "is empty")
            return


def _events(batch: StreamBatch) -> Iterator[tuple[bytes, int]]:
    if isinstance(batch, ScapEvents):
        return
    rows = batch if not isinstance(batch, EventColumns) else batch[:_READ]
    for event in rows:
        yield event.payload, event.timestamp_ns if event.timestamp_ns != TIMESTAMP_UNSET else _EARLIEST_NS


def _argument(field: PluginField) -> str | None:
    if not field.argument.required:
        return None
    return "0" if field.argument.is_index else "/a"


def _payloads(data: Sequence[bytes], first: int) -> Payloads:
    import pyarrow as pa

    numbers = np.arange(first + 1, first + 1 + len(data), dtype=np.uint64)
    return Payloads(pa.array(data, pa.binary()), numbers + np.uint64(_EARLIEST_NS), numbers)


def _listed(column: Column) -> list[Any]:
    values: list[Any] = column.to_arrow().to_pylist()
    return values
