"""Packing: columns of numbers and byte strings as one string of bytes, and back.

What was packed may come back from anywhere: reading allocates no more than the bytes hold, takes no types from them,
and raises CorruptedError for whatever does not fit. Integers are any of 64 bits, signed or not; equal byte strings
are stored once.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from scaptools.errors import CorruptedError
from scaptools.state.timeline import as_int64

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]

_SIZE_BYTES = 8
#: More than this is not unpacked, nor what is large and many times what is stored: state does not compress so well.
_MOST_BYTES, _LARGE_BYTES, _MOST_TIMES = 512 << 20, 16 << 20, 64
#: Kinds of numbers by width, narrowest first.
_KINDS = ("<i1", "<i2", "<i4", "<i8")
_HEADER, _ARRAYS, _BLOB = "header", "arrays", "blob"
_SIGNED_LIMIT, _UNSIGNED = 1 << 63, (1 << 64) - 1

Row = TypeVar("Row", bound=NamedTuple)


class Packer:
    """Collects named columns; ``header`` is anything JSON can hold."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}
        self._codes: dict[bytes, int] = {}

    def numbers(self, name: str, values: Iterable[int] | NDArray[Any]) -> None:
        """A column of integers."""
        if isinstance(values, np.ndarray):
            array = values.ravel()
            high = np.flatnonzero(array > _SIGNED_LIMIT - 1) if array.dtype.kind == "u" else array[:0]
            array = array.astype(np.int64)
        else:
            listed = [int(value) for value in values]
            array = as_int64(listed)
            high = np.array([at for at, value in enumerate(listed) if value >= _SIGNED_LIMIT], np.int64)
        self._arrays[name] = array
        if len(high):
            self._arrays[name + _HIGH] = high

    def texts(self, name: str, values: Iterable[bytes]) -> None:
        """A column of byte strings."""
        codes = self._codes
        self.numbers(name, [codes.setdefault(value, len(codes)) for value in values])

    def rows(self, name: str, rows: Sequence[NamedTuple], like: NamedTuple) -> None:
        """Named tuples of numbers, byte strings, truths and tuples of such, all of the kinds ``like`` has."""
        for place, (attribute, sample) in enumerate(zip(like._fields, like, strict=True)):
            values = [row[place] for row in rows]
            label = f"{name}.{attribute}"
            if isinstance(sample, tuple):
                self.rows(label, values, sample)  # type: ignore[arg-type]
            elif isinstance(sample, bytes):
                self.texts(label, values)
            else:
                self.numbers(label, values)

    def finish(self, magic: bytes, header: Any) -> bytes:
        """Everything as bytes that begin with ``magic``."""
        self.numbers(_BLOB, np.cumsum([len(text) for text in self._codes], dtype=np.int64))
        body, layout = [], []
        for name, array in self._arrays.items():
            kind = _narrowest(array)
            layout.append((name, kind, len(array)))
            body.append(array.astype(kind).tobytes())
        text = json.dumps({_HEADER: header, _ARRAYS: layout}).encode() + b"\n"
        plain = b"".join((text, *body, *self._codes))
        return magic + len(plain).to_bytes(_SIZE_BYTES, "little") + zlib.compress(plain, 1)


class Unpacker:
    """Reads what `Packer` made; ``header`` is what it was given. Every method raises CorruptedError."""

    def __init__(self, stored: bytes | memoryview, magic: bytes) -> None:
        plain = _inflated(bytes(stored), magic)
        text, newline, _ = plain.partition(b"\n")
        position = len(text) + len(newline)
        try:
            top = json.loads(text)
            self.header: Any = top[_HEADER]
            self._arrays, position = _arrays(plain, position, top[_ARRAYS])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise CorruptedError("stored state that is not laid out as it should be") from error
        ends = self._array(_BLOB)
        starts = np.concatenate((np.zeros(1, np.int64), ends[:-1])) if len(ends) else ends
        if len(ends) and (ends[-1] != len(plain) - position or (starts > ends).any()):
            raise CorruptedError("stored state whose strings are not all there")
        self._texts = [
            plain[position + start : position + end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]

    def _array(self, name: str) -> Ints:
        if name not in self._arrays:
            raise CorruptedError(f"stored state without {name}")
        return self._arrays[name]

    def array(self, name: str, low: int | None = None, high: int | None = None) -> Ints:
        """A column of integers, those that do not fit wrapped; each has to be from ``low`` to below ``high``."""
        array = self._array(name)
        if len(array) and ((low is not None and array.min() < low) or (high is not None and array.max() >= high)):
            raise CorruptedError(f"stored state with an impossible {name}")
        return array

    def numbers(self, name: str, low: int | None = None, high: int | None = None) -> list[int]:
        """The same as Python numbers, none of them wrapped."""
        values: list[int] = self.array(name, low, high).tolist()
        if name + _HIGH in self._arrays:
            for at in self.array(name + _HIGH, 0, len(values)).tolist():
                values[at] &= _UNSIGNED
        return values

    def unsigned(self, name: str) -> list[int]:
        """A column of integers none of which is negative."""
        return [value & _UNSIGNED for value in self.array(name).tolist()]

    def texts(self, name: str) -> list[bytes]:
        """A column of byte strings."""
        texts = self._texts
        return [texts[code] for code in self.array(name, 0, len(texts)).tolist()]

    def rows(self, name: str, like: Row) -> list[Row]:
        """Named tuples of the type of ``like``."""
        columns: list[list[Any]] = []
        for attribute, sample in zip(like._fields, like, strict=True):
            label = f"{name}.{attribute}"
            if isinstance(sample, tuple):
                columns.append(self.rows(label, sample))
            elif isinstance(sample, bytes):
                columns.append(self.texts(label))
            elif isinstance(sample, bool):
                columns.append([bool(value) for value in self.array(label).tolist()])
            else:
                columns.append(self.numbers(label))
        made = type(like)._make
        return [made(row) for row in together(*columns)]


def together(*columns: Sequence[Any]) -> Iterable[tuple[Any, ...]]:
    """The columns row by row. Raises CorruptedError where they are not of one length."""
    if len({len(column) for column in columns}) > 1:
        raise CorruptedError("stored state with columns of several lengths")
    return zip(*columns, strict=True)


#: Names the places of a column whose numbers are above the signed range.
_HIGH = "!"


def _narrowest(array: Ints) -> str:
    low, high = (int(array.min()), int(array.max())) if len(array) else (0, 0)
    return next(kind for kind in _KINDS if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)


def _arrays(plain: bytes, position: int, layout: Any) -> tuple[dict[str, Ints], int]:
    """The arrays that begin at a position, and where they end. Raises ValueError and TypeError."""
    arrays = {}
    for name, kind, count in layout:
        if kind not in _KINDS or count < 0 or count * np.dtype(kind).itemsize > len(plain) - position:
            raise ValueError(name)
        arrays[str(name)] = np.frombuffer(plain, kind, count, position).astype(np.int64)
        position += count * np.dtype(kind).itemsize
    return arrays, position


def _inflated(stored: bytes, magic: bytes) -> bytes:
    head = len(magic) + _SIZE_BYTES
    size = int.from_bytes(stored[len(magic) : head], "little")
    if not stored.startswith(magic) or size > min(_MOST_BYTES, max(_LARGE_BYTES, _MOST_TIMES * len(stored))):
        raise CorruptedError("stored state of another kind")
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(stored[head:], size + 1)
    except zlib.error as error:
        raise CorruptedError("stored state that does not decompress") from error
    if len(plain) != size or not inflater.eof:
        raise CorruptedError("stored state that is not all there")
    return plain
