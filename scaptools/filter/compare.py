"""Predicates: a question about one value, answered for whole columns.

A predicate has one meaning and up to two forms: `Predicate.one` answers for a single value in plain Python and serves
columns with few distinct values, `Predicate.many` answers for an array at once. Missing values answer False whatever
the question.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from scaptools.columns import Coded, Column, Lists, Numbers, Texts
from scaptools.filter.arrow import array_like, kernels, mask_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from scaptools.columns import Mask

#: Up to this many distinct texts are compared without Arrow.
FEW_VALUES = 4096


@dataclass(frozen=True, slots=True)
class Relation:
    """An order relation for one value, for numpy arrays and as the name of Arrow's kernel."""

    one: Callable[[Any, Any], bool]
    numeric: np.ufunc
    kernel: str


RELATIONS: Mapping[str, Relation] = MappingProxyType(
    {
        "=": Relation(operator.eq, np.equal, "equal"),
        "!=": Relation(operator.ne, np.not_equal, "not_equal"),
        "<": Relation(operator.lt, np.less, "less"),
        "<=": Relation(operator.le, np.less_equal, "less_equal"),
        ">": Relation(operator.gt, np.greater, "greater"),
        ">=": Relation(operator.ge, np.greater_equal, "greater_equal"),
    }
)


class Predicate(ABC):
    """A question about one value."""

    #: The table of values asked about last, which all batches may share, and the answers.
    _latest: tuple[Numbers | Texts, Mask] | None = None

    def answers(self, values: Numbers | Texts, *, few: bool) -> Mask:
        """The same as `holds`, for a table of values that codes refer to; not to be written to."""
        if self._latest is None or self._latest[0] is not values:
            self._latest = values, self.holds(values, few=few)
        return self._latest[1]

    @abstractmethod
    def holds(self, column: Numbers | Texts, *, few: bool = False) -> Mask:
        """The answer for every value, shape ``(n,)``; ``few`` promises that plain Python is fast enough."""

    def texts(self) -> tuple[bytes, ...]:
        """Texts one of which every value it holds for contains, the empty one where there are no others."""
        return (b"",)


class NumberPredicate(Predicate):
    """A question about a number; numpy needs no second form."""

    @abstractmethod
    def many(self, values: Any) -> Mask:
        """The answer for an array of numbers."""

    def holds(self, column: Numbers | Texts, *, few: bool = False) -> Mask:
        """See `Predicate.holds`."""
        del few
        if isinstance(column, Texts):
            raise TypeError("a numeric comparison met a column of texts")
        mask = self.many(column.values)
        return mask if column.valid is None else mask & column.valid


class TextPredicate(Predicate):
    """A question about a byte string."""

    @abstractmethod
    def one(self, value: bytes) -> bool:
        """The answer for one value."""

    @abstractmethod
    def many(self, array: pa.Array) -> Mask:
        """The answer for a ``binary`` or ``large_binary`` array; nulls answer False."""

    def holds(self, column: Numbers | Texts, *, few: bool = False) -> Mask:
        """See `Predicate.holds`."""
        if isinstance(column, Numbers):
            raise TypeError("a text comparison met a column of numbers")
        if not few:
            return self.many(column.array)
        answers = (value is not None and self.one(value) for value in column.to_pylist())
        return np.fromiter(answers, bool, len(column))


class NumberRelation(NumberPredicate):
    """Compared with a constant."""

    def __init__(self, relation: Relation, constant: int | float) -> None:
        self.relation = relation
        self.constant = constant

    def many(self, values: Any) -> Mask:
        """See `NumberPredicate.many`."""
        return np.asarray(self.relation.numeric(values, self.constant))


class NumberSet(NumberPredicate):
    """Equal to one of the constants."""

    def __init__(self, constants: tuple[int | float, ...]) -> None:
        self.constants = sorted(set(constants))

    def many(self, values: Any) -> Mask:
        """See `NumberPredicate.many`."""
        if len(self.constants) == 1:
            return np.asarray(values == self.constants[0])
        return np.isin(values, np.array(self.constants, values.dtype))


class TextRelation(TextPredicate):
    """Compared with a constant, by unsigned bytes."""

    def __init__(self, relation: Relation, constant: bytes) -> None:
        self.relation = relation
        self.constant = constant

    def texts(self) -> tuple[bytes, ...]:
        """See `Predicate.texts`."""
        return (self.constant,) if self.relation is RELATIONS["="] else super().texts()

    def one(self, value: bytes) -> bool:
        """See `TextPredicate.one`."""
        return self.relation.one(value, self.constant)

    def many(self, array: pa.Array) -> Mask:
        """See `TextPredicate.many`."""
        constant = array_like([self.constant], array)[0]
        return mask_of(getattr(kernels(), self.relation.kernel)(array, constant))


class TextSet(TextPredicate):
    """Equal to one of the constants."""

    def __init__(self, constants: tuple[bytes, ...]) -> None:
        self.constants = frozenset(constants)

    def texts(self) -> tuple[bytes, ...]:
        """See `Predicate.texts`."""
        return tuple(sorted(self.constants))

    def one(self, value: bytes) -> bool:
        """See `TextPredicate.one`."""
        return value in self.constants

    def many(self, array: pa.Array) -> Mask:
        """See `TextPredicate.many`."""
        return mask_of(kernels().is_in(array, value_set=array_like(sorted(self.constants), array)))


def matches(predicate: Predicate, column: Column, *, every: bool = False) -> Mask:
    """Where the predicate holds, shape ``(len(column),)``.

    In a list column it must hold for some value, or with ``every`` for all of them, vacuously for an empty list.
    """
    if isinstance(column, Coded):
        few = len(column.values) < FEW_VALUES
        if not few and len(column) < len(column.values):
            return predicate.holds(column.expand())
        return column.spread(predicate.answers(column.values, few=few))
    if isinstance(column, Lists):
        return gather(predicate.holds(column.values), column, every=every)
    return predicate.holds(column)


def gather(per_element: Mask, column: Lists, *, every: bool) -> Mask:
    """An answer per element as one per list; False where there is no list."""
    totals = np.concatenate(([0], np.cumsum(per_element)))
    counts = totals[column.offsets[1:]] - totals[column.offsets[:-1]]
    mask = counts == np.diff(column.offsets) if every else counts > 0
    return np.asarray(mask if column.valid is None else mask & column.valid)
