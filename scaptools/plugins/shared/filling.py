"""Filling slots with blocks, by the compiled loop: every event is written once, where it is read from."""

from __future__ import annotations

from enum import IntEnum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scap_formats.plugin_abi import ReturnCode
from scaptools.plugins.shared.calls import LARGEST_EVENT, LONGEST_BATCH
from scaptools.plugins.shared.loop import compiled, pointer_to
from scaptools.plugins.shared.memory import UnreadableError
from scaptools.plugins.shared.parsed_loop import ffi
from scaptools.plugins.shared.slot import CAPACITY, DATA, FULL_BYTES, EventSlot

if TYPE_CHECKING:
    from scaptools.errors import PluginError
    from scaptools.plugins.shared.calls import Calls
    from scaptools.plugins.shared.declaration import Declaration

_PLUGIN_EVENT: Final = 322
#: Where the loop learns which addresses can be read.
_MAPPINGS: Final = Path("/proc/self/maps")
_NS: Final = 1_000_000_000


class Outcome(IntEnum):
    """Why the loop came back; ``enum outcome`` of the loop."""

    FILLED = 0
    CAME_TO_CODE = auto()
    LONG_BATCH = auto()
    NO_EVENTS = auto()
    EMPTY_BATCH = auto()
    LARGE_EVENT = auto()
    UNREADABLE = auto()
    OTHER_EVENT = auto()
    FOREIGN_EVENT = auto()
    NO_ROOM = auto()


#: What a plugin did wrong, with the numbers the loop gives, its id and the largest numbers taken.
_WRONGS: Final = {
    Outcome.LONG_BATCH: "gave a batch of {0} events, at most {longest} are taken",
    Outcome.NO_EVENTS: "gave a batch of {0} events without any",
    Outcome.EMPTY_BATCH: "gave an empty batch, but neither its end nor a time-out",
    Outcome.LARGE_EVENT: "gave an event of {0} bytes, at most {largest} are taken",
    Outcome.OTHER_EVENT: "gave an event that is no plugin event (type {0}, {1} parameters, {2} bytes)",
    Outcome.FOREIGN_EVENT: "gave an event of the plugin id {0}, its own is {own}",
}


def gives_blocks(declaration: Declaration) -> bool:
    """Whether a plugin's events can be had as blocks here."""
    return bool(declaration.info.id) and _MAPPINGS.exists() and compiled(declaration.api[0]) is not None


class BlockFilling:
    """The compiled loop over the batches of one instance."""

    def __init__(self, calls: Calls, instance: Any) -> None:
        self._calls = calls
        self._loops = compiled(calls.library.abi.major)
        self._filling = filling = ffi.new("scap_filling *")
        filling.function = pointer_to(calls, calls.library.handle.plugin_next_batch)
        filling.state = pointer_to(calls, calls.state)
        filling.instance = pointer_to(calls, instance)
        filling.plugin_id = calls.declaration.info.id
        filling.event_type = _PLUGIN_EVENT
        filling.longest_batch, filling.largest_event = LONGEST_BATCH, LARGEST_EVENT
        filling.capacity, filling.full_bytes = CAPACITY, FULL_BYTES
        self._memory: Any = None

    def fill(self, slot: EventSlot, deadline: float) -> int:
        """Put events into a slot until it is full or the time (monotonic seconds) has come; the latest batch's code.

        The code is SUCCESS where there is more of that batch. Raises PluginError and UnreadableError, after putting in
        what came before.
        """
        filling = self._filling
        filling.deadline_ns = int(deadline * _NS)
        self._aim(slot)
        outcome = Outcome(self._loops.scap_fill(filling))
        while outcome is Outcome.NO_ROOM:
            slot.enlarge(int(filling.details[0]))
            self._aim(slot)
            outcome = Outcome(self._loops.scap_fill(filling))
        self._calls.saw(int(filling.latest_ns))
        if outcome is Outcome.FILLED:
            return ReturnCode.SUCCESS
        if outcome is Outcome.CAME_TO_CODE:
            return int(filling.code)
        if outcome is Outcome.UNREADABLE:
            raise UnreadableError(int(filling.details[0]))
        raise self._wrong(outcome)

    def _aim(self, slot: EventSlot) -> None:
        self._memory = memory = ffi.from_buffer("char[]", slot.map, require_writable=True)
        self._filling.counts = ffi.cast("uint64_t *", memory)
        self._filling.data = memory + DATA
        self._filling.room = slot.room

    def _wrong(self, outcome: Outcome) -> PluginError:
        numbers = [int(number) for number in self._filling.details]
        own = self._calls.declaration.info.id
        return self._calls.library.error(
            _WRONGS[outcome].format(*numbers, longest=LONGEST_BATCH, largest=LARGEST_EVENT, own=own)
        )
