"""Calling a plugin, in the words of its generation.

A `Calls` object owns the plugin's state. The three generations differ in what initialises a plugin, in how a batch of
events is laid out, and in what an event is: a payload with number and time, or since 3.0 a complete scap event.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from scap_formats.plugin import NO_THREAD, PLUGIN_EVENT
from scap_formats.plugin_abi import ReturnCode
from scaptools.plugins.contract import TIMESTAMP_UNSET
from scaptools.plugins.schema import violation
from scaptools.plugins.shared.declaration import OpenParameter, read_open_parameters
from scaptools.plugins.shared.gather import Scratch, UnreadableError
from scaptools.plugins.shared.interface import struct_dtype
from scaptools.plugins.shared.services import HostServices

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scaptools.plugins.shared.declaration import Declaration
    from scaptools.plugins.shared.library import Library

#: Largest event and longest batch a plugin may give; beyond them a number is garbage rather than large.
LARGEST_EVENT: Final = 1 << 28
LONGEST_BATCH: Final = 1 << 24
_NS_PER_US: Final = 1000


@dataclass(slots=True)
class Batch:
    """Events a plugin gave, still in its memory: addresses, sizes (uint32) and times (uint64 ns), and the code."""

    code: int
    addresses: NDArray[np.uint64]
    sizes: NDArray[np.uint32]
    timestamps: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class PayloadColumns:
    """Payloads in memory of ours: ``data[offsets[i]:offsets[i + 1]]``, with times, event numbers and plugin ids."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    timestamps: NDArray[np.uint64]
    numbers: NDArray[np.uint64]
    ids: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.timestamps)

    @property
    def addresses(self) -> NDArray[np.uint64]:
        """Where each payload lies."""
        return self.offsets[:-1].astype(np.uint64) + np.uint64(self.data.ctypes.data)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How long each payload is."""
        return np.diff(self.offsets)


@dataclass(frozen=True, slots=True)
class PluginInputs:
    """Payloads as a plugin takes them: an array of structures at an address, and whatever they point into."""

    first: int
    stride: int
    count: int
    kept: tuple[Any, ...]

    @staticmethod
    def of(array: NDArray[Any], *kept: Any) -> PluginInputs:
        """The elements of an array."""
        return PluginInputs(array.ctypes.data, array.itemsize, len(array), (array, *kept))


class Calls(ABC):
    """The calls all generations have in common. Raises PluginError with the plugin's own last error."""

    #: The index a plugin sees where no argument is given.
    no_index: ClassVar[int] = 0
    #: What a plugin with a schema sees of an empty configuration.
    empty_config: ClassVar[str] = "{}"
    #: What a batch is handed over in, and what extraction takes.
    batch_type: ClassVar[str] = "ss_plugin_event **"
    input_type: ClassVar[str] = "ss_plugin_event *"

    def __init__(self, library: Library, declaration: Declaration) -> None:
        self.library = library
        self.declaration = declaration
        self.ffi = library.ffi
        self.state = self.ffi.NULL
        self.extract_types: tuple[int, ...] = ()
        self._alive = False
        self._code = self.ffi.new("ss_plugin_rc *")
        self._count = self.ffi.new("uint32_t *")
        self._percent = self.ffi.new("uint32_t *")
        self._batch = self.ffi.new(self.batch_type)

    def init(self, config: str) -> None:
        """Check the configuration against the plugin's schema and make its state."""
        schema = self.declaration.schema
        if schema is not None:
            try:
                value = json.loads(config or "{}")
            except ValueError as error:
                raise self.library.error(f"init configuration: not JSON: {error}") from error
            wrong = violation(schema, value)
            if wrong is not None:
                raise self.library.error(f"init configuration: {wrong}")
            config = config or self.empty_config
        self._code[0] = ReturnCode.SUCCESS
        self.state = self._init(config.encode())
        self._alive = True
        if self._code[0] != ReturnCode.SUCCESS:
            refusal = self.failure("init failed", known=self.state != self.ffi.NULL)
            self.destroy()
            raise refusal

    @abstractmethod
    def _init(self, config: bytes) -> Any: ...

    def destroy(self) -> None:
        """Give up the state; once."""
        if self._alive and self.state != self.ffi.NULL:
            self.library.call("destroy", self.state)
        self._alive = False
        self.state = self.ffi.NULL

    def failure(self, what: str, *, known: bool = True) -> Exception:
        """An error with what the plugin says about it; ``known`` is false where it cannot be asked."""
        text = self.library.text(self.library.call("get_last_error", self.state)) if known else None
        return self.library.error(f"{what}: {text}" if text else f"{what} without saying why")

    def open(self, params: str) -> Any:
        """A new instance."""
        self._code[0] = ReturnCode.SUCCESS
        # The text lives as long as the call, which is all it is lent for.
        instance = self.library.call("open", self.state, params.encode(), self._code)
        if self._code[0] != ReturnCode.SUCCESS or instance == self.ffi.NULL:
            error = self.failure("open failed")
            if instance != self.ffi.NULL:
                self.library.call("close", self.state, instance)
            raise error
        return instance

    def close(self, instance: Any) -> None:
        """Give up an instance."""
        self.library.call("close", self.state, instance)

    def progress(self, instance: Any) -> tuple[float, str] | None:
        """The fraction done and a text, None where the plugin does not say."""
        if not self.library.has("get_progress"):
            return None
        self._percent[0] = 0
        text = self.library.text(self.library.call("get_progress", self.state, instance, self._percent))
        return min(self._percent[0] / 10000, 1.0), text or ""

    def open_parameters(self) -> tuple[OpenParameter, ...]:
        """What the plugin suggests to open."""
        if not self.library.has("list_open_params"):
            return ()
        self._code[0] = ReturnCode.SUCCESS
        text = self.library.text(self.library.call("list_open_params", self.state, self._code))
        if self._code[0] != ReturnCode.SUCCESS:
            raise self.failure("listing its open parameters failed")
        return read_open_parameters(text, plugin=self.library.name) if text else ()

    def next_batch(self, instance: Any) -> Batch:
        """The next events and the code that came with them, valid until the next call."""
        events = self._batch
        events[0] = self.ffi.NULL
        self._count[0] = 0
        code = int(self.library.handle.plugin_next_batch(self.state, instance, self._count, events))
        count = int(self._count[0])
        if count > LONGEST_BATCH:
            raise self.library.error(f"gave a batch of {count} events, at most {LONGEST_BATCH} are taken")
        if count and events[0] == self.ffi.NULL:
            raise self.library.error(f"gave a batch of {count} events without any")
        if not count and code == ReturnCode.SUCCESS:
            raise self.library.error("gave an empty batch, but neither its end nor a time-out")
        batch = self._events(code, count, events[0])
        if count:
            # One look at the largest number finds both what is too large and what is unset.
            size, latest = int(np.maximum.reduce(batch.sizes)), int(np.maximum.reduce(batch.timestamps))
            if size > LARGEST_EVENT:
                raise self.library.error(f"gave an event of {size} bytes, at most {LARGEST_EVENT} are taken")
            if latest == TIMESTAMP_UNSET:
                now = time.time_ns() // _NS_PER_US * _NS_PER_US
                batch.timestamps = np.where(batch.timestamps == TIMESTAMP_UNSET, np.uint64(now), batch.timestamps)
        return batch

    @abstractmethod
    def _events(self, code: int, count: int, events: Any) -> Batch: ...

    def asynchronous(self) -> tuple[bytes, ...]:
        """Complete events that came from outside the stream since the last call."""
        return ()

    @abstractmethod
    def event_text(self, payloads: PayloadColumns) -> str | None:
        """The line that describes the first of the payloads, None where the plugin has none."""

    @abstractmethod
    def inputs(self, payloads: PayloadColumns, source_names: dict[int, str]) -> PluginInputs:
        """Payloads as extraction takes them; ``source_names`` are the event sources of plugin ids."""

    @abstractmethod
    def extractor(self, field: Any) -> Callable[[Any], int]:
        """A function that extracts one field, an ``ss_plugin_extract_field *``, from one input; it gives the code."""

    def extract_input(self, field: Any) -> Any:
        """What extraction is given beside the event: the field, or a structure around it."""
        return field

    def pointers(self, inputs: PluginInputs, rows: slice) -> list[Any]:
        """A pointer of the right type to each of some inputs."""
        first, last, _ = rows.indices(inputs.count)
        places = inputs.first + np.arange(first, last, dtype=np.uint64) * np.uint64(inputs.stride)
        if not len(places):
            return []
        array = self.ffi.cast(f"{self.input_type} *", places.ctypes.data)
        pointers: list[Any] = self.ffi.unpack(array, len(places))
        return pointers


class PayloadCalls(Calls):
    """Generations 1 and 2: an event is a payload with its number and time."""

    def _init(self, config: bytes) -> Any:
        return self.library.call("init", config, self._code)

    def __init__(self, library: Library, declaration: Declaration) -> None:
        super().__init__(library, declaration)
        self._dtype = struct_dtype(library.abi.major, "ss_plugin_event")

    def _events(self, code: int, count: int, events: Any) -> Batch:
        size = self._dtype.itemsize * count
        array = np.frombuffer(self.ffi.buffer(events, size), self._dtype) if count else np.zeros(0, self._dtype)
        return Batch(code, array["data"], array["datalen"], array["ts"])

    def inputs(self, payloads: PayloadColumns, source_names: dict[int, str]) -> PluginInputs:
        """See `Calls.inputs`."""
        del source_names  # not told in these generations
        events = np.zeros(len(payloads), self._dtype)
        events["evtnum"] = payloads.numbers
        events["data"] = payloads.addresses
        events["datalen"] = payloads.sizes
        events["ts"] = payloads.timestamps
        return PluginInputs.of(events, payloads)

    def event_text(self, payloads: PayloadColumns) -> str | None:
        """See `Calls.event_text`."""
        if not self.library.has("event_to_string"):
            return None
        inputs = self.inputs(payloads, {})
        (pointer,) = self.pointers(inputs, slice(1))
        return self.library.text(self.library.call("event_to_string", self.state, pointer))

    def extractor(self, field: Any) -> Callable[[Any], int]:
        """See `Calls.extractor`."""
        call, state = self.library.handle.plugin_extract_fields, self.state
        return lambda event: int(call(state, event, 1, field))


class EarlyCalls(PayloadCalls):
    """Generation 0: one value a field, and the text of an event from its payload alone."""

    empty_config = ""

    def event_text(self, payloads: PayloadColumns) -> str | None:
        """See `Calls.event_text`."""
        if not self.library.has("event_to_string"):
            return None
        data = self.ffi.cast("const uint8_t *", int(payloads.addresses[0]))
        size = int(payloads.sizes[0])
        return self.library.text(self.library.call("event_to_string", self.state, data, size))


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

    def open(self, params: str) -> Any:
        """See `Calls.open`; the capture begins for those who listen."""
        instance = super().open(params)
        if "async" in self.declaration.capabilities:
            code = self.library.call(
                "set_async_event_handler", self.state, self._services.owner, self._services.handler
            )
            if code != ReturnCode.SUCCESS:
                self.library.call("close", self.state, instance)
                raise self.failure("taking asynchronous events failed")
        if "capture listening" in self.declaration.capabilities:
            code = self.library.call("capture_open", self.state, self._services.listen_input())
            if code != ReturnCode.SUCCESS:
                self.library.call("close", self.state, instance)
                raise self.failure("listening to the capture failed")
        return instance

    def close(self, instance: Any) -> None:
        """See `Calls.close`; the capture ends for those who listen."""
        if "async" in self.declaration.capabilities:
            self.library.call("set_async_event_handler", self.state, self._services.owner, self.ffi.NULL)
        if "capture listening" in self.declaration.capabilities:
            self.library.call("capture_close", self.state, self._services.listen_input())
        super().close(instance)

    def asynchronous(self) -> tuple[bytes, ...]:
        """See `Calls.asynchronous`."""
        return tuple(self._services.take_events())

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
        dtype = struct_dtype(self.library.abi.major, "ss_plugin_event_input")
        inputs = np.zeros(len(payloads), dtype)
        inputs["evt"] = starts[:-1].astype(np.uint64) + np.uint64(data.ctypes.data)
        inputs["evtnum"] = payloads.numbers
        kinds, which = np.unique(payloads.ids, return_inverse=True)
        names = np.array([self._text(source_names.get(number, "")) for number in kinds.tolist()], np.uint64)
        inputs["evtsrc"] = names[which] if len(kinds) else 0
        made = PluginInputs.of(inputs, data)
        if "parsing" in self.declaration.capabilities:
            self._parse(self.pointers(made, slice(None)), payloads.numbers)
        return made

    def _parse(self, pointers: list[Any], numbers: NDArray[np.uint64]) -> None:
        """Let the plugin update its state from events it has not seen; each is seen once, in order."""
        given = self.ffi.new("ss_plugin_event_parse_input *")
        given.owner = self._services.owner
        given.get_owner_last_error = self._services.get_last_error
        given.table_reader = self._services.reader[0]
        given.table_writer = self._services.writer[0]
        given.table_reader_ext = self._services.reader_ext
        given.table_writer_ext = self._services.writer_ext
        call = self.library.handle.plugin_parse_event
        for pointer, number in zip(pointers, numbers.tolist(), strict=True):
            if number > self._parsed:
                # Whether it made anything of the event is the plugin's own affair.
                call(self.state, pointer, given)
                self._parsed = number

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


#: How each generation is called.
CALLS: Final[dict[int, type[Calls]]] = {0: EarlyCalls, 1: PayloadCalls, 2: PayloadCalls, 3: EventCalls}
