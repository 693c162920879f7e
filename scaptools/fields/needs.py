"""Needs: what state has to be kept along a capture for the fields in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from scaptools.fields.evt_state import needs_of
from scaptools.state.engine import with_state as tracked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from scaptools.capture.batch import EventBatch


class FieldInUse(Protocol):
    """What tells about a field's needs."""

    @property
    def name(self) -> str:
        """The field as it is written."""


def with_state(batches: Iterable[EventBatch], fields: Sequence[FieldInUse]) -> Iterator[EventBatch]:
    """The batches, with state attached where one of the fields needs it."""
    needs = needs_of(used.name for used in fields)
    return iter(batches) if needs is None else tracked(batches, needs)
