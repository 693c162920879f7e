"""Groups: the events asked for, taken apart by type."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.table import event_table
from scaptools.columns import ALL_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from scap_formats.table import EventType
    from scaptools.capture.batch import EventBatch
    from scaptools.capture.parameters import ParameterTable
    from scaptools.columns import Rows


@dataclass(frozen=True)
class TypeGroup:
    """The events of one type among those asked for.

    ``chosen`` holds their rows in the batch and their places among the rows asked for, None where all are asked for.
    """

    event: EventType
    batch: EventBatch
    chosen: tuple[NDArray[np.intp], NDArray[np.intp]] | None

    def __len__(self) -> int:
        return len(self.places)

    @cached_property
    def table(self) -> ParameterTable:
        """The parameters of these events, in the order of ``places``."""
        if self.chosen is None or np.array_equal(self.chosen[0], self.batch.rows_of_type(self.event.id)):
            # Those of all events of a type are kept.
            return self.batch.parameters(self.event.id)
        return self.batch.parameters(self.event.id, self.chosen[0])

    @property
    def rows(self) -> NDArray[np.intp]:
        """Rows in the batch, in the order of the rows asked for."""
        return self.table.rows if self.chosen is None else self.chosen[0]

    @property
    def places(self) -> NDArray[np.intp]:
        """Places among the rows asked for, ascending."""
        return self.table.rows if self.chosen is None else self.chosen[1]


def row_count(batch: EventBatch, rows: Rows) -> int:
    """How many events a choice of rows has."""
    return len(range(*rows.indices(len(batch)))) if isinstance(rows, slice) else len(rows)


def type_groups(
    batch: EventBatch, rows: Rows, wanted: Callable[[EventType], bool] | None = None
) -> Iterator[TypeGroup]:
    """The events at ``rows`` by type, types ascending; only types for which ``wanted`` holds, where it is given."""
    events = event_table().events
    if isinstance(rows, slice) and rows == ALL_ROWS:
        for event in (events[type_] for type_ in batch.types_present()):
            if wanted is None or wanted(event):
                yield TypeGroup(event, batch, None)
        return
    index = np.arange(len(batch))[rows]
    types = batch.header("type", rows)
    order = np.argsort(types, kind="stable")
    bounds = np.concatenate(([0], np.cumsum(np.bincount(types))))
    for type_ in np.flatnonzero(np.diff(bounds)).tolist():
        if wanted is None or wanted(events[type_]):
            places = order[bounds[type_] : bounds[type_ + 1]]
            yield TypeGroup(events[type_], batch, (index[places], places))
