"""Captures built from values, block by block, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from scap_formats.blocks import BLOCKS, BlockType
from scap_formats.bodies import build_block
from scap_formats.table import event_table
from scap_formats.types import Direction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scap_formats.codec import ByteOrder

#: A time in ns since the epoch events start at when none is given.
START_NS = 1_600_000_000_000_000_000
#: How much later each further event is.
STEP_NS = 1_000_000


class CaptureBuilder:
    """A capture under construction; every method returns the builder.

    Events are given by name and direction, parameters as encoded bytes.
    """

    def __init__(self, byteorder: ByteOrder = "little") -> None:
        self.byteorder = byteorder
        self._blocks: list[bytes] = []
        self._next_ts = START_NS
        self.section()

    def section(self, *, major: int = 1, minor: int = 2) -> Self:
        """Start a section."""
        return self.block(BlockType.SHB, {"major": major, "minor": minor, "options": None, "rest": b""})

    def block(self, block_type: int, body: Any) -> Self:
        """Add a block of any type; ``body`` is what its schema takes, or bytes."""
        self._blocks.append(build_block(block_type, body, self.byteorder))
        return self

    def raw(self, data: bytes) -> Self:
        """Add bytes as they are, whole block or not."""
        self._blocks.append(data)
        return self

    def event(
        self,
        name: str | int,
        params: Sequence[bytes] = (),
        *,
        ts: int | None = None,
        tid: int = 1,
        cpu: int = 0,
        exit: bool = False,  # noqa: A002 - the field's own word
        block_type: int | None = None,
        dump_flags: int = 0,
    ) -> Self:
        """Add an event by the name or number of its type; of types with one name the newest is taken."""
        event_type = name if isinstance(name, int) else _event_type(name, exit=exit)
        known = event_table().events
        large = event_type < len(known) and known[event_type].length_width == 4
        kind = block_type or (BlockType.EV_V2_LARGE if large else BlockType.EV_V2)
        if ts is None:
            ts, self._next_ts = self._next_ts, self._next_ts + STEP_NS
        body: dict[str, Any] = {"cpu": cpu, "ts": ts, "tid": tid, "type": event_type, "params": list(params)}
        if BLOCKS[kind].has_flags:
            body["dump_flags"] = dump_flags
        return self.block(kind, {**body, "options": None, "rest": b""})

    def plugin_event(self, payload: bytes, *, plugin_id: int = 2, ts: int | None = None) -> Self:
        """Add a plugin event."""
        return self.event("pluginevent", [plugin_id.to_bytes(4, self.byteorder), payload], ts=ts, tid=-1)

    def to_bytes(self) -> bytes:
        """The capture so far."""
        return b"".join(self._blocks)

    def write(self, path: Path) -> Path:
        """Write the capture so far to a file and return its path."""
        path.write_bytes(self.to_bytes())
        return path


def _event_type(name: str, *, exit: bool) -> int:  # noqa: A002
    types = [event.id for event in event_table().by_name(name) if (event.direction is Direction.EXIT) == exit]
    if not types:
        raise ValueError(f"no {'exit' if exit else 'enter'} event is called {name}")
    return types[-1]
