"""Table files: tables written as Parquet, Arrow, CSV or JSON lines, a batch at a time.

Every kind comes in two halves. An encoder turns events into bytes and knows of no file, so that several processes can
encode what one of them writes; a file takes those bytes, in order.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scaptools.capture.writer import CaptureWriter
from scaptools.export.parquetparts import ParquetParts, encode_part
from scaptools.export.tables import record_batch, schema_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.export.tables import TableColumn

    Encoded = bytes | memoryview

#: Columns of which hardly any two values are equal.
_DISTINCT = frozenset({"evt.num", "evt.time", "evt.latency", "evt.args", "evt.buffer", "evt.payload", "evt.plugininfo"})
#: Columns that ascend, or nearly.
_ASCENDING = ("evt.num", "evt.time")


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


class TableEncoder:
    """Turns events into the bytes of a table with the given columns; here those of an Arrow stream."""

    def __init__(self, columns: Sequence[TableColumn]) -> None:
        self.columns = columns
        self.schema = schema_of(columns)

    def gather(self, batch: EventBatch, rows: NDArray[np.intp]) -> Any:
        """The first half of encoding events: what is needed of the batch."""
        return record_batch(self.columns, batch, rows)

    def encode(self, gathered: Any) -> Encoded:
        """The second half, which no longer looks at the batch."""
        import pyarrow as pa

        target = io.BytesIO()
        with pa.ipc.new_stream(target, self.schema) as stream:
            stream.write_batch(gathered)
        return target.getbuffer()


class TableFile(ABC):
    """One table on its way to a file."""

    def __init__(self, target: Any, encoder: TableEncoder) -> None:
        self.encoder = encoder
        self.writer = CaptureWriter(target)
        self.sink = _Sink(self.writer)

    @abstractmethod
    def put(self, encoded: Encoded) -> None:
        """Write what the encoder made of some events. Raises OutputError."""

    def finish(self) -> None:  # noqa: B027 - most kinds end without an ending
        """Write what ends a table."""

    def close(self) -> None:
        """Finish the file and put it in place. Raises OutputError."""
        self.finish()
        self.writer.close()


class ParquetEncoder(TableEncoder):
    """Row groups, one a batch.

    Numbers and times have statistics, by which readers pass over row groups; for texts, each of which is in nearly all
    row groups, they would cost more than they could save.
    """

    def encode(self, gathered: pa.RecordBatch) -> Encoded:
        """A Parquet file with one row group."""
        return self._part([gathered])

    def none(self) -> Encoded:
        """A Parquet file without any."""
        return self._part([])

    def _part(self, batches: list[pa.RecordBatch]) -> bytes:
        import pyarrow as pa

        names = self.schema.names
        plain = [field.name for field in self.schema if pa.types.is_primitive(field.type)]
        return encode_part(
            batches,
            self.schema,
            dictionaries=[name for name in names if name not in _DISTINCT],
            statistics=plain,
            encodings={name: "DELTA_BINARY_PACKED" for name in _ASCENDING if name in plain},
        )


class ParquetFile(TableFile):
    """A Parquet file, one row group a batch."""

    encoder: ParquetEncoder

    def __init__(self, target: Any, encoder: ParquetEncoder) -> None:
        super().__init__(target, encoder)
        self._parts = ParquetParts(self.sink.write)
        self._empty = True

    def put(self, encoded: Encoded) -> None:
        """Write a row group."""
        self._parts.add(encoded)
        self._empty = False

    def finish(self) -> None:
        """Write the footer."""
        if self._empty:
            self._parts.add(self.encoder.none())
        self._parts.finish()


class ArrowFile(TableFile):
    """An Arrow IPC file; its dictionaries grow from batch to batch."""

    def __init__(self, target: Any, encoder: TableEncoder) -> None:
        super().__init__(target, encoder)
        import pyarrow as pa

        options = pa.ipc.IpcWriteOptions(compression="zstd", emit_dictionary_deltas=True)
        self._file = pa.ipc.new_file(self.sink, encoder.schema, options=options)
        self._dictionaries: dict[int, _GrowingDictionary] = {}

    def put(self, encoded: Encoded) -> None:
        """Write a batch."""
        import pyarrow as pa

        with pa.ipc.open_stream(encoded) as stream:
            for batch in stream:
                arrays = list(batch.columns)
                for place, array in enumerate(arrays):
                    if pa.types.is_dictionary(array.type):
                        known = self._dictionaries.setdefault(place, _GrowingDictionary(array.type))
                        arrays[place] = known.recoded(array)
                self._file.write_batch(pa.record_batch(arrays, schema=self.encoder.schema))

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


class CsvEncoder(TableEncoder):
    """Lines of CSV. Members of structures are columns, lists are joined with ``|``, buffers are in hex.

    A missing value is nothing at all, an empty text a pair of quotes.
    """

    def encode(self, gathered: pa.RecordBatch) -> Encoded:
        """A line for every row."""
        import pyarrow.csv

        target, flat = io.BytesIO(), _flat(gathered)
        with pyarrow.csv.CSVWriter(
            target, flat.schema, write_options=pyarrow.csv.WriteOptions(include_header=False)
        ) as writer:
            writer.write_batch(flat)
        return target.getbuffer()


class CsvFile(TableFile):
    """A CSV file with a header."""

    def __init__(self, target: Any, encoder: TableEncoder) -> None:
        super().__init__(target, encoder)
        import pyarrow.csv

        pyarrow.csv.CSVWriter(self.sink, _flat(empty_batch(encoder.schema)).schema).close()

    def put(self, encoded: Encoded) -> None:
        """Write lines."""
        self.writer.write([encoded])


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


class JsonLinesEncoder(TableEncoder):
    """JSON lines, as ``--json`` prints them; compounds are the fields they are made of."""

    def __init__(self, columns: Sequence[TableColumn]) -> None:
        super().__init__(columns)
        from scaptools.output.ndjson import scap_json

        fields = {field.name: field for column in columns for field in column.fields}
        self._renderer = scap_json(list(fields.values()))

    def gather(self, batch: EventBatch, rows: NDArray[np.intp]) -> Any:
        """The columns of the events."""
        return self._renderer.gather(batch, rows)

    def encode(self, gathered: Any) -> Encoded:
        """A line for every event."""
        return b"".join(self._renderer.print(gathered))


class JsonLinesFile(TableFile):
    """A file of JSON lines."""

    def put(self, encoded: Encoded) -> None:
        """Write lines."""
        self.writer.write([encoded])


class TableFormat(NamedTuple):
    """How a kind of table file is encoded and written."""

    encoder: type[TableEncoder]
    file: type[TableFile]


#: Kinds of table files by format name.
TABLE_FORMATS: dict[str, TableFormat] = {
    "parquet": TableFormat(ParquetEncoder, ParquetFile),
    "arrow": TableFormat(TableEncoder, ArrowFile),
    "csv": TableFormat(CsvEncoder, CsvFile),
    "jsonl": TableFormat(JsonLinesEncoder, JsonLinesFile),
}
