"""Parts of a Parquet file: row groups encoded by themselves, each as a small whole file, and joined into one.

What a row group holds does not depend on the others; only its footer says where it lies. So several processes can
encode, and whoever writes the file moves bytes and writes one footer. Numbers below are those of the format's own
definition, ``parquet.thrift``.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from scaptools.errors import ExportError
from scaptools.export.compact import Struct, build_struct, parse_struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pyarrow as pa

_MAGIC = b"PAR1"
_LENGTH_BYTES = 4
_ROW_COUNT, _ROW_GROUPS = 3, 4
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7
_COLUMN_OFFSET, _COLUMN_META = 2, 3
#: Where things lie, of a column and of what is said about it.
_CHUNK_PLACES = (_COLUMN_OFFSET, 4, 6)
_META_PLACES = (9, 10, 11, 14)
_MOST_ORDINAL = 2**15 - 1


def encode_part(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    *,
    dictionaries: Sequence[str],
    statistics: Sequence[str],
    encodings: dict[str, str],
) -> bytes:
    """A Parquet file with a row group for each batch, in memory."""
    import pyarrow.parquet as pq

    target = io.BytesIO()
    with pq.ParquetWriter(
        target,
        schema,
        compression="zstd",
        use_dictionary=list(dictionaries) or False,
        write_statistics=list(statistics) or False,
        column_encoding=encodings or None,
    ) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return target.getvalue()


class ParquetParts:
    """One Parquet file made of parts; ``write`` takes its bytes."""

    def __init__(self, write: Callable[[Any], object]) -> None:
        self._write = write
        self._size = 0
        self._footer: Struct | None = None
        self._rows = 0
        self._groups: list[Struct] = []

    def add(self, part: bytes | memoryview) -> None:
        """Append the row groups of a part, all of one schema."""
        view = memoryview(part)
        tail = len(view) - len(_MAGIC) - _LENGTH_BYTES
        length = int.from_bytes(view[tail : tail + _LENGTH_BYTES], "little")
        if view[: len(_MAGIC)] != _MAGIC or not 0 < length <= tail - len(_MAGIC):
            raise ExportError("a part that is no Parquet file")
        footer = parse_struct(bytes(view[tail - length : tail]))
        if self._footer is None:
            self._put(_MAGIC)
            self._footer = footer
        shift = self._size - len(_MAGIC)
        for group in footer[_ROW_GROUPS][1][1]:
            self._groups.append(self._moved(group, shift))
        self._rows += footer[_ROW_COUNT][1]
        self._put(view[len(_MAGIC) : tail - length])

    def finish(self) -> None:
        """Write the footer of all parts, of which there has to be one."""
        if self._footer is None:
            raise ExportError("a Parquet file without parts")
        kind, (inner, _) = self._footer[_ROW_GROUPS]
        footer = self._footer | {
            _ROW_COUNT: (self._footer[_ROW_COUNT][0], self._rows),
            _ROW_GROUPS: (kind, (inner, self._groups)),
        }
        data = build_struct(footer)
        self._put(data + len(data).to_bytes(_LENGTH_BYTES, "little") + _MAGIC)

    def _put(self, data: Any) -> None:
        self._write(data)
        self._size += len(data)

    def _moved(self, group: Struct, shift: int) -> Struct:
        kind, (inner, columns) = group[_COLUMNS]
        moved = []
        for column in columns:
            meta_kind, meta = column[_COLUMN_META]
            moved.append(
                _shifted(column, _CHUNK_PLACES, shift)
                | {_COLUMN_META: (meta_kind, _shifted(meta, _META_PLACES, shift))}
            )
        group = _shifted(group, (_GROUP_OFFSET,), shift) | {_COLUMNS: (kind, (inner, moved))}
        if _ORDINAL in group:
            if len(self._groups) > _MOST_ORDINAL:
                del group[_ORDINAL]  # it is optional, and has 16 bits
            else:
                group[_ORDINAL] = group[_ORDINAL][0], len(self._groups)
        return group


def _shifted(struct: Struct, places: Iterable[int], shift: int) -> Struct:
    """A structure with some of its offsets moved; 0 stands for none."""
    return struct | {
        place: (struct[place][0], struct[place][1] + shift) for place in places if place in struct and struct[place][1]
    }
