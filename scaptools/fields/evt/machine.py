"""Machine: the host a capture comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.blocks import BlockKind
from scap_formats.types import ParamType
from scaptools.columns import Coded, coded_texts
from scaptools.errors import CorruptedError
from scaptools.fields.evt.groups import row_count
from scaptools.fields.model import Field

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch
    from scaptools.capture.section import Section
    from scaptools.columns import Rows


def _find_hostname(section: Section) -> bytes | None:
    """The name in the last readable machine block, None where there is none."""
    name = None
    for block in section.of_kind(BlockKind.MACHINE):
        try:
            name = bytes(block.parse().hostname).partition(b"\0")[0]
        except CorruptedError:
            continue
    return name


def _hostname(batch: EventBatch, rows: Rows, _argument: Any) -> Coded:
    name = batch.memo("hostname", lambda: _find_hostname(batch.section))
    codes = np.full(row_count(batch, rows), 0 if name is not None else -1, np.int8)
    return coded_texts(codes, [name or b""])


FIELDS: tuple[Field, ...] = (
    Field("evt.hostname", ParamType.CHARBUF, "Name of the machine the capture was made on.", _hostname),
)
