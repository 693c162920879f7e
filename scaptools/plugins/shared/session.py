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
from scaptools.plugins.shared.calls import CALLS, Batch, PayloadColumns, PluginInputs
from scaptools.plugins.shared.extraction import Extracted, FieldRequest, extract
from scaptools.plugins.shared.gather import UnreadableError
from scaptools.plugins.shared.library import declare, open_library
from scaptools.plugins.shared.slot import EventSlot, SlotContent

if TYPE_CHECKING:
    from scaptools.plugins.shared.declaration import Declaration, OpenParameter

#: A stream hands over what it has after so long, full or not.
_HAND_OVER_SECONDS: Final = 0.05
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


class Session(Protocol):
    """One plugin and its state. Everything raises PluginError."""

    declaration: Declaration

    def init(self, config: str) -> None:
        """Make the plugin's state; once, before anything else but looking at the declaration."""

    def open(self, params: str) -> int:
        """Open a stream; its handle."""

    def next_events(self, stream: int) -> tuple[SlotContent, Filled]:
        """The next events of a stream, none where there is nothing yet."""

    def close(self, stream: int) -> None:
        """Give up a stream."""

    def open_parameters(self) -> tuple[OpenParameter, ...]:
        """What the plugin suggests to open."""

    def event_text(self, payloads: PayloadColumns) -> str | None:
        """The line that describes the first of the payloads."""

    def prepare(self, payloads: PayloadColumns, source_names: dict[int, str]) -> Any:
        """Payloads ready for extraction."""

    def extract(self, prepared: Any, request: FieldRequest, rows: slice | None = None) -> Extracted:
        """One field of prepared payloads, all or a range of them."""

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
    slot: EventSlot | None = None


class LocalSession:
    """A plugin called in this process. It ends this process where it crashes, and stops it where it hangs."""

    def __init__(self, path: str) -> None:
        self.library = open_library(path)
        self.declaration = declare(self.library)
        self.calls = CALLS[self.library.abi.major](self.library, self.declaration)
        self._streams: dict[int, _Stream] = {}
        self._opened = 0

    def init(self, config: str) -> None:
        """See `Session.init`."""
        self.calls.init(config)

    def open(self, params: str) -> int:
        """See `Session.open`."""
        self._opened += 1
        self._streams[self._opened] = _Stream(self.calls.open(params))
        return self._opened

    def fill(self, stream: int, slot: EventSlot) -> Filled:
        """Put events into a slot until it is full, some time has gone by, or there are none for now."""
        running = self._streams[stream]
        slot.clear()
        error = None
        try:
            self._fill(running, slot)
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
        deadline = time.monotonic() + _HAND_OVER_SECONDS
        while not slot.full and not (running.ended and running.batch is None):
            if running.batch is None:
                running.batch, running.taken = self.calls.next_batch(running.instance), 0
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

    def next_events(self, stream: int) -> tuple[SlotContent, Filled]:
        """See `Session.next_events`."""
        running = self._streams[stream]
        if running.slot is None:
            running.slot = EventSlot()
        filled = self.fill(stream, running.slot)
        return running.slot.take(), filled

    def close(self, stream: int) -> None:
        """See `Session.close`."""
        running = self._streams.pop(stream, None)
        if running is not None:
            self.calls.close(running.instance)
            if running.slot is not None:
                running.slot.close()

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

    def end(self) -> None:
        """See `Session.end`."""
        for stream in list(self._streams):
            self.close(stream)
        self.calls.destroy()


def bare_message(error: PluginError) -> str:
    """An error's text without the name of the plugin in front."""
    return error.message.removeprefix(f"plugin {error.plugin}: ")
