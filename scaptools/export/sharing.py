"""Sharing: whether an export is worth several processes, and what comes of theirs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from scaptools.shares import useful_shares

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from scaptools.fields.catalog import Catalog
    from scaptools.fields.needs import FieldInUse

R = TypeVar("R")

#: Captures of fewer bytes are exported before further processes are at work.
_WORTH_SHARING = 32 << 20


def export_shares(capture: str, catalog: Catalog, fields: Sequence[FieldInUse]) -> int:
    """How many processes exporting these fields of a capture is worth being shared out to."""
    if (
        not os.path.isfile(capture)  # noqa: PTH113 - it may be a URL
        or os.path.getsize(capture) < _WORTH_SHARING  # noqa: PTH202
        or any(used.remembers for used in fields)
        or not all(plugin.survives_fork for plugin in catalog.plugins.plugins)
    ):
        return 1
    return useful_shares()


def results(items: Generator[object, None, list[R]]) -> list[R]:
    """What the shares of a pass returned; what they yield is not wanted."""
    while True:
        try:
            next(items)
        except StopIteration as stop:
            return list(stop.value)
