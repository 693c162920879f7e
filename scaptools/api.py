"""The front door: a capture together with its fields, filters and plugins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from scaptools.capture.reader import WIDE_WINDOW_BYTES, WINDOW_BYTES, CaptureReader
from scaptools.capture.visibility import shown_rows
from scaptools.fields.catalog import Catalog
from scaptools.fields.needs import ALL_NEEDS, FieldInUse, needs_of, with_state
from scaptools.filter import CompiledFilter, Expression, compile_filter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.scan import Damage
    from scaptools.capture.section import Section
    from scaptools.capture.source import Opened
    from scaptools.plugins.host import PluginHost
    from scaptools.summary import CaptureSummary


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a capture; ``event["proc.name"]`` is the value of any field, None where it has none."""

    batch: EventBatch
    row: int
    catalog: Catalog

    @property
    def number(self) -> int:
        """Number in the capture, from 1."""
        return self.batch.first_number + self.row

    @property
    def timestamp_ns(self) -> int:
        """Time in ns since the epoch."""
        return int(self.batch.header("ts", slice(self.row, self.row + 1))[0])

    @property
    def type(self) -> str:
        """The event's type, as ``evt.type`` gives it."""
        return str(self["evt.type"])

    def __getitem__(self, name: str) -> Any:
        field = self.catalog.parse(name)
        value = field.column(self.batch, slice(self.row, self.row + 1)).to_arrow()[0].as_py()
        return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


class Capture:
    """A capture file as a table of events.

    Every method that looks at events makes a pass of its own; a capture from standard input allows one.
    """

    def __init__(self, opened: Opened, *, plugins: PluginHost | None = None, catalog: Catalog | None = None) -> None:
        self.reader = CaptureReader(opened)
        self.catalog = catalog or Catalog(plugins)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self.reader.close()

    @property
    def name(self) -> str:
        """The path or name it was opened by."""
        return self.reader.name

    @property
    def sections(self) -> list[Section]:
        """The sections met by the latest pass."""
        return self.reader.sections

    @property
    def damage(self) -> list[Damage]:
        """What the latest pass found broken."""
        return self.reader.damage

    def batches(self) -> Iterator[EventBatch]:
        """All events in batches."""
        return self.reader.batches()

    def events(self) -> Iterator[Event]:
        """Every event, one by one; for looking around, not for speed."""
        return self.filter(None)

    def filter(self, expression: str | Expression | None) -> Iterator[Event]:
        """The events that match, one by one. Raises FilterError."""
        for batch, rows in self.matches(expression, fields=None):
            for row in rows.tolist():
                yield Event(batch, row, self.catalog)

    def matches(
        self,
        wanted: str | Expression | CompiledFilter | None,
        *,
        fields: Sequence[FieldInUse] | None = (),
        internal: bool = True,
    ) -> Iterator[tuple[EventBatch, NDArray[np.intp]]]:
        """Batches with the rows that match, ascending; batches without a match are left out.

        ``fields`` are those that will be asked of the batches: what state they need is kept along the way; None is for
        any. Without ``internal`` events that sysdig does not show are left out.
        """
        predicate = self.compile(wanted) if isinstance(wanted, str | Expression) else wanted
        in_filter = predicate.fields if predicate is not None else ()
        needs = ALL_NEEDS if fields is None else needs_of([*fields, *in_filter])

        def select(batch: EventBatch) -> NDArray[np.intp]:
            rows = np.arange(len(batch)) if predicate is None else predicate.select(batch)
            return rows if internal or not len(rows) else shown_rows(batch, rows)

        first = 0
        self.reader.window_bytes = WIDE_WINDOW_BYTES if needs is None and not fields else WINDOW_BYTES
        if needs is not None and predicate is not None and needs_of(in_filter) is None and self.reader.can_restart:
            # State is for what matches only: as long as nothing does, there is none to keep.
            found = (number for number, batch in enumerate(self.batches()) if len(select(batch)))
            first = next(found, -1)
            found.close()
            if first < 0:
                return
        for number, batch in enumerate(with_state(self.batches(), needs)):
            if number >= first and len(rows := select(batch)):
                yield batch, rows

    def compile(self, expression: str | Expression) -> CompiledFilter:
        """A filter over this capture's fields. Raises FilterError."""
        return compile_filter(expression, self.catalog)

    def select(self, fields: Sequence[str], *, where: str | Expression | None = None) -> pa.Table:
        """A table with one row per matching event and one column per field, missing values as nulls."""
        from scaptools.export.arrow import select_table

        bound = [self.catalog.parse(name) for name in fields]
        return select_table(self.matches(where, fields=bound), bound)

    def record_batches(
        self, fields: Sequence[str] | None = None, *, where: str | Expression | None = None, source: str | None = None
    ) -> pa.RecordBatchReader:
        """The same as `to_arrow`, batch by batch as the capture is read."""
        from scaptools.export.streams import table_stream
        from scaptools.export.tables import TableChoice

        choice = TableChoice(self.catalog, fields, source)
        return table_stream(self.matches(where, fields=choice.needed, internal=False), choice)

    def to_arrow(
        self, fields: Sequence[str] | None = None, *, where: str | Expression | None = None, source: str | None = None
    ) -> pa.Table:
        """The shown events that match as a table with columns typed as `scaptools.export.arrow` says.

        ``source`` is the event source wanted. Without ``fields`` it is the table `scaptools.export.tables` describes,
        of the first event's source where none is named.
        """
        return self.record_batches(fields, where=where, source=source).read_all()

    def to_pandas(
        self, fields: Sequence[str] | None = None, *, where: str | Expression | None = None, source: str | None = None
    ) -> Any:
        """The table of `to_arrow` as a pandas frame with Arrow types. Raises ExportError without pandas."""
        from scaptools.export.streams import to_pandas

        return to_pandas(self.to_arrow(fields, where=where, source=source))

    def to_polars(
        self, fields: Sequence[str] | None = None, *, where: str | Expression | None = None, source: str | None = None
    ) -> Any:
        """The table of `to_arrow` as a polars frame. Raises ExportError without polars."""
        from scaptools.export.streams import to_polars

        return to_polars(self.to_arrow(fields, where=where, source=source))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The table of `to_arrow` for any library that reads Arrow streams."""
        return self.record_batches().__arrow_c_stream__(requested_schema)

    def info(self) -> CaptureSummary:
        """What is in the capture."""
        from scaptools.summary import summarize

        return summarize(self.reader, self.catalog.plugins)


def open_capture(capture: Opened, *, plugins: PluginHost | None = None) -> Capture:
    """Open a capture: a path, an fsspec URL, ``-`` for standard input, or a binary file object.

    ``plugins`` are those whose fields can be used; by default every installed one. Raises InputError where it cannot
    be read, EmptyCaptureError and NotACaptureError where it is no capture.
    """
    return Capture(capture, plugins=plugins)
