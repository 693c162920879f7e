"""The inside of a built library: the functions a host calls, answered by a Python plugin.

Everything a host is given is kept until the next call of the same kind, as the interface asks; nothing is ever raised
into the host.
"""

from __future__ import annotations

import importlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from scap_formats.plugin import PLUGIN_EVENT
from scap_formats.plugin_abi import PLUGIN_ABIS, SYMBOL_PREFIX, PluginType, ReturnCode, SchemaType
from scap_formats.types import ParamType
from scaptools.columns import Texts
from scaptools.errors import PluginError
from scaptools.plugins.contract import ExtractorPlugin, Payloads, ScapEvents, SourcePlugin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from scaptools.plugins.contract import EventStream, Plugin, PluginField, SourceEvent

#: Seconds an idle source is left alone.
_IDLE_SECONDS: Final = 0.01
#: Bytes in front of a plugin event's payload.
_HEAD: Final = 38
_ALL_ONES: Final = 2**64 - 1


@dataclass(slots=True)
class _State:
    """One initialised plugin; ``kept`` is what the host may still look at, by function."""

    plugin: Plugin | None
    error: str = ""
    kept: dict[str, Any] = field(default_factory=dict)
    prepared: tuple[Any, Any] | None = None


@dataclass(slots=True)
class _Instance:
    """One open stream."""

    stream: EventStream
    batches: Iterator[Any]
    kept: Any = None


def load_configured(plugin: type[Plugin], text: str) -> Plugin:
    """A plugin with its init configuration, JSON or nothing. Raises PluginError where it is not."""
    try:
        value = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise PluginError(f"init configuration: not JSON: {error}", plugin=plugin.info.name) from error
    if not isinstance(value, dict):
        raise PluginError("init configuration: not a JSON object", plugin=plugin.info.name)
    return plugin(value)


class Library:
    """The functions of one library, by their names without prefix."""

    def __init__(self, ffi: Any, plugin: type[Plugin], version: str) -> None:
        self.ffi = ffi
        self.plugin = plugin
        self.version = version
        self.major = int(version.partition(".")[0])
        self._texts: dict[str, Any] = {}
        self._live: dict[Any, Any] = {}

    def _text(self, text: str) -> Any:
        """A C string that stays."""
        if text not in self._texts:
            self._texts[text] = self.ffi.new("char[]", text.encode())
        return self._texts[text]

    def _handle(self, thing: Any) -> Any:
        handle = self.ffi.new_handle(thing)
        self._live[int(self.ffi.cast("uintptr_t", handle))] = handle
        return handle

    def _forget(self, handle: Any) -> Any:
        thing = self.ffi.from_handle(handle)
        self._live.pop(int(self.ffi.cast("uintptr_t", handle)), None)
        return thing

    def get_required_api_version(self) -> Any:
        """The version the library was built for."""
        return self._text(self.version)

    def get_type(self) -> int:
        """Source or extractor, where a plugin is one of the two."""
        return PluginType.SOURCE if issubclass(self.plugin, SourcePlugin) else PluginType.EXTRACTOR

    def get_name(self) -> Any:
        """The plugin's name."""
        return self._text(self.plugin.info.name)

    def get_description(self) -> Any:
        """The plugin's description."""
        return self._text(self.plugin.info.description)

    def get_contact(self) -> Any:
        """The plugin's contact."""
        return self._text(self.plugin.info.contact)

    def get_version(self) -> Any:
        """The plugin's version."""
        return self._text(self.plugin.info.version)

    def get_id(self) -> int:
        """The plugin's id."""
        return self.plugin.info.id

    def get_event_source(self) -> Any:
        """The plugin's event source."""
        return self._text(self.plugin.info.source)

    def get_init_schema(self, kind: Any) -> Any:
        """The schema of the init configuration."""
        schema = self.plugin.config_schema
        kind[0] = SchemaType.NONE if schema is None else SchemaType.JSON
        return self.ffi.NULL if schema is None else self._text(json.dumps(schema))

    def init(self, given: Any, code: Any) -> Any:
        """A plugin with its configuration."""
        config = given if self.major < EVENTS_SINCE else given.config
        state = _State(None)
        code[0] = ReturnCode.SUCCESS
        try:
            text = "" if config == self.ffi.NULL else self.ffi.string(config).decode("utf-8", "replace")
            state.plugin = load_configured(self.plugin, text)
        except Exception as error:  # noqa: BLE001 - the host asks for it
            state.error = str(error)
            code[0] = ReturnCode.FAILURE
        return self._handle(state)

    def destroy(self, state: Any) -> None:
        """Give up a plugin."""
        self._forget(state)

    def get_last_error(self, state: Any) -> Any:
        """Why the last call failed."""
        held: _State = self.ffi.from_handle(state)
        held.kept["error"] = self.ffi.new("char[]", held.error.encode())
        return held.kept["error"]

    def open(self, state: Any, params: Any, code: Any) -> Any:
        """Open a stream."""
        held: _State = self.ffi.from_handle(state)
        text = "" if params == self.ffi.NULL else self.ffi.string(params).decode("utf-8", "replace")
        try:
            stream = cast("SourcePlugin", held.plugin).open(text)
            code[0] = ReturnCode.SUCCESS
            return self._handle(_Instance(stream, iter(stream)))
        except Exception as error:  # noqa: BLE001 - the host asks for it
            held.error = str(error)
            code[0] = ReturnCode.FAILURE
            return self.ffi.NULL

    def close(self, _state: Any, instance: Any) -> None:
        """Give up a stream."""
        if instance != self.ffi.NULL:
            self._forget(instance).stream.close()

    def get_progress(self, _state: Any, instance: Any, percent: Any) -> Any:
        """How far a stream has come."""
        progress = self.ffi.from_handle(instance).stream.progress()
        fraction, text = (0.0, "") if progress is None else progress
        percent[0] = round(fraction * 10000)
        return self._text(text) if text else self.ffi.NULL

    def next_batch(self, state: Any, instance: Any, number: Any, events: Any) -> int:
        """The next events of a stream."""
        held: _State = self.ffi.from_handle(state)
        running: _Instance = self.ffi.from_handle(instance)
        number[0] = 0
        try:
            batch = next(running.batches, None)
            if batch is None:
                return ReturnCode.EOF
            if isinstance(batch, ScapEvents):
                held.error = "complete events cannot be given to a host"
                return ReturnCode.FAILURE
            if not len(batch):
                time.sleep(_IDLE_SECONDS)
                return ReturnCode.TIMEOUT
            running.kept, events[0] = (self._payloads if self.major < EVENTS_SINCE else self._events)(list(batch))
            number[0] = len(batch)
        except Exception as error:  # noqa: BLE001 - the host asks for it
            held.error = str(error)
            return ReturnCode.FAILURE
        return ReturnCode.SUCCESS

    def _payloads(self, batch: Sequence[SourceEvent]) -> tuple[Any, Any]:
        array = self.ffi.new("ss_plugin_event[]", len(batch))
        data = [self.ffi.from_buffer("uint8_t[]", event.payload) for event in batch]
        for entry, event, payload in zip(array, batch, data, strict=True):
            entry.data, entry.datalen, entry.ts = payload, len(event.payload), event.timestamp_ns
        return (array, data), array

    def _events(self, batch: Sequence[SourceEvent]) -> tuple[Any, Any]:
        pointers = self.ffi.new("ss_plugin_event *[]", len(batch))
        kept = []
        for index, event in enumerate(batch):
            size = len(event.payload)
            memory = self.ffi.new("uint8_t[]", _HEAD + size)
            made = self.ffi.cast("ss_plugin_event *", memory)
            made.ts, made.tid, made.len = event.timestamp_ns, _ALL_ONES, _HEAD + size
            made.type, made.nparams = PLUGIN_EVENT, 2
            words = np.array([4, size, self.plugin.info.id], "<u4").tobytes()
            self.ffi.memmove(memory + _HEAD - len(words), words + event.payload, len(words) + size)
            pointers[index] = made
            kept.append(memory)
        return (pointers, kept), pointers

    def event_to_string(self, state: Any, *event: Any) -> Any:
        """The line about an event."""
        held: _State = self.ffi.from_handle(state)
        try:
            payload = bytes(self.ffi.buffer(*event)) if self.major == 0 else self._payload(event[0])
            text = cast("SourcePlugin", held.plugin).event_text(payload)
        except Exception as error:  # noqa: BLE001 - the host asks for it
            held.error = str(error)
            return self.ffi.NULL
        held.kept["text"] = self.ffi.new("char[]", text.encode())
        return held.kept["text"]

    def get_fields(self) -> Any:
        """The declared fields, as far as the generation knows their types."""
        return self._text(json.dumps([self._declared(declared) for declared in self._fields()]))

    def _fields(self) -> tuple[PluginField, ...]:
        return cast("type[ExtractorPlugin]", self.plugin).fields

    def _declared(self, declared: PluginField) -> dict[str, Any]:
        rule = declared.argument
        entry: dict[str, Any] = {"name": declared.name, "desc": declared.description, "type": self._type(declared)}
        if self.major == 0:
            return {**entry, "argRequired": rule.required}
        key, index = "KEY" in rule.name or "EITHER" in rule.name, rule.is_index or "EITHER" in rule.name
        argument = {"isRequired": rule.required, "isKey": key, "isIndex": index}
        return {**entry, "isList": declared.is_list, **({"arg": argument} if key or index else {})}

    def _type(self, declared: PluginField) -> str:
        """The generation's word for a field's type, text where it has none, and for lists where it has no lists."""
        words = {type_: word for word, type_ in PLUGIN_ABIS[self.major].field_types.items()}
        return "string" if self.major == 0 and declared.is_list else words.get(declared.type, "string")

    def get_extract_event_sources(self) -> Any:
        """The event sources it reads."""
        return self._text(json.dumps(list(cast("type[ExtractorPlugin]", self.plugin).extract_sources)))

    def extract_fields(self, state: Any, event: Any, *given: Any) -> int:
        """Fields of one event."""
        held: _State = self.ffi.from_handle(state)
        count, fields = given if self.major < EVENTS_SINCE else (given[0].num_fields, given[0].fields)
        try:
            held.kept["values"] = []
            for index in range(count):
                self._extract(held, event, fields[index])
        except Exception as error:  # noqa: BLE001 - the host asks for it
            held.error = str(error)
            return ReturnCode.FAILURE
        return ReturnCode.SUCCESS

    def _extract(self, held: _State, event: Any, wanted: Any) -> None:
        plugin = cast("ExtractorPlugin", held.plugin)
        declared = self._fields()[wanted.field_id]
        column = plugin.extract(self._prepared(held, event), declared.name, self._argument(wanted))
        value = column.to_arrow()[0].as_py()
        values = ([] if value is None else [value]) if not declared.is_list else value or []
        if self.major == 0:
            wanted.field_present = bool(values)
            if values and self._type(declared) == "string":
                wanted.res_str = self._keep(held, "char[]", b",".join(map(_as_bytes, values)))
            elif values:
                wanted.res_u64 = int(values[0])
            return
        wanted.res_len = len(values)
        if declared.type is ParamType.BOOL:
            wanted.res.boolean = self._keep(held, "ss_plugin_bool[]", [int(each) for each in values])
        elif declared.type in {ParamType.IPADDR, ParamType.IPNET}:
            data = [self._keep(held, "char[]", each) for each in values]
            wanted.res.buf = self._keep(
                held, "ss_plugin_byte_buffer[]", [(len(each), text) for each, text in zip(values, data, strict=True)]
            )
        elif isinstance(getattr(column, "values", column), Texts) or self._type(declared) == "string":
            texts = [self._keep(held, "char[]", _as_bytes(each)) for each in values]
            wanted.res.str = self._keep(held, "const char *[]", texts)
        else:
            wanted.res.u64 = self._keep(held, "uint64_t[]", [int(each) for each in values])

    def _keep(self, held: _State, ctype: str, value: Any) -> Any:
        made = self.ffi.new(ctype, value)
        held.kept["values"].append(made)
        return made

    def _argument(self, wanted: Any) -> str | None:
        if self.major == 0:
            text = b"" if wanted.arg == self.ffi.NULL else self.ffi.string(wanted.arg)
            return text.decode("utf-8", "replace") or None
        if not wanted.arg_present:
            return None
        if wanted.arg_key != self.ffi.NULL:
            return str(self.ffi.string(wanted.arg_key).decode("utf-8", "replace"))
        return str(wanted.arg_index)

    def _payload(self, event: Any) -> bytes:
        if self.major < EVENTS_SINCE:
            return bytes(self.ffi.buffer(event.data, event.datalen))
        data = self.ffi.buffer(self.ffi.cast("char *", event.evt), event.evt.len)
        return bytes(data[_HEAD:])

    def _prepared(self, held: _State, event: Any) -> Any:
        """The event prepared for extraction, once for all fields a host asks for."""
        payload = self._payload(event)
        ts = event.ts if self.major < EVENTS_SINCE else event.evt.ts
        key = (event.evtnum, ts, payload)
        if held.prepared is None or held.prepared[0] != key:
            import pyarrow as pa

            times, numbers = np.array([ts], np.uint64), np.array([event.evtnum], np.uint64)
            payloads = Payloads(pa.array([payload], pa.binary()), times, numbers)
            held.prepared = key, cast("ExtractorPlugin", held.plugin).prepare(payloads)
        return held.prepared[1]


#: Since this generation events are complete ones.
EVENTS_SINCE: Final = 3


def _as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def serve(ffi: Any, reference: str, version: str, exports: Iterable[str]) -> Library:
    """Answer a library's exported functions with the plugin class a reference ``module:name`` names."""
    module, _, name = reference.partition(":")
    plugin: Any = importlib.import_module(module)
    for part in name.split("."):
        plugin = getattr(plugin, part)
    library = Library(ffi, plugin, version)
    for export in exports:
        ffi.def_extern(name=SYMBOL_PREFIX + export)(getattr(library, export))
    return library
