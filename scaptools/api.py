"""The front door: a capture together with its fields, filters and plugins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from scaptools.capture.reader import WIDE_WINDOW_BYTES, CaptureReader
from scaptools.capture.visibility import shown_rows
from scaptools.fields.catalog import Catalog
from scaptools.fields.inorder import needs_with_plugins, with_plugins
from scaptools.fields.needs import ALL_NEEDS, FieldInUse, needs_of, with_state
from scaptools.filter import CompiledFilter, Expression, compile_filter
from scaptools.shares import WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.index import Selection
    from scaptools.capture.scan import Damage
    from scaptools.capture.section import Section
    from scaptools.capture.source import Opened
    from scaptools.plugins.host import PluginHost
    from scaptools.shares import Share
    from scaptools.state.processtree import ProcessTree
    from scaptools.state.snapshot import Snapshot
    from scaptools.state.views import FdView, ThreadView
    from scaptools.summary import CaptureSummary

    Narrow = Callable[[EventBatch, NDArray[np.intp]], NDArray[np.intp]]


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

    @property
    def thread(self) -> ThreadView | None:
        """The thread the event is of, None where that is unknown. Only for events of `Capture.events` and the like."""
        from scaptools.state.looks import event_thread

        return event_thread(self.batch, self.row)

    @property
    def fd(self) -> FdView | None:
        """The descriptor the event is about, None for one that is about none or about one nobody knows."""
        from scaptools.state.looks import event_fd

        return event_fd(self.batch, self.row)

    def __getitem__(self, name: str) -> Any:
        field = self.catalog.parse(name)
        value = field.column(self.batch, slice(self.row, self.row + 1)).to_arrow()[0].as_py()
        return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


class Capture:
    """A capture file as a table of events.

    Every method that looks at events makes a pass of its own; a capture from standard input allows one. With ``follow``
    a pass goes on as the capture grows, until ``reader.stop``.
    """

    def __init__(
        self,
        opened: Opened,
        *,
        plugins: PluginHost | None = None,
        catalog: Catalog | None = None,
        follow: bool = False,
    ) -> None:
        self.reader = CaptureReader(opened, follow=follow)
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
        begin = 1
        if fields != () and predicate is not None and self.can_look_ahead(predicate):
            begin = self.first_match(predicate, internal=internal)
            if not begin:
                return
        for batch, rows in self.looked_at(predicate, fields=fields, internal=internal, begin=begin):
            if len(rows):
                yield batch, rows

    def can_look_ahead(self, predicate: CompiledFilter) -> bool:
        """Whether a pass of its own can tell where matches begin, so that state is not kept where there are none."""
        return needs_of(predicate.fields) is None and self.reader.can_restart

    def first_match(self, predicate: CompiledFilter, *, internal: bool = True, narrow: Narrow | None = None) -> int:
        """The number of the first event that matches a filter that needs no state, 0 where none does.

        ``narrow`` leaves of the rows of a batch that match those that are wanted.
        """
        from scaptools.lookahead import first_in_parts, worth_sharing

        shared = narrow is None and worth_sharing(self.reader) and not self.reader.has_sidecar
        if shared and self._can_fork(predicate):
            found = first_in_parts(self.reader, lambda batch: _selected(batch, predicate, internal=internal))
            if found is not None:
                return found
        for batch, rows in self.looked_at(predicate, internal=internal):
            left = rows if narrow is None else narrow(batch, rows)
            if len(left):
                return batch.first_number + int(left[0])
        return 0

    def _can_fork(self, predicate: CompiledFilter) -> bool:
        """Whether a filter says the same of an event in a fork, and where the events before it are not counted."""
        if any(used.name == "evt.num" for used in predicate.fields):
            return False
        return self.catalog.survives_fork(predicate.fields)

    def looked_at(
        self,
        predicate: CompiledFilter | None,
        *,
        fields: Sequence[FieldInUse] | None = (),
        internal: bool = True,
        begin: int = 1,
        share: Share = WHOLE,
    ) -> Iterator[tuple[EventBatch, NDArray[np.intp]]]:
        """Like `matches`, but with batches without a match, and only those the share owns from event ``begin`` on.

        Batches an index knows to be without a match may be left out.
        """
        in_filter = predicate.fields if predicate is not None else ()
        needs = ALL_NEEDS if fields is None else needs_of([*fields, *in_filter])
        host = self.catalog.given_plugins
        needs = needs_with_plugins(host, needs)
        selection = self._selection(predicate, fields or ()) if needs is None else None
        window_bytes = WIDE_WINDOW_BYTES if needs is None and not fields else None
        batches = self.reader.batches(window_bytes=window_bytes, selection=selection)
        asked = None if fields is None else [*fields, *in_filter]
        tracked = with_state(batches, needs)
        if needs is not None and begin > 1 and self._can_resume(asked):
            from scaptools.state.resumption import batches_from

            tracked = batches_from(self.reader, needs, begin)
        for number, batch in enumerate(with_plugins(tracked, host, asked)):
            if batch.first_number + len(batch) > begin and share.owns(number):
                yield batch, _selected(batch, predicate, internal=internal)

    def _can_resume(self, asked: Sequence[FieldInUse] | None) -> bool:
        """Whether a pass with state may begin behind the first event, if an index keeps the state there."""
        if asked is None or self.catalog.given_plugins is not None or not self.reader.has_sidecar:
            return False
        return not any(used.remembers for used in asked)

    def _selection(self, predicate: CompiledFilter | None, fields: Sequence[FieldInUse]) -> Selection | None:
        """What a pass can be restricted to that keeps no state; None where every event counts, or no index is there."""
        if predicate is None or not self.reader.has_sidecar:
            return None
        if any(used.remembers for used in (*fields, *predicate.fields)):
            return None
        from scaptools.filter.narrowing import FilterSelection

        return FilterSelection(predicate)

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

    def at(self, number: int) -> Snapshot:
        """Everything known at the event of a number (``evt.num``), as that event sees it.

        Raises IndexError where there is no such event.
        """
        from scaptools.state.snapshot import state_at

        return state_at(self.reader, number)

    def process_tree(self) -> ProcessTree:
        """Every process the capture knows of, with who started it and when it began and ended."""
        from scaptools.state.processtree import process_tree

        return process_tree(self.batches())

    def info(self) -> CaptureSummary:
        """What is in the capture."""
        from scaptools.summary import summarize

        return summarize(self.reader, self.catalog.plugins)


def _selected(batch: EventBatch, predicate: CompiledFilter | None, *, internal: bool) -> NDArray[np.intp]:
    """The rows of a batch that match."""
    rows = np.arange(len(batch)) if predicate is None else predicate.select(batch)
    return rows if internal or not len(rows) else shown_rows(batch, rows)


def open_capture(capture: Opened, *, plugins: PluginHost | None = None) -> Capture:
    """Open a capture: a path, an fsspec URL, ``-`` for standard input, or a binary file object.

    ``plugins`` are those whose fields can be used; by default every installed one. Raises InputError where it cannot
    be read, EmptyCaptureError and NotACaptureError where it is no capture.
    """
    return Capture(capture, plugins=plugins)
