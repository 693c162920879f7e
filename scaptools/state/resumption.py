"""Resumption: state in the middle of a capture without what comes before, from a state kept in its index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaptools.capture.index import EventSelection
from scaptools.errors import CorruptedError
from scaptools.state.attached import attach
from scaptools.state.checkpoint import resume_state
from scaptools.state.engine import StateEngine

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.index import CaptureIndex
    from scaptools.capture.reader import CaptureReader

_LAST_NUMBER = 2**63 - 1


def batches_from(reader: CaptureReader, needs: Collection[str], begin: int) -> Iterator[EventBatch]:
    """The batches of a capture with their state, from one that holds event number ``begin`` or comes before.

    Where an index keeps a state in front of that event the pass begins there, otherwise at the first event.
    """
    for engine, batch in engines_from(reader, needs, begin):
        attach(batch, engine.advance(batch))
        yield batch


def engines_from(reader: CaptureReader, needs: Collection[str], begin: int) -> Iterator[tuple[StateEngine, EventBatch]]:
    """The same batches, each with the engine in front of it; who takes one has to let the engine advance over it."""
    index = reader.find_index()
    row = -1 if index is None else int(np.searchsorted(index.checkpoints["number"], begin, side="right")) - 1
    engine: StateEngine | None = None
    if index is not None and row >= 0:
        number = int(index.checkpoints["number"][row])
        for batch in reader.batches(selection=EventSelection(numbers=(number, _LAST_NUMBER))):
            # Chunks that hold metadata are read wherever they are.
            if batch.first_number < number:
                continue
            engine = engine or _resumed(index, row, batch, needs)
            if engine is None:
                break
            yield engine, batch
        else:
            return
    engine = StateEngine(needs)
    for batch in reader.batches():
        yield engine, batch


def _resumed(index: CaptureIndex, row: int, batch: EventBatch, needs: Collection[str]) -> StateEngine | None:
    """The engine in front of a batch, None where what is kept is none for it."""
    try:
        return resume_state(index.checkpoint(row), batch.section, needs)
    except CorruptedError:
        return None
