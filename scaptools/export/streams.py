"""Streams: tables as Arrow record batches, one for each batch of the capture, and what others make of them."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from scaptools.errors import ExportError
from scaptools.export.tables import TableChoice, record_batch, schema_of
from scaptools.fields.plugin import SYSCALL_SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch

    Matches = Iterable[tuple[EventBatch, NDArray[Any]]]


def table_stream(matches: Matches, choice: TableChoice) -> pa.RecordBatchReader:
    """The table of a choice, batch by batch as it is read; it can be read once.

    ``matches`` are batches with wanted rows, which have to have been asked for with ``choice.needed``. Where neither
    fields nor a source are chosen it is the table of the first event's source.
    """
    import pyarrow as pa

    rest = iter(matches)
    if choice.fields is None and choice.source is None:
        first = next(rest, None)
        source = SYSCALL_SOURCE
        if first is not None:
            source = min(choice.split(*first), key=lambda part: int(part[1][0]))[0]
            rest = chain([first], rest)
        choice = TableChoice(choice.catalog, source=source)
    columns = choice.columns(choice.source or SYSCALL_SOURCE)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch, rows in rest:
            for _, wanted in choice.split(batch, rows):
                yield record_batch(columns, batch, wanted)

    return pa.RecordBatchReader.from_batches(schema_of(columns), batches())


def to_pandas(table: pa.Table) -> Any:
    """A pandas frame with Arrow types, so that nulls stay nulls and integers integers. Raises ExportError."""
    pandas = optional_module("pandas")
    return table.to_pandas(types_mapper=pandas.ArrowDtype)


def to_polars(table: pa.Table) -> Any:
    """A polars frame. Raises ExportError where polars is not installed."""
    return optional_module("polars").from_arrow(table)


def optional_module(name: str) -> ModuleType:
    """A package that is an extra of this one. Raises ExportError where it is not installed."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ExportError(f"needs the package {name}", hint=f"install scaptools[{name}]") from error
