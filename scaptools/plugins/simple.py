"""Plugins one event at a time: the simple form, for when columns are more trouble than they are worth.

A source is a generator of payloads; a field is a method that takes an event and gives a value or None.

    class Words(EventSource, EventExtractor):
        info = PluginInfo("words", "0.1.0", "Words of a text", id=999, source="words")

        def events(self, params):
            yield from (line.encode() for line in open(params))

        @event_field("words.count", ParamType.UINT64, "How many words there are.")
        def count(self, event, argument):
            return len(event.payload.split())
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from scap_formats.types import ParamType
from scaptools.columns import Column, Lists, Numbers, Texts
from scaptools.errors import PluginError, ScapError
from scaptools.plugins.contract import (
    ArgumentRule,
    EventStream,
    ExtractorPlugin,
    Payloads,
    PluginField,
    SourceEvent,
    SourcePlugin,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    #: What a field's method returns: text, bytes, a number, a truth value, None for no value, or a list of the former.
    Value: TypeAlias = str | bytes | int | bool | Sequence[str | bytes | int | bool] | None
    Method: TypeAlias = Callable[[Any, SourceEvent, str | None], Value]

#: Most events of one batch.
_BATCH = 256
_NUMBERS = {ParamType.UINT64: np.uint64, ParamType.RELTIME: np.uint64, ParamType.ABSTIME: np.uint64}


@dataclass(frozen=True, slots=True)
class _FieldMethod:
    declaration: PluginField
    function: Method


def event_field(
    name: str,
    type_: ParamType,
    description: str,
    *,
    argument: ArgumentRule = ArgumentRule.NONE,
    is_list: bool = False,
) -> Callable[[Method], Any]:
    """Declare the decorated method of an `EventExtractor` a field."""

    def declare(function: Method) -> _FieldMethod:
        return _FieldMethod(PluginField(name, type_, description, argument, is_list), function)

    return declare


class EventExtractor(ExtractorPlugin):
    """An extractor whose fields are its methods decorated with `event_field`."""

    _methods: dict[str, _FieldMethod]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        inherited = dict(getattr(cls, "_methods", {}))
        own = [value for value in vars(cls).values() if isinstance(value, _FieldMethod)]
        cls._methods = inherited | {method.declaration.name: method for method in own}
        cls.fields = tuple(method.declaration for method in cls._methods.values())

    def prepare(self, payloads: Payloads) -> list[SourceEvent]:
        """The payloads one by one."""
        times = payloads.timestamps.tolist()
        return [SourceEvent(data, ts) for data, ts in zip(payloads.data.to_pylist(), times, strict=True)]

    def extract(self, prepared: list[SourceEvent], name: str, argument: str | None) -> Column:
        """The column of one field. Raises PluginError where the field's method fails."""
        method = self._methods.get(name)
        if method is None:
            raise PluginError(f"there is no field {name}", plugin=self.info.name)
        try:
            values = [method.function(self, event, argument) for event in prepared]
            return _column(method.declaration, values)
        except ScapError:
            raise
        except Exception as error:
            raise PluginError(f"{name} failed: {type(error).__name__}: {error}", plugin=self.info.name) from error


class EventSource(SourcePlugin):
    """A source that yields payloads, or events where it knows their times; None where there is nothing right now."""

    @abstractmethod
    def events(self, params: str) -> Iterator[bytes | SourceEvent | None]:
        """The events, one by one. Raises PluginError."""

    def open(self, params: str) -> EventStream:
        """Start a stream. Raises PluginError."""
        return _Stream(self.info.name, self.events(params))


class _Stream(EventStream):
    def __init__(self, plugin: str, events: Iterator[bytes | SourceEvent | None]) -> None:
        self._plugin = plugin
        self._events = events

    def __iter__(self) -> Iterator[list[SourceEvent]]:
        """See `EventStream`."""
        batch: list[SourceEvent] = []
        failure: PluginError | None = None
        while failure is None:
            try:
                event = next(self._events)
            except StopIteration:
                break
            except PluginError as error:
                failure = error
                continue
            except Exception as error:  # noqa: BLE001 - raised again, after what came before it
                failure = PluginError(f"reading events failed: {type(error).__name__}: {error}", plugin=self._plugin)
                failure.__cause__ = error
                continue
            if event is not None:
                batch.append(event if isinstance(event, SourceEvent) else SourceEvent(event))
            if event is None or len(batch) == _BATCH:
                yield batch
                batch = []
        if batch:
            yield batch
        if failure is not None:
            raise failure

    def close(self) -> None:
        """End the generator."""
        close = getattr(self._events, "close", None)
        if close is not None:
            close()


def _column(declaration: PluginField, values: list[Any]) -> Column:
    if not declaration.is_list:
        return _flat(declaration.type, values)
    counts = [0 if value is None else len(value) for value in values]
    valid = np.array(counts, bool)
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    elements = [element for value in values if value is not None for element in value]
    return Lists(offsets, _flat(declaration.type, elements), None if valid.all() else valid)


def _flat(type_: ParamType, values: list[Any]) -> Numbers | Texts:
    if type_ is not ParamType.BOOL and type_ not in _NUMBERS:
        return Texts.of(value.encode() if isinstance(value, str) else value for value in values)
    valid = np.array([value is not None for value in values], bool)
    numbers = np.array([0 if value is None else int(value) for value in values], _NUMBERS.get(type_, np.uint32))
    return Numbers(numbers, None if valid.all() else valid)
