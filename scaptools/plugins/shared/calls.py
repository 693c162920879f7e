"""Calling a plugin, in the words of its generation.

A `Calls` object owns the plugin's state. The three generations differ in what initialises a plugin, in how a batch of
events is laid out, and in what an event is: a payload with number and time, or since 3.0 a complete scap event.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from scap_formats.plugin_abi import ReturnCode
from scaptools.plugins.contract import TIMESTAMP_UNSET
from scaptools.plugins.schema import violation
from scaptools.plugins.shared.declaration import OpenParameter, read_open_parameters
from scaptools.plugins.shared.interface import struct_dtype
from scaptools.plugins.shared.payloads import Batch, PluginInputs

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from scaptools.plugins.shared.declaration import Declaration
    from scaptools.plugins.shared.library import Library
    from scaptools.plugins.shared.payloads import PayloadColumns, WholeEvents

#: Largest event and longest batch a plugin may give; beyond them a number is garbage rather than large.
LARGEST_EVENT: Final = 1 << 28
LONGEST_BATCH: Final = 1 << 24
_NS_PER_US: Final = 1000


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
        #: Types of complete events the plugin extracts from and parses, where it names any; known once initialised.
        self.extract_types: tuple[int, ...] = ()
        self.parse_types: tuple[int, ...] = ()
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

    def forget(self) -> None:  # noqa: B027 - before 3.0 there is nothing
        """Empty the host's own tables in this process."""

    def failure(self, what: str, *, known: bool = True) -> Exception:
        """An error with what the plugin says about it; ``known`` is false where it cannot be asked."""
        text = self.library.text(self.library.call("get_last_error", self.state)) if known else None
        return self.library.error(f"{what}: {text}" if text else f"{what} without saying why")

    @property
    def uses_tables(self) -> bool:
        """Whether the plugin got hold of a state table of somebody else."""
        return False

    def open(self, params: str, source_id: int = 0) -> Any:
        """A new instance; ``source_id`` is that of the source events from outside the stream are added to."""
        del source_id  # there are none before 3.0
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
            import numpy as np

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

    def saw(self, timestamp_ns: int) -> None:  # noqa: B027 - nothing but asynchronous events depends on it
        """Hear of the time of the latest event that was read other than by `next_batch`."""

    def asynchronous(self, wait_s: float = 0.0) -> tuple[bytes, ...]:
        """Complete events that came from outside the stream since the last call, waiting some time for the first."""
        del wait_s
        return ()

    def dumped(self) -> tuple[bytes, ...]:
        """Complete events that belong in front of the stream, once."""
        return ()

    @abstractmethod
    def event_text(self, payloads: PayloadColumns) -> str | None:
        """The line that describes the first of the payloads, None where the plugin has none."""

    def whole_inputs(self, events: WholeEvents) -> PluginInputs:
        """Complete events as extraction takes them. Raises PluginError before 3.0, where there are none."""
        raise self.library.error(f"reads payloads only, not the {len(events)} complete events it was given")

    def parser(self) -> Callable[[Any], Any]:
        """A function that has the plugin parse one event; what it makes of it is the plugin's own affair."""
        raise self.library.error("parses no events")

    def begin_capture(self) -> None:
        """Tell a plugin that listens to captures that one begins."""
        raise self.library.error("does not listen to captures")

    def end_capture(self) -> None:
        """Tell a plugin that listens to captures that one is over."""
        raise self.library.error("does not listen to captures")

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
        import numpy as np

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

    @property
    def _dtype(self) -> np.dtype[Any]:
        return struct_dtype(self.library.abi.major, "ss_plugin_event")

    def _events(self, code: int, count: int, events: Any) -> Batch:
        import numpy as np

        size = self._dtype.itemsize * count
        array = np.frombuffer(self.ffi.buffer(events, size), self._dtype) if count else np.zeros(0, self._dtype)
        return Batch(code, array["data"], array["datalen"], array["ts"])

    def inputs(self, payloads: PayloadColumns, source_names: dict[int, str]) -> PluginInputs:
        """See `Calls.inputs`."""
        import numpy as np

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


def calls_of(library: Library, declaration: Declaration) -> Calls:
    """How a library is called, by its generation."""
    if library.abi.major == EVENTS_SINCE:
        from scaptools.plugins.shared.eventcalls import EventCalls

        return EventCalls(library, declaration)
    return (EarlyCalls if library.abi.major == 0 else PayloadCalls)(library, declaration)


#: Since this generation events are complete.
EVENTS_SINCE: Final = 3
