"""Table files: tables written as Parquet, Arrow, CSV or JSON lines, a batch at a time."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from scaptools.capture.writer import CaptureWriter
from scaptools.export.tables import record_batch, schema_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.export.tables import TableColumn

#: Columns of which hardly any two values are equal.
_DISTINCT = frozenset({"evt.num", "evt.time", "evt.latency", "evt.args", "evt.buffer", "evt.payload", "evt.plugininfo"})


class _Sink(io.RawIOBase):
    """A writer as the file that pyarrow wants."""

    def __init__(self, writer: CaptureWriter) -> None:
        super().__init__()
        self._writer = writer

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Write one piece, all of it."""
        self._writer.write([data])
        return len(data)


class TableFile(ABC):
    """One table on its way to a file."""

    def __init__(self, target: Any, columns: Sequence[TableColumn]) -> None:
        self.columns = columns
        self.writer = CaptureWriter(target)
        self.sink = _Sink(self.writer)
        self.rows = 0

    def gather(self, batch: EventBatch, rows: NDArray[np.intp]) -> Any:
        """The first half of writing events: what is needed of the batch."""
        return record_batch(self.columns, batch, rows)

    @abstractmethod
    def put(self, gathered: Any) -> None:
        """The second half, which no longer looks at the batch. Raises OutputError."""

    def finish(self) -> None:  # noqa: B027 - most kinds end without an ending
        """Write what ends a table."""

    def close(self) -> None:
        """Finish the file and put it in place. Raises OutputError."""
        self.finish()
        self.writer.close()


class ParquetFile(TableFile):
    """A Parquet file, one row group a batch."""

    def __init__(self, target: Any, columns: Sequence[TableColumn]) -> None:
        super().__init__(target, columns)
        import pyarrow.parquet as pq

        schema = schema_of(columns)
        repeated = [name for name in schema.names if name not in _DISTINCT]
        self._parquet = pq.ParquetWriter(self.sink, schema, compression="zstd", use_dictionary=repeated or False)

    def put(self, gathered: pa.RecordBatch) -> None:
        """Write a row group."""
        self._parquet.write_batch(gathered)

    def finish(self) -> None:
        """Write the footer."""
        self._parquet.close()


class ArrowFile(TableFile):
    """An Arrow IPC file; its dictionaries grow from batch to batch."""

    def __init__(self, target: Any, columns: Sequence[TableColumn]) -> None:
        super().__init__(target, columns)
        import pyarrow as pa

        self._schema = schema_of(columns)
        options = pa.ipc.IpcWriteOptions(compression="zstd", emit_dictionary_deltas=True)
        self._file = pa.ipc.new_file(self.sink, self._schema, options=options)
        self._dictionaries: dict[int, _GrowingDictionary] = {}

    def put(self, gathered: pa.RecordBatch) -> None:
        """Write a batch."""
        import pyarrow as pa

        arrays = list(gathered.columns)
        for place, array in enumerate(arrays):
            if pa.types.is_dictionary(array.type):
                arrays[place] = self._dictionaries.setdefault(place, _GrowingDictionary(array.type)).recoded(array)
        self._file.write_batch(pa.record_batch(arrays, schema=self._schema))

    def finish(self) -> None:
        """Write the footer."""
        self._file.close()


class _GrowingDictionary:
    """The dictionary of a column, which values are only ever added to: the file format allows nothing else."""

    def __init__(self, type_: pa.DataType) -> None:
        import pyarrow as pa

        self._places: dict[Any, int] = {}
        self._values = pa.array([], type_.value_type)

    def recoded(self, array: pa.Array) -> pa.Array:
        """The array over this dictionary, which has its values afterwards."""
        import pyarrow as pa

        values = array.dictionary.to_pylist()
        known = len(self._places)
        places = np.array([self._places.setdefault(value, len(self._places)) for value in values] or [0], np.int32)
        if len(self._places) > known:
            new = pa.array(list(self._places)[known:], self._values.type)
            self._values = pa.concat_arrays([self._values, new])
        indices = pa.array(places).take(array.indices)
        return pa.DictionaryArray.from_arrays(indices, self._values)


class CsvFile(TableFile):
    """A CSV file with a header. Members of structures are columns, lists are joined with ``|``, buffers are in hex.

    A missing value is nothing at all, an empty text a pair of quotes.
    """

    def __init__(self, target: Any, columns: Sequence[TableColumn]) -> None:
        super().__init__(target, columns)
        import pyarrow.csv

        self._csv = pyarrow.csv.CSVWriter(self.sink, _flat(empty_batch(schema_of(columns))).schema)

    def put(self, gathered: pa.RecordBatch) -> None:
        """Write a line for every row."""
        self._csv.write_batch(_flat(gathered))

    def finish(self) -> None:
        """Write what is buffered."""
        self._csv.close()


def write_csv(table: pa.Table, file: Any) -> None:
    """Write a whole table to a binary file as `CsvFile` does."""
    import pyarrow.csv

    flat = [_flat(batch) for batch in table.to_batches()] or [_flat(empty_batch(table.schema))]
    with pyarrow.csv.CSVWriter(file, flat[0].schema) as writer:
        for batch in flat:
            writer.write_batch(batch)


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """A record batch without rows."""
    import pyarrow as pa

    return pa.record_batch([pa.array([], field.type) for field in schema], schema=schema)


def _flat(batch: pa.RecordBatch) -> pa.RecordBatch:
    import pyarrow as pa
    import pyarrow.compute as pc

    arrays: dict[str, pa.Array] = {}
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_struct(array.type):
            members = zip(array.type, array.flatten(), strict=True)
            arrays |= {f"{name}.{member.name}": values for member, values in members}
        elif pa.types.is_list(array.type):
            arrays[name] = pc.binary_join(array.cast(pa.list_(pa.string())), "|")
        elif pa.types.is_binary(array.type):
            arrays[name] = pa.array(
                [None if value is None else value.hex() for value in array.to_pylist()], pa.string()
            )
        elif pa.types.is_dictionary(array.type):
            arrays[name] = array.dictionary_decode()
        else:
            arrays[name] = array
    return pa.record_batch(arrays)


class JsonLinesFile(TableFile):
    """JSON lines, as ``--json`` prints them; compounds are the fields they are made of."""

    def __init__(self, target: Any, columns: Sequence[TableColumn]) -> None:
        super().__init__(target, columns)
        from scaptools.output.ndjson import scap_json

        fields = {field.name: field for column in columns for field in column.fields}
        self._renderer = scap_json(list(fields.values()))

    def gather(self, batch: EventBatch, rows: NDArray[np.intp]) -> Any:
        """The columns of the events."""
        return self._renderer.gather(batch, rows)

    def put(self, gathered: Any) -> None:
        """Write a line for every event."""
        self.writer.write(self._renderer.print(gathered))


#: Kinds of table files by format name.
TABLE_FORMATS: dict[str, type[TableFile]] = {
    "parquet": ParquetFile,
    "arrow": ArrowFile,
    "csv": CsvFile,
    "jsonl": JsonLinesFile,
}
