"""Renderers: from events to the bytes they are printed as, in two steps.

The columns are gathered first, where events are read, because fields share state with each other. Making text of them
needs nothing but the columns and may happen in another thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from scaptools.columns import Coded, Deferred, concatenated
from scaptools.output.assemble import assemble_portions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows
    from scaptools.output.assemble import Piece

    #: Gives the values of some events.
    Source = Callable[[EventBatch, Rows], Column]

#: What does not depend on values (literals, widths) makes at most this many bytes at a time.
_PORTION_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Gathered:
    """The columns of ``count`` events, in the order of a renderer's sources."""

    columns: tuple[Column, ...]
    count: int

    def portions(self, row_bytes: int) -> Iterator[Gathered]:
        """The same events in portions of as many as fit when each takes ``row_bytes``; none for no events."""
        limit = max(1, _PORTION_BYTES // max(1, row_bytes))
        if 0 < self.count <= limit:
            yield self
            return
        for start in range(0, self.count, limit):
            rows = slice(start, min(start + limit, self.count))
            yield Gathered(tuple(column.take(rows) for column in self.columns), rows.stop - start)


class Renderer(Protocol):
    """Prints events. What `gather` returns is for `print` alone."""

    def gather(self, batch: EventBatch, rows: Rows) -> Any:
        """Everything needed to print the given events."""

    def print(self, gathered: Any) -> Iterator[memoryview]:
        """The lines of gathered events, newlines included, in portions of whole lines; possibly none."""


class ColumnRenderer(ABC):
    """A renderer whose lines are columns beside each other; every subclass is one kind of output."""

    @abstractmethod
    def sources(self) -> Sequence[Source]:
        """Where the columns come from."""

    @abstractmethod
    def row_bytes(self) -> int:
        """The bytes a line takes at least."""

    @abstractmethod
    def pieces(self, gathered: Gathered) -> tuple[list[Piece], int]:
        """What each line is made of, newline included, and how many lines there are."""

    @property
    def missing(self) -> bytes:
        """What a missing value reads."""
        return b""

    def gather(self, batch: EventBatch, rows: Rows) -> Gathered:
        """The columns of the given events."""
        count = len(range(*rows.indices(len(batch)))) if isinstance(rows, slice) else len(rows)
        return Gathered(tuple(_finished(source(batch, rows)) for source in self.sources()), count)

    def lines(self, gathered: Gathered) -> Iterator[pa.Array]:
        """The lines as binary arrays without nulls, newlines included; possibly none."""
        for portion in gathered.portions(self.row_bytes()):
            pieces, count = self.pieces(portion)
            if count:
                yield from assemble_portions(pieces, count, missing=self.missing)

    def print(self, gathered: Gathered) -> Iterator[memoryview]:
        """The lines one after the other, in portions of whole lines; possibly none."""
        return map(concatenated, self.lines(gathered))


def _finished(column: Column) -> Column:
    """A column that no longer looks at its batch."""
    return Coded(column.codes, column.values) if isinstance(column, Deferred) else column


def render(renderer: Renderer, batch: EventBatch, rows: Rows) -> bytes | memoryview:
    """The lines of the given events, newlines included, joined."""
    portions = list(renderer.print(renderer.gather(batch, rows)))
    return portions[0] if len(portions) == 1 else b"".join(portions)
