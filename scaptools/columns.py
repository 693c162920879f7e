"""Columns: the values of one field for some events, each with its validity.

Every extractor returns a column, every predicate, template and export consumes one. Four forms exist, because the
cheapest representation differs:

- `Numbers`  fixed-width values in numpy;
- `Texts`    byte strings in Arrow, over whatever buffer they already lie in;
- `Coded`    small integers pointing into a short column of distinct values, so that work done per value is done
             once and then mapped to events;
- `Lists`    several values per event.

A missing value is not an empty one: comparisons with a missing value are false whatever the operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

Mask: TypeAlias = "NDArray[np.bool_]"
#: Which rows of a batch: every one, or those at the given positions.
Rows: TypeAlias = "NDArray[np.intp] | slice"

ALL_ROWS = slice(None)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Fixed-width values, shape ``(n,)``; ``valid`` is None where every value is present."""

    values: NDArray[Any]
    valid: Mask | None = None

    def __len__(self) -> int:
        return len(self.values)

    def validity(self) -> Mask:
        """True where there is a value, shape ``(n,)``."""
        return np.ones(len(self.values), bool) if self.valid is None else self.valid

    def take(self, rows: Rows) -> Numbers:
        """The same column for some of its rows."""
        return Numbers(self.values[rows], None if self.valid is None else self.valid[rows])

    def to_arrow(self) -> pa.Array:
        """An Arrow array of the same type, missing values as nulls."""
        import pyarrow as pa

        return pa.array(self.values, mask=None if self.valid is None else ~self.valid)


class Texts:
    """Byte strings in an Arrow ``binary`` or ``large_binary`` array, missing values as nulls.

    Text is bytes here: captures hold whatever the kernel saw, and comparisons are by byte. A short column made from
    Python values becomes an array only when somebody wants one.
    """

    __slots__ = ("_array", "_values")

    def __init__(self, array: pa.Array) -> None:
        self._array = array
        self._values: list[bytes | None] | None = None

    @staticmethod
    def of(values: Iterable[bytes | None]) -> Texts:
        """A column from Python values, None for missing; for short columns, not for hot paths."""
        texts = Texts(None)
        texts._values = list(values)
        return texts

    @property
    def array(self) -> pa.Array:
        """The Arrow array."""
        if self._array is None:
            import pyarrow as pa

            self._array = pa.array(self._values, pa.binary())
        return self._array

    def __len__(self) -> int:
        return len(self._array) if self._values is None else len(self._values)

    def to_pylist(self) -> list[bytes | None]:
        """The values one by one, None for missing; for short columns."""
        values: list[bytes | None] = self._array.to_pylist() if self._values is None else self._values
        return values

    def validity(self) -> Mask:
        """True where there is a value, shape ``(n,)``."""
        if self._values is not None:
            return np.fromiter((value is not None for value in self._values), bool, len(self._values))
        if not self._array.null_count:
            return np.ones(len(self._array), bool)
        return np.asarray(self._array.is_valid().to_numpy(zero_copy_only=False))

    def take(self, rows: Rows) -> Texts:
        """The same column for some of its rows."""
        if isinstance(rows, slice):
            return self if rows == ALL_ROWS else Texts(self.array[rows])
        return Texts(self.array.take(rows))

    def to_arrow(self) -> pa.Array:
        """The Arrow array itself."""
        return self.array


@dataclass(frozen=True, slots=True)
class Coded:
    """Row ``i`` has the value ``values[codes[i]]``; a negative code is a missing value."""

    codes: NDArray[Any]
    values: Numbers | Texts

    def __len__(self) -> int:
        return len(self.codes)

    def validity(self) -> Mask:
        """True where there is a value, shape ``(n,)``."""
        present = self.codes >= 0
        if len(self.values) == 0:
            return np.zeros(len(self.codes), bool)
        return np.asarray(present & self.values.validity()[np.where(present, self.codes, 0)])

    def take(self, rows: Rows) -> Coded:
        """The same column for some of its rows."""
        return Coded(self.codes[rows], self.values)

    def spread(self, per_value: Mask) -> Mask:
        """Map a truth value per distinct value to one per row; missing rows are false."""
        holding = per_value & self.values.validity()
        hits = np.flatnonzero(holding)
        if not len(hits):
            return np.zeros(len(self), bool)
        if len(hits) == 1:  # comparing codes is several times faster than looking them up
            return np.asarray(self.codes == hits[0])
        lookup = np.append(holding, False)
        return np.asarray(lookup.take(self.codes, mode="wrap"))  # code -1 picks the last entry

    def to_arrow(self) -> pa.Array:
        """A plain Arrow array with one value per row."""
        return self.expand().to_arrow()

    def expand(self) -> Numbers | Texts:
        """One value per row, without codes."""
        import pyarrow as pa

        if isinstance(self.values, Numbers):
            if len(self.values) == 0:
                return Numbers(np.zeros(len(self.codes), self.values.values.dtype), np.zeros(len(self.codes), bool))
            safe = np.where(self.codes >= 0, self.codes, 0)
            return Numbers(self.values.values[safe], self.validity())
        missing = self.codes < 0
        indices = pa.array(self.codes, mask=missing if missing.any() else None)
        return Texts(self.values.array.take(indices))


class Deferred(Coded):
    """A coded column some of whose codes are dear to find, and often not needed.

    ``coarse`` has the cheap codes and -1 where the code is still unknown. ``late`` says of each value whether it may
    be an unknown one's; ``finish`` finds them all. A test that holds for no such value needs none of them.
    """

    __slots__ = ("_coarse", "_finish", "_found", "_late")
    _coarse: NDArray[Any]
    _finish: Callable[[], NDArray[Any]]
    _found: NDArray[Any] | None
    _late: Mask

    def __init__(
        self, coarse: NDArray[Any], values: Numbers | Texts, *, late: Mask, finish: Callable[[], NDArray[Any]]
    ) -> None:
        # The parent is frozen.
        parts = {"values": values, "_coarse": coarse, "_late": late, "_finish": finish, "_found": None}
        for name, value in parts.items():
            object.__setattr__(self, name, value)

    @property
    def codes(self) -> NDArray[Any]:
        """Every code, found on first use."""
        if self._found is None:
            object.__setattr__(self, "_found", self._finish())
        return self._found  # type: ignore[return-value]

    def __len__(self) -> int:
        return len(self._coarse)

    def spread(self, per_value: Mask) -> Mask:
        """Map a truth value per distinct value to one per row, without the late codes where they cannot matter."""
        if (per_value & self._late).any():
            return Coded(self.codes, self.values).spread(per_value)
        return Coded(self._coarse, self.values).spread(per_value)


@dataclass(frozen=True, slots=True)
class Lists:
    """Row ``i`` has the values ``values[offsets[i]:offsets[i + 1]]``; ``offsets`` has shape ``(n + 1,)``."""

    offsets: NDArray[np.int64]
    values: Numbers | Texts
    valid: Mask | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def validity(self) -> Mask:
        """True where there is a list, an empty one included, shape ``(n,)``."""
        return np.ones(len(self), bool) if self.valid is None else self.valid

    def take(self, rows: Rows) -> Lists:
        """The same column for some of its rows."""
        if isinstance(rows, slice) and rows == ALL_ROWS:
            return self
        index = np.arange(len(self))[rows]
        lengths = np.diff(self.offsets)[index]
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        elements = np.repeat(self.offsets[index] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Lists(offsets, self.values.take(elements), None if self.valid is None else self.valid[index])

    def to_arrow(self) -> pa.Array:
        """An Arrow list array."""
        import pyarrow as pa

        mask = None if self.valid is None else pa.array(~self.valid)
        return pa.LargeListArray.from_arrays(pa.array(self.offsets), self.values.to_arrow(), mask=mask)


Column: TypeAlias = Numbers | Texts | Coded | Lists


def coded_texts(codes: NDArray[Any], values: Sequence[bytes]) -> Coded:
    """A text column from codes and the few byte strings they stand for."""
    return Coded(codes, Texts.of(values))


def concatenated(array: pa.Array) -> memoryview:
    """The values of a ``binary`` or ``large_binary`` array one after the other, without copying; nulls are empty."""
    import pyarrow as pa

    width = np.int64 if array.type == pa.large_binary() else np.int32
    _, offsets, data = array.buffers()
    if data is None or not len(array):
        return memoryview(b"")
    bounds = np.frombuffer(offsets, width)[[array.offset, array.offset + len(array)]]
    return memoryview(data)[int(bounds[0]) : int(bounds[1])]


def scatter(column: Column, positions: NDArray[Any], count: int) -> Column:
    """A column of ``count`` rows: ``column`` at the given row numbers (distinct), missing everywhere else."""
    if len(column) == count and count and bool((positions == np.arange(count)).all()):
        return column
    if isinstance(column, Coded):
        codes = np.full(count, -1, column.codes.dtype if column.codes.dtype.kind == "i" else np.int64)
        codes[positions] = column.codes
        return Coded(codes, column.values)
    valid = np.zeros(count, bool)
    valid[positions] = column.validity()
    if isinstance(column, Numbers):
        values = np.zeros(count, column.values.dtype)
        values[positions] = column.values
        return Numbers(values, valid)
    if isinstance(column, Texts):
        source = np.zeros(count, np.int64)
        source[positions] = np.arange(len(column))
        return Texts(_taken(column.array, source, valid))
    lengths = np.zeros(count, np.int64)
    lengths[positions] = np.diff(column.offsets)
    order = np.argsort(positions, kind="stable")
    return Lists(np.concatenate(([0], np.cumsum(lengths))), column.take(order).values, valid)


def concat(columns: Sequence[Column]) -> Column:
    """Columns of one kind (numbers, texts or lists of one of them) below each other; at least one is needed.

    The result is coded where all of them are.
    """
    first = columns[0]
    if len(columns) == 1:
        return first
    coded = [column for column in columns if isinstance(column, Coded)]
    if len(coded) == len(columns):
        return _concat_coded(coded)
    plain = [column.expand() if isinstance(column, Coded) else column for column in columns]
    if all(isinstance(column, Texts) for column in plain):
        return Texts(_joined([column.to_arrow() for column in plain]))
    valid = None
    if any(getattr(column, "valid", None) is not None for column in plain):
        valid = np.concatenate([column.validity() for column in plain])
    if all(isinstance(column, Numbers) for column in plain):
        return Numbers(np.concatenate([column.values for column in plain if isinstance(column, Numbers)]), valid)
    lists = [column for column in plain if isinstance(column, Lists)]
    if len(lists) != len(plain):
        raise TypeError(f"columns of different kinds: {', '.join(type(column).__name__ for column in plain)}")
    trimmed = [column.take(np.arange(len(column))) for column in lists]
    lengths = np.concatenate([np.diff(column.offsets) for column in trimmed])
    values = concat([column.values for column in trimmed])
    return Lists(np.concatenate(([0], np.cumsum(lengths))), _values_of(values), valid)


def _concat_coded(columns: Sequence[Coded]) -> Coded:
    starts: dict[int, int] = {}
    values: list[Numbers | Texts] = []
    codes = []
    for column in columns:
        start = starts.get(id(column.values))
        if start is None:
            start = starts[id(column.values)] = sum(map(len, values))
            values.append(column.values)
        codes.append(
            column.codes if not start else np.where(column.codes < 0, -1, column.codes.astype(np.int64) + start)
        )
    return Coded(np.concatenate(codes), _values_of(concat(values)))


def where(condition: Mask, chosen: Column, other: Column) -> Column:
    """Row by row ``chosen`` where ``condition`` holds, ``other`` elsewhere; both of one kind and length."""
    if condition.all():
        return chosen
    if not condition.any():
        return other
    count = len(condition)
    if isinstance(chosen, Coded) and isinstance(other, Coded):
        both = _concat_coded([chosen, other])
        return Coded(np.where(condition, both.codes[:count], both.codes[count:]), both.values)
    rows = np.arange(count)
    rows[~condition] += count
    return concat([chosen, other]).take(rows)


def _taken(array: pa.Array, rows: NDArray[Any], valid: Mask) -> pa.Array:
    import pyarrow as pa

    return array.take(pa.array(rows, mask=None if valid.all() else ~valid))


def _joined(arrays: Sequence[pa.Array]) -> pa.Array:
    """Binary arrays below each other, ``large_binary`` where one of them is or the bytes would not fit."""
    import pyarrow as pa

    large = sum(array.nbytes for array in arrays) >= 2**31 or any(array.type == pa.large_binary() for array in arrays)
    return pa.concat_arrays([array.cast(pa.large_binary()) for array in arrays] if large else list(arrays))


def _values_of(column: Column) -> Numbers | Texts:
    if isinstance(column, Numbers | Texts):
        return column
    raise TypeError("lists of lists")
