"""A plugin in this process: its library, its state, its open streams.

`Session` is what the rest of the package knows; `LocalSession` calls the library directly, `child.ChildSession` asks
another process to do so.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from scap_formats.plugin_abi import ReturnCode
from scaptools.errors import PluginError
from scaptools.plugins.shared.calls import calls_of
from scaptools.plugins.shared.extraction import Extracted, FieldRequest, extract
from scaptools.plugins.shared.library import declare, open_library
from scaptools.plugins.shared.memory import UnreadableError
from scaptools.plugins.shared.slot import SlotSet

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from scaptools.plugins.blocks import EventBlocks
    from scaptools.plugins.shared.declaration import Declaration, OpenParameter
    from scaptools.plugins.shared.filling import BlockFilling
    from scaptools.plugins.shared.inorder import Turn
    from scaptools.plugins.shared.payloads import Batch, PayloadColumns, PluginInputs, WholeEvents
    from scaptools.plugins.shared.slot import EventSlot, SlotContent
    from scaptools.plugins.shared.tables import Change

#: A stream hands over what it has after so long, full or not.
_HAND_OVER_SECONDS: Final = 0.05
#: Slots of a stream.
SLOTS: Final = 8
#: Seconds between questions how far a stream has come.
_PROGRESS_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Filled:
    """What filling a slot came to.

    ``ended`` says that the stream is over, ``error`` with what, None for a good end; ``progress`` is the fraction done
    and a text, None where the plugin was not asked or does not say; ``asynchronous`` are complete events from outside
    the stream, later than those in the slot.
    """

    ended: bool = False
    error: str | None = None
    progress: tuple[float, str] | None = None
    asynchronous: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Initialised:
    """What is known of a plugin since it has its configuration.

    That is the types of complete events it extracts from and parses, where it names any, and whether it got hold of a
    state table of somebody else.
    """

    extract_types: tuple[int, ...] = ()
    parse_types: tuple[int, ...] = ()
    uses_tables: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """An open stream: its handle, and complete events that tell the plugin's state, which go in front of it."""

    stream: int
    told: tuple[bytes, ...] = ()


class Session(Protocol):
    """One plugin and its state. Everything raises PluginError."""

    declaration: Declaration

    @property
    def home(self) -> Hashable:
        """The process the plugin is in: the same for plugins that can share tables."""

    def init(self, config: str) -> Initialised:
        """Make the plugin's state, before anything else but looking at the declaration."""

    def release(self) -> None:
        """Give up the plugin's state, which can then be made anew, and what the host's tables of its process hold."""

    def open(self, params: str, source_id: int = 0) -> Opened:
        """Open a stream. ``source_id`` is that of the source a plugin without one adds its events to."""

    def next_events(self, stream: int) -> tuple[SlotContent, Filled]:
        """The next events of a stream, none where there is nothing yet."""

    def next_blocks(self, stream: int) -> tuple[EventBlocks, Filled]:
        """The same as blocks, where `filling.gives_blocks`; a stream is read in one way only."""

    def close(self, stream: int) -> None:
        """Give up a stream."""

    def open_parameters(self) -> tuple[OpenParameter, ...]:
        """What the plugin suggests to open."""

    def event_text(self, payloads: PayloadColumns) -> str | None:
        """The line that describes the first of the payloads."""

    def prepare(self, payloads: PayloadColumns, source_names: dict[int, str]) -> Any:
        """Payloads ready for extraction."""

    def prepare_events(self, events: WholeEvents) -> Any:
        """Complete events ready for extraction."""

    def extract(self, prepared: Any, request: FieldRequest, rows: slice | None = None) -> Extracted:
        """One field of prepared payloads or events, all or a range of them."""

    def listen(self, *, begin: bool) -> None:
        """Tell a plugin that listens to captures that one begins or ends."""

    def run_in_order(
        self, others: Sequence[Session], turns: Sequence[Turn], events: WholeEvents, changes: Sequence[Change]
    ) -> list[list[Extracted]]:
        """See `inorder.run_in_order`: this plugin and others of the same process take their turns."""

    def end(self) -> None:
        """Give up the plugin; may be called more than once."""


@dataclass(slots=True)
class _Stream:
    """An instance, and what is left of its latest batch."""

    instance: Any
    batch: Batch | None = None
    taken: int = 0
    ended: bool = False
    next_progress: float = 0.0
    filling: BlockFilling | None = None
    slots: SlotSet | None = None


class LocalSession:
    """A plugin called in this process. It ends this process where it crashes, and stops it where it hangs."""

    def __init__(self, path: str) -> None:
        self.library = open_library(path)
        self.declaration = declare(self.library)
        self.calls = calls_of(self.library, self.declaration)
        self._streams: dict[int, _Stream] = {}
        self._opened = 0

    def init(self, config: str) -> Initialised:
        """See `Session.init`."""
        self.calls.init(config)
        return Initialised(self.calls.extract_types, self.calls.parse_types, self.calls.uses_tables)

    @property
    def home(self) -> Hashable:
        """See `Session.home`."""
        return None

    def release(self) -> None:
        """See `Session.release`."""
        self.calls.destroy()
        self.calls.forget()

    def open(self, params: str, source_id: int = 0) -> Opened:
        """See `Session.open`."""
        self._opened += 1
        self._streams[self._opened] = _Stream(self.calls.open(params, source_id))
        return Opened(self._opened, self.calls.dumped())

    def fill(self, stream: int, slot: EventSlot, *, blocks: bool = False) -> Filled:
        """Put events into a slot until it is full, some time has gone by, or there are none for now.

        They are put in as payloads or as blocks.
        """
        running = self._streams[stream]
        slot.clear()
        if "sourcing" not in self.declaration.capabilities:
            return Filled(asynchronous=self.calls.asynchronous(_HAND_OVER_SECONDS))
        error = None
        try:
            (self._fill_blocks if blocks else self._fill)(running, slot)
        except UnreadableError:
            error = "gave an event at an address that cannot be read"
        except PluginError as failure:
            # What is in the slot already is to be kept, so the error travels beside it.
            error = bare_message(failure)
        if error is not None:
            return Filled(ended=True, error=error)
        now = time.monotonic()
        progress = None
        if now >= running.next_progress:
            running.next_progress = now + _PROGRESS_SECONDS
            progress = self.calls.progress(running.instance)
        asynchronous = self.calls.asynchronous()
        return Filled(running.ended and running.batch is None, None, progress, asynchronous)

    def _fill(self, running: _Stream, slot: EventSlot) -> None:
        deadline = float("inf")
        while not slot.full and not (running.ended and running.batch is None):
            if running.batch is None:
                running.batch, running.taken = self.calls.next_batch(running.instance), 0
                deadline = min(deadline, time.monotonic() + _HAND_OVER_SECONDS)
            batch, left = running.batch, running.taken
            running.taken += slot.append(batch.addresses[left:], batch.sizes[left:], batch.timestamps[left:])
            if running.taken < len(batch.sizes):
                return
            running.batch = None
            if batch.code == ReturnCode.EOF:
                running.ended = True
            elif batch.code not in {ReturnCode.SUCCESS, ReturnCode.TIMEOUT}:
                raise self.calls.failure("reading events failed")
            elif batch.code == ReturnCode.TIMEOUT or time.monotonic() > deadline:
                return

    def _fill_blocks(self, running: _Stream, slot: EventSlot) -> None:
        if running.ended:
            return
        if running.filling is None:
            from scaptools.plugins.shared.filling import BlockFilling

            running.filling = BlockFilling(self.calls, running.instance)
        code = running.filling.fill(slot, time.monotonic() + _HAND_OVER_SECONDS)
        if code == ReturnCode.EOF:
            running.ended = True
        elif code not in {ReturnCode.SUCCESS, ReturnCode.TIMEOUT}:
            raise self.calls.failure("reading events failed")

    def next_events(self, stream: int) -> tuple[SlotContent, Filled]:
        """See `Session.next_events`."""
        slots, number, filled = self._filled(stream, blocks=False)
        return slots.take(number), filled

    def next_blocks(self, stream: int) -> tuple[EventBlocks, Filled]:
        """See `Session.next_blocks`."""
        slots, number, filled = self._filled(stream, blocks=True)
        return slots.lend(number), filled

    def _filled(self, stream: int, *, blocks: bool) -> tuple[SlotSet, int, Filled]:
        running = self._streams[stream]
        if running.slots is None:
            running.slots = SlotSet(SLOTS)
        number = running.slots.free.popleft()
        return running.slots, number, self.fill(stream, running.slots.slots[number], blocks=blocks)

    def close(self, stream: int) -> None:
        """See `Session.close`."""
        running = self._streams.pop(stream, None)
        if running is not None:
            self.calls.close(running.instance)
            if running.slots is not None:
                running.slots.close()

    def open_parameters(self) -> tuple[OpenParameter, ...]:
        """See `Session.open_parameters`."""
        return self.calls.open_parameters()

    def event_text(self, payloads: PayloadColumns) -> str | None:
        """See `Session.event_text`."""
        return self.calls.event_text(payloads)

    def prepare(self, payloads: PayloadColumns, source_names: dict[int, str]) -> PluginInputs:
        """See `Session.prepare`."""
        return self.calls.inputs(payloads, source_names)

    def extract(self, prepared: PluginInputs, request: FieldRequest, rows: slice | None = None) -> Extracted:
        """See `Session.extract`."""
        return extract(self.calls, request, prepared, rows or slice(None))

    def prepare_events(self, events: WholeEvents) -> PluginInputs:
        """See `Session.prepare_events`."""
        return self.calls.whole_inputs(events)

    def listen(self, *, begin: bool) -> None:
        """See `Session.listen`."""
        if "capture listening" in self.declaration.capabilities:
            (self.calls.begin_capture if begin else self.calls.end_capture)()

    def run_in_order(
        self, others: Sequence[Session], turns: Sequence[Turn], events: WholeEvents, changes: Sequence[Change]
    ) -> list[list[Extracted]]:
        """See `Session.run_in_order`."""
        from scaptools.plugins.shared.inorder import run_in_order

        members = [self, *(other for other in others if isinstance(other, LocalSession))]
        return run_in_order([member.calls for member in members], turns, events, changes)

    def end(self) -> None:
        """See `Session.end`."""
        for stream in list(self._streams):
            self.close(stream)
        self.calls.destroy()


def bare_message(error: PluginError) -> str:
    """An error's text without the name of the plugin in front."""
    return error.message.removeprefix(f"plugin {error.plugin}: ")
