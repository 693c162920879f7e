"""Elapsed time: how long after the event before it each event happened, among those one use of a field is asked about.

So in a filter it is the time since the event before, in a line the time since the line before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scap_formats.types import ParamType, PrintFormat
from scaptools.capture.visibility import leading_containers
from scaptools.columns import Numbers
from scaptools.fields.evt.times import timestamps
from scaptools.fields.model import Field
from scaptools.fields.paramtext.clock import NANOSECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.section import Section
    from scaptools.columns import Rows


class LatestEvent:
    """The latest event asked about; the events of a capture have to be asked about in their order."""

    def __init__(self) -> None:
        self._section: Section | None = None
        self._number = 0
        self._time = np.uint64(0)

    def since(self, batch: EventBatch, rows: Rows) -> NDArray[np.uint64]:
        """The ns from the event before to each event, 0 for the first; where time goes back the number wraps."""
        times = timestamps(batch, rows)
        if not len(times):
            return times
        numbers = batch.numbers(rows)
        if numbers[0] == 1:
            # As for relative times, the capture begins behind the container events in front.
            ahead = int(np.searchsorted(numbers, leading_containers(batch) + 1))
            times = (
                np.append(np.repeat(times[ahead : ahead + 1], ahead), times[ahead:]) if ahead < len(times) else times
            )
        follows = batch.section is self._section and int(numbers[0]) > self._number
        before = self._time if follows else times[0]
        self._section, self._number, self._time = batch.section, int(numbers[-1]), times[-1]
        return np.diff(times, prepend=before)


def _field(name: str, description: str, format_: PrintFormat, part: Callable[[NDArray[np.uint64]], object]) -> Field:
    def extract(batch: EventBatch, rows: Rows, latest: LatestEvent) -> Numbers:
        return Numbers(np.asarray(part(latest.since(batch, rows))))

    return Field(name, ParamType.RELTIME, description, extract, format_, memory=LatestEvent)


_SECOND = np.uint64(NANOSECONDS)

FIELDS: tuple[Field, ...] = (
    _field("evt.deltatime", "The time since the event before, in ns.", PrintFormat.DEC, lambda elapsed: elapsed),
    _field(
        "evt.deltatime.s",
        "The time since the event before, whole seconds.",
        PrintFormat.DEC,
        lambda elapsed: elapsed // _SECOND,
    ),
    _field(
        "evt.deltatime.ns",
        "The time since the event before, the ns beyond whole seconds.",
        PrintFormat.PADDED_DEC,
        lambda elapsed: elapsed % _SECOND,
    ),
)
