"""The fs.path.* fields: the paths of calls that change the file system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scap_formats.types import ParamType
from scaptools.fields.evt_state import resolved_arguments
from scaptools.fields.model import Cost, Field
from scaptools.state.engine import state_of
from scaptools.state.opens import UNKNOWN_DIRECTORY
from scaptools.state.pathcalls import path_arguments

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows
    from scaptools.fields.model import Extract


def _path(side: str, *, raw: bool) -> Extract:
    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        arguments = path_arguments("fs", side)
        return resolved_arguments(state_of(batch), rows, arguments, unknown=UNKNOWN_DIRECTORY, raw=raw)

    return extract


FSPATH_FIELDS = tuple(
    Field(f"fs.path.{side}{suffix}", ParamType.CHARBUF, f"{what}, {how}.", _path(side, raw=raw), cost=Cost.STATE)
    for side, what in (
        ("name", "The path a successful call worked on"),
        ("source", "The path a successful call started from"),
        ("target", "The path a successful call led to"),
    )
    for suffix, how, raw in (("", "made absolute", False), ("raw", "as the call gave it", True))
)
