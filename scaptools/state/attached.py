"""Attached state: how the state of a batch is found again, without loading what makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch
    from scaptools.state.batchstate import BatchState

_STATE = "state"


def attach(batch: EventBatch, state: BatchState) -> None:
    """Give a batch its state."""
    batch.memo(_STATE, lambda: state)


def state_of(batch: EventBatch) -> BatchState:
    """The state attached to a batch; of a batch nobody tracked, the state as if it were the first."""
    return batch.memo(_STATE, lambda: _as_first(batch))  # type: ignore[no-any-return]


def _as_first(batch: EventBatch) -> BatchState:
    from scaptools.state.engine import StateEngine

    return StateEngine().advance(batch)
