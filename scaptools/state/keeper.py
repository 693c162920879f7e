"""A keeper: follows a capture while it is indexed, and stores the state from time to time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaptools.state.checkpoint import store_state
from scaptools.state.engine import StateEngine

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch

#: Events between two stored states, which is what a pass that begins in the middle has to catch up on at most.
EVENTS_BETWEEN = 2_000_000


class CheckpointKeeper:
    """Takes in the batches of a capture in order; `before` tells the state in front of some of them."""

    def __init__(self, events_between: int | None = None) -> None:
        self._engine = StateEngine()
        self._between = EVENTS_BETWEEN if events_between is None else events_between
        self._next = 1 + self._between

    def before(self, batch: EventBatch) -> bytes | None:
        """The state in front of a batch, where one is due and its section has gone before; the batch is taken in."""
        stored = None
        if batch.first_number >= self._next and self._engine.section is batch.section:
            stored = store_state(self._engine)
            self._next = batch.first_number + self._between
        self._engine.advance(batch)
        return stored
