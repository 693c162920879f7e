"""Calling a plugin of API 3, whose events are complete: header, lengths, parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from scap_formats.plugin import NO_THREAD, PLUGIN_EVENT
from scap_formats.plugin_abi import ReturnCode
from scaptools.plugins.shared.calls import Calls
from scaptools.plugins.shared.gather import Scratch
from scaptools.plugins.shared.interface import struct_dtype
from scaptools.plugins.shared.memory import UnreadableError
from scaptools.plugins.shared.payloads import Batch, PluginInputs, WholeEvents
from scaptools.plugins.shared.services import SYSTEM, HostServices

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scaptools.plugins.shared.declaration import Declaration
    from scaptools.plugins.shared.library import Library
    from scaptools.plugins.shared.payloads import PayloadColumns

#: Most event types a plugin can list; there are not that many.
MOST_TYPES: Final = 1 << 16


class EventCalls(Calls):
    """Generation 3: an event is a scap event, header, lengths and parameters."""

    no_index = 2**64 - 1
    batch_type = "ss_plugin_event ***"
    input_type = "ss_plugin_event_input *"

    def __init__(self, library: Library, declaration: Declaration) -> None:
        super().__init__(library, declaration)
        self._scratch = Scratch()
        self._head = _plugin_event_head()
        self._header = struct_dtype(library.abi.major, "ss_plugin_event")
        self._texts: dict[str, Any] = {}
        self._services = HostServices(library, declaration)
        self._services.state = lambda: self.state
        self._parsed = 0
        self._dumped: tuple[bytes, ...] = ()

    def init(self, config: str) -> None:
        """See `Calls.init`."""
        super().init(config)
        self._parsed = 0
        capabilities = self.declaration.capabilities
        # Since 3.1 they may depend on the configuration; older functions take no notice of the state.
        self.extract_types = self._types("extract") if "extraction" in capabilities else ()
        self.parse_types = self._types("parse") if "parsing" in capabilities else ()

    def _types(self, verb: str) -> tuple[int, ...]:
        symbol = f"get_{verb}_event_types"
        if not self.library.has(symbol):
            return ()
        self._count[0] = 0
        types = self.library.call(symbol, self._count, self.state)
        count = int(self._count[0])
        if not count or types == self.ffi.NULL:
            return ()
        if count > MOST_TYPES:
            raise self.library.error(f"lists {count} event types it can {verb}, at most {MOST_TYPES} are taken")
        return tuple(self.ffi.unpack(types, count))

    @property
    def uses_tables(self) -> bool:
        """See `Calls.uses_tables`."""
        return self._services.uses_tables

    def _init(self, config: bytes) -> Any:
        self._config = self.ffi.new("char[]", config)
        given = self._given = self.ffi.new("ss_plugin_init_input *")
        given.config = self._config
        given.owner = self._services.owner
        given.get_owner_last_error = self._services.get_last_error
        given.log_fn = self._services.log
        if self.declaration.capabilities & {"extraction", "parsing"}:
            given.tables = self._services.tables
        return self.library.call("init", given, self._code)

    def destroy(self) -> None:
        """See `Calls.destroy`."""
        super().destroy()
        self._services.end()

    def forget(self) -> None:
        """See `Calls.forget`."""
        SYSTEM.clear()

    def open(self, params: str, source_id: int = 0) -> Any:
        """See `Calls.open`; NULL for a plugin without a stream. The capture begins for those who listen."""
        own = "sourcing" in self.declaration.capabilities
        instance = super().open(params) if own else self.ffi.NULL
        self._services.source_id = self.declaration.info.id if own else source_id
        try:
            self._begin_asynchronous()
            self.begin_capture()
        except BaseException:
            if own:
                self.library.call("close", self.state, instance)
            raise
        return instance

    def _begin_asynchronous(self) -> None:
        if "async" not in self.declaration.capabilities:
            return
        services = self._services
        if self.library.has("dump_state"):
            code = self.library.call("dump_state", self.state, services.owner, services.dump_handler)
            if code != ReturnCode.SUCCESS:
                raise self.failure("telling its state failed")
            self._dumped = services.take_events()
        code = self.library.call("set_async_event_handler", self.state, services.owner, services.handler)
        if code != ReturnCode.SUCCESS:
            raise self.failure("taking asynchronous events failed")

    def begin_capture(self) -> None:
        """See `Calls.begin_capture`."""
        if "capture listening" in self.declaration.capabilities:
            code = self.library.call("capture_open", self.state, self._services.listen_input())
            if code != ReturnCode.SUCCESS:
                raise self.failure("listening to the capture failed")

    def end_capture(self) -> None:
        """See `Calls.end_capture`."""
        if "capture listening" in self.declaration.capabilities:
            self.library.call("capture_close", self.state, self._services.listen_input())
            self._services.stop_routines()

    def close(self, instance: Any) -> None:
        """See `Calls.close`; the capture ends for those who listen."""
        if "async" in self.declaration.capabilities:
            self.library.call("set_async_event_handler", self.state, self._services.owner, self.ffi.NULL)
        self.end_capture()
        if instance != self.ffi.NULL:
            super().close(instance)

    def saw(self, timestamp_ns: int) -> None:
        """See `Calls.saw`."""
        self._services.latest_ns = timestamp_ns

    def asynchronous(self, wait_s: float = 0.0) -> tuple[bytes, ...]:
        """See `Calls.asynchronous`."""
        return self._services.take_events(wait_s)

    def dumped(self) -> tuple[bytes, ...]:
        """See `Calls.dumped`."""
        dumped, self._dumped = self._dumped, ()
        return dumped

    def next_batch(self, instance: Any) -> Batch:
        """See `Calls.next_batch`."""
        try:
            return super().next_batch(instance)
        except UnreadableError as error:
            raise self.library.error(
                f"gave an event at an address that cannot be read (number {error.piece})"
            ) from error

    def _events(self, code: int, count: int, events: Any) -> Batch:
        if not count:
            return Batch(code, np.zeros(0, np.uint64), np.zeros(0, np.uint32), np.zeros(0, np.uint64))
        places = np.frombuffer(self.ffi.buffer(events, 8 * count), np.uint64)
        if not self.declaration.info.id:
            return self._system_events(code, places)
        size = self._head.itemsize
        heads = self._scratch.gather(places, np.full(count, size, np.int64)).view(self._head)
        wrong = (heads["type"] != PLUGIN_EVENT) | (heads["nparams"] != 2) | (heads["len0"] != 4)
        wrong |= heads["len"].astype(np.int64) - size != heads["len1"]
        if wrong.any():
            head = heads[np.flatnonzero(wrong)[0]]
            raise self.library.error(
                f"gave an event that is no plugin event (type {head['type']}, {head['nparams']} parameters, "
                f"{head['len']} bytes)"
            )
        self._services.latest_ns = int(heads["ts"][-1])
        foreign = (heads["id"] != 0) & (heads["id"] != self.declaration.info.id)
        if foreign.any():
            number = int(heads["id"][np.flatnonzero(foreign)[0]])
            raise self.library.error(f"gave an event of the plugin id {number}, its own is {self.declaration.info.id}")
        return Batch(code, places + np.uint64(size), heads["len1"].copy(), heads["ts"].copy())

    def _system_events(self, code: int, places: NDArray[np.uint64]) -> Batch:
        """Complete events of any type, of a plugin that stands for the system."""
        size = self._header.itemsize
        headers = self._scratch.gather(places, np.full(len(places), size, np.int64)).view(self._header)
        short = headers["len"] < size
        if short.any():
            length = int(headers["len"][np.flatnonzero(short)[0]])
            raise self.library.error(f"gave an event of {length} bytes, which is less than its header")
        return Batch(code, places, headers["len"].copy(), headers["ts"].copy())

    def inputs(self, payloads: PayloadColumns, source_names: dict[int, str]) -> PluginInputs:
        """See `Calls.inputs`."""
        sizes = payloads.sizes
        heads = np.zeros(len(payloads), self._head)
        heads["ts"] = payloads.timestamps
        heads["tid"] = np.int64(NO_THREAD).astype(np.uint64)
        heads["len"] = sizes + heads.itemsize
        heads["type"] = PLUGIN_EVENT
        heads["nparams"] = 2
        heads["len0"] = 4
        heads["len1"] = sizes
        heads["id"] = payloads.ids
        scratch = Scratch()
        data, starts = scratch.interleave(heads, payloads.addresses, sizes)
        scratch.close()
        kinds, which = np.unique(payloads.ids, return_inverse=True)
        names = tuple(source_names.get(number, "") for number in kinds.tolist())
        made = self.whole_inputs(WholeEvents(data, starts, payloads.numbers, which.astype(np.int32), names))
        if "parsing" in self.declaration.capabilities:
            self._parse(self.pointers(made, slice(None)), payloads.numbers)
        return made

    def whole_inputs(self, events: WholeEvents) -> PluginInputs:
        """See `Calls.whole_inputs`."""
        inputs = np.zeros(len(events), struct_dtype(self.library.abi.major, "ss_plugin_event_input"))
        inputs["evt"] = events.offsets[:-1].astype(np.uint64) + np.uint64(events.data.ctypes.data)
        inputs["evtnum"] = events.numbers
        names = np.array([self._text(name) for name in events.names], np.uint64)
        inputs["evtsrc"] = names[events.sources] if len(names) else 0
        return PluginInputs.of(inputs, events.data)

    def _parse(self, pointers: list[Any], numbers: NDArray[np.uint64]) -> None:
        """Let the plugin update its state from events it has not seen; each is seen once, in order."""
        parse = self.parser()
        for pointer, number in zip(pointers, numbers.tolist(), strict=True):
            if number > self._parsed:
                parse(pointer)
                self._parsed = number

    def parser(self) -> Callable[[Any], Any]:
        """See `Calls.parser`."""
        given = self.ffi.new("ss_plugin_event_parse_input *")
        given.owner = self._services.owner
        given.get_owner_last_error = self._services.get_last_error
        given.table_reader = self._services.reader[0]
        given.table_writer = self._services.writer[0]
        given.table_reader_ext = self._services.reader_ext
        given.table_writer_ext = self._services.writer_ext
        call, state = self.library.handle.plugin_parse_event, self.state
        return lambda event: call(state, event, given)

    def _text(self, text: str) -> int:
        """The address of a C string that stays."""
        if text not in self._texts:
            self._texts[text] = self.ffi.new("char[]", text.encode())
        return int(self.ffi.cast("uintptr_t", self._texts[text]))

    def event_text(self, payloads: PayloadColumns) -> str | None:
        """See `Calls.event_text`."""
        if not self.library.has("event_to_string"):
            return None
        names = {self.declaration.info.id: self.declaration.info.source}
        inputs = self.inputs(payloads, names)
        (pointer,) = self.pointers(inputs, slice(1))
        return self.library.text(self.library.call("event_to_string", self.state, pointer))

    def extractor(self, field: Any) -> Callable[[Any], int]:
        """See `Calls.extractor`."""
        call, state, given = self.library.handle.plugin_extract_fields, self.state, self.extract_input(field)
        return lambda event: int(call(state, event, given))

    def extract_input(self, field: Any) -> Any:
        """See `Calls.extract_input`."""
        given = self.ffi.new("ss_plugin_field_extract_input *")
        given.num_fields = 1
        given.fields = field
        given.owner = self._services.owner
        given.get_owner_last_error = self._services.get_last_error
        given.table_reader = self._services.reader[0]
        given.table_reader_ext = self._services.reader_ext
        return given


def _plugin_event_head() -> np.dtype[Any]:
    """What precedes the payload of a plugin event: header, two lengths, plugin id."""
    header = struct_dtype(3, "ss_plugin_event")
    fields: list[Any] = [(name, header[name]) for name in header.names or ()]
    return np.dtype([*fields, ("len0", "<u4"), ("len1", "<u4"), ("id", "<u4")])
