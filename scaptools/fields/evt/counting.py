"""Counting: how many events one use of a field has been asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import Numbers
from scaptools.fields.evt.groups import row_count
from scaptools.fields.model import Field

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows


class Counted:
    """How many events were asked about so far."""

    def __init__(self) -> None:
        self._count = 0

    def further(self, count: int) -> Numbers:
        """The numbers of so many more events, shape ``(count,)``, the first ever being 1."""
        first = self._count + 1
        self._count += count
        return Numbers(np.arange(first, first + count, dtype=np.uint64))


def _numbers(batch: EventBatch, rows: Rows, counted: Counted) -> Numbers:
    return counted.further(row_count(batch, rows))


FIELDS: tuple[Field, ...] = (
    Field(
        "util.cnt",
        ParamType.UINT64,
        "How often this use of the field has been asked for: in a line the number of the line.",
        _numbers,
        PrintFormat.ID,
        memory=Counted,
    ),
)
