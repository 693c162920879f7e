"""Headers: what the writer noted about every event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import Numbers
from scaptools.fields.model import Field

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows


def _number(batch: EventBatch, rows: Rows, _argument: Any) -> Numbers:
    return Numbers(batch.numbers(rows))


def _cpu(batch: EventBatch, rows: Rows, _argument: Any) -> Numbers:
    return Numbers(batch.header("cpu", rows).astype(np.int16))


FIELDS: tuple[Field, ...] = (
    Field("evt.num", ParamType.UINT64, "Number of the event in the capture, from 1.", _number, PrintFormat.ID),
    Field("evt.cpu", ParamType.INT16, "Number of the CPU the event happened on.", _cpu, PrintFormat.ID),
)
