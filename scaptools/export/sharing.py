"""Sharing: whether an export is worth several processes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scaptools.shares import useful_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaptools.fields.catalog import Catalog
    from scaptools.fields.needs import FieldInUse

#: Captures of fewer bytes are exported before further processes are at work.
_WORTH_SHARING = 32 << 20


def export_shares(capture: str, catalog: Catalog, fields: Sequence[FieldInUse]) -> int:
    """How many processes exporting these fields of a capture is worth being shared out to."""
    if (
        not os.path.isfile(capture)  # noqa: PTH113 - it may be a URL
        or os.path.getsize(capture) < _WORTH_SHARING  # noqa: PTH202
        or not catalog.survives_fork(fields)
    ):
        return 1
    return useful_shares()
