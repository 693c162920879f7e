"""The plan of a filter: terms that know how to find the rows they hold for, cheapest first.

A term answers for positions of a `Frame`, which is one batch seen through the rows the caller asked about. ``and``
and ``or`` ask each further term only about the positions that are still undecided. Nothing here changes once it is
made; the classes are not frozen because every generated method costs start-up time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from scaptools.columns import ALL_ROWS, Coded, Column, Lists, Numbers, coded_texts
from scaptools.filter.compare import Predicate, matches
from scaptools.filter.kinds import KINDS, Kind, number_dtype
from scaptools.filter.pairs import compare_columns
from scaptools.filter.transform import interleaved

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scap_formats.types import ParamType
    from scaptools.columns import Mask, Rows
    from scaptools.filter.resolver import FieldHandle
    from scaptools.filter.transform import Transformer

#: Positions within a frame, ascending; None for every one.
Positions: TypeAlias = "NDArray[np.intp] | None"
#: The ordinal of the fields a term needs, then the costs of the operators.
Cost: TypeAlias = tuple[int, int]

_ORDINALS = ("header", "parameters", "state", "payload")


class Frame:
    """One batch, seen through some of its rows, with what is worth remembering while one filter runs over it.

    ``shared`` names the values and terms that occur more than once in the plan, by their text.
    """

    def __init__(self, batch: Any, rows: Rows, shared: frozenset[str]) -> None:
        self.batch = batch
        self.rows: Rows = rows
        self.size = len(batch)
        if isinstance(rows, slice):
            span = range(*rows.indices(self.size))
            self.size = len(span)
            if self.size != len(batch):
                self.rows = np.arange(span.start, span.stop, span.step)
            else:
                self.rows = ALL_ROWS
        else:
            self.size = len(rows)
        self._shared = shared
        self._columns: dict[str, _Remembered] = {}
        self._answers: dict[str, NDArray[np.int8]] = {}

    def absolute(self, positions: Positions) -> Rows:
        """Rows of the batch for positions of the frame."""
        if positions is None:
            return self.rows
        return positions if isinstance(self.rows, slice) else self.rows[positions]

    def count(self, positions: Positions) -> int:
        """How many positions those are."""
        return self.size if positions is None else len(positions)

    def column(self, value: Value, positions: Positions) -> Column:
        """The column of a value at some positions, computed once where the plan needs it several times."""
        if value.text not in self._shared:
            return value.column(self, positions)
        remembered = self._columns.get(value.text)
        found = None if remembered is None else remembered.at(positions)
        if found is None:
            found = value.column(self, positions)
            if remembered is None or self.count(positions) > len(remembered.column):
                self._columns[value.text] = _Remembered(self.size, positions, found)
        return found

    def answer(self, term: Term, positions: Positions) -> Mask:
        """The answer of a term at some positions, asked once per position where the plan holds it several times."""
        if term.text not in self._shared:
            return term.mask(self, positions)
        known = self._answers.setdefault(term.text, np.full(self.size, -1, np.int8))
        where = np.arange(self.size) if positions is None else positions
        unknown = where[known[where] < 0]
        if len(unknown):
            known[unknown] = term.mask(self, unknown)
        return np.asarray(known[where] == 1)


class _Remembered:
    """A column and the positions it was computed for."""

    def __init__(self, size: int, positions: Positions, column: Column) -> None:
        self.column = column
        self.places: NDArray[np.intp] | None = None
        if positions is not None:
            self.places = np.full(size, -1, np.intp)
            self.places[positions] = np.arange(len(positions))

    def at(self, positions: Positions) -> Column | None:
        """The column at ``positions``, None where it does not have them all."""
        if self.places is None:
            return self.column if positions is None else self.column.take(positions)
        places = self.places if positions is None else self.places[positions]
        return None if (places < 0).any() else self.column.take(places)


@dataclass(eq=False, repr=False)
class Value(ABC):
    """Something that has a value for each event; ``text`` is its filter text and identifies it."""

    text: str
    type: ParamType
    is_list: bool
    ordinal: int

    @abstractmethod
    def column(self, frame: Frame, positions: Positions) -> Column:
        """The values at some positions."""


@dataclass(eq=False, repr=False)
class FieldValue(Value):
    """The value of a field."""

    handle: FieldHandle

    def column(self, frame: Frame, positions: Positions) -> Column:
        """See `Value.column`."""
        column = self.handle.column(frame.batch, frame.absolute(positions))
        if KINDS[self.type] not in {Kind.NUMBER, Kind.BOOL}:
            return column
        return _of_width(column, number_dtype(self.type))


@dataclass(eq=False, repr=False)
class ConstantValue(Value):
    """The same text for every event, an argument of a transformer."""

    constant: bytes

    def column(self, frame: Frame, positions: Positions) -> Column:
        """See `Value.column`."""
        return coded_texts(np.zeros(frame.count(positions), np.int8), [self.constant])


@dataclass(eq=False, repr=False)
class GroupValue(Value):
    """Several values as a list of texts, an argument of a transformer."""

    items: tuple[Value, ...]

    def column(self, frame: Frame, positions: Positions) -> Column:
        """See `Value.column`."""
        columns = [frame.column(item, positions) for item in self.items]
        return interleaved(columns, frame.count(positions))


@dataclass(eq=False, repr=False)
class TransformedValue(Value):
    """What a transformer makes of other values."""

    transformer: Transformer
    arguments: tuple[Value, ...]
    argument: str | None

    def column(self, frame: Frame, positions: Positions) -> Column:
        """See `Value.column`."""
        columns = tuple(frame.column(value, positions) for value in self.arguments)
        return self.transformer.apply(columns, self.argument)


@dataclass(eq=False, repr=False)
class Term(ABC):
    """Something that is true or false for each event; ``text`` is its filter text and identifies it."""

    text: str
    cost: Cost

    @abstractmethod
    def mask(self, frame: Frame, positions: Positions) -> Mask:
        """The answer at some positions, an array of the caller's own."""

    def lines(self, depth: int = 0) -> list[str]:
        """The term for people, in the order of evaluation, indented by two blanks for each level."""
        ordinal = self.cost[0]
        name = _ORDINALS[ordinal] if 0 <= ordinal < len(_ORDINALS) else f"class {ordinal}"
        return [f"{'  ' * depth}{self.text}  [{name}]"]


@dataclass(eq=False, repr=False)
class Conjunction(Term):
    """Every term holds."""

    terms: tuple[Term, ...]

    def mask(self, frame: Frame, positions: Positions) -> Mask:
        """See `Term.mask`."""
        mask = frame.answer(self.terms[0], positions)
        for term in self.terms[1:]:
            open_ = np.flatnonzero(mask)
            if not len(open_):
                break
            mask[open_] = frame.answer(term, _within(positions, open_, len(mask)))
        return mask

    def lines(self, depth: int = 0) -> list[str]:
        """See `Term.lines`."""
        return _indented("all of", self.terms, depth)


@dataclass(eq=False, repr=False)
class Disjunction(Term):
    """Some term holds."""

    terms: tuple[Term, ...]

    def mask(self, frame: Frame, positions: Positions) -> Mask:
        """See `Term.mask`."""
        mask = frame.answer(self.terms[0], positions)
        for term in self.terms[1:]:
            open_ = np.flatnonzero(~mask)
            if not len(open_):
                break
            mask[open_] = frame.answer(term, _within(positions, open_, len(mask)))
        return mask

    def lines(self, depth: int = 0) -> list[str]:
        """See `Term.lines`."""
        return _indented("any of", self.terms, depth)


@dataclass(eq=False, repr=False)
class Negation(Term):
    """The term does not hold."""

    term: Term

    def mask(self, frame: Frame, positions: Positions) -> Mask:
        """See `Term.mask`."""
        return ~frame.answer(self.term, positions)

    def lines(self, depth: int = 0) -> list[str]:
        """See `Term.lines`."""
        return _indented("not", (self.term,), depth)


@dataclass(eq=False, repr=False)
class Existence(Term):
    """A value is there, an empty one included; ``nonempty`` counts a list without elements as missing."""

    value: Value
    nonempty: bool

    def mask(self, frame: Frame, positions: Positions) -> Mask:
        """See `Term.mask`."""
        column = frame.column(self.value, positions)
        mask = column.validity().copy()
        return mask & _occupied(column) if self.nonempty else mask


@dataclass(eq=False, repr=False)
class ConstantTest(Term):
    """A value answers predicates made from constants: at least ``least`` and at most ``most`` of them.

    In a list the value has to answer for some element, or with ``every`` for all; ``nonempty`` counts a list without
    elements as missing.
    """

    value: Value
    predicates: tuple[Predicate, ...]
    least: int
    most: int
    every: bool
    nonempty: bool

    def mask(self, frame: Frame, positions: Positions) -> Mask:
        """See `Term.mask`."""
        column = frame.column(self.value, positions)
        if len(self.predicates) == 1 and self.least == 1:
            mask = matches(self.predicates[0], column, every=self.every)
        else:
            counts = np.zeros(len(column), np.int64)
            for predicate in self.predicates:
                counts += matches(predicate, column, every=self.every)
            mask = (counts >= self.least) & (counts <= self.most) & column.validity()
        return mask & _occupied(column) if self.nonempty else mask


@dataclass(eq=False, repr=False)
class FieldTest(Term):
    """A value compared with another value of the same event."""

    operator: str
    kind: Kind
    left: Value
    right: Value

    def mask(self, frame: Frame, positions: Positions) -> Mask:
        """See `Term.mask`."""
        return compare_columns(
            self.operator, self.kind, frame.column(self.left, positions), frame.column(self.right, positions)
        )


def _of_width(column: Column, dtype: np.dtype[Any]) -> Column:
    """The column with numbers of a type's own width, so that constants wrapped to that width meet their equals."""
    match column:
        case Coded(values=Numbers(values=values, valid=valid)) if values.dtype != dtype:
            return Coded(column.codes, Numbers(values.astype(dtype), valid))
        case Lists(offsets=offsets, values=Numbers(values=values, valid=valid)) if values.dtype != dtype:
            return Lists(offsets, Numbers(values.astype(dtype), valid), column.valid)
        case Numbers(values=values, valid=valid) if values.dtype != dtype:
            return Numbers(values.astype(dtype), valid)
    return column


def _within(positions: Positions, chosen: NDArray[np.intp], count: int) -> Positions:
    """Positions of the frame for a choice among ``count`` positions."""
    if len(chosen) == count:
        return positions
    return chosen if positions is None else positions[chosen]


def _occupied(column: Column) -> Mask:
    return np.diff(column.offsets) > 0 if isinstance(column, Lists) else np.ones(len(column), bool)


def _indented(head: str, terms: tuple[Term, ...], depth: int) -> list[str]:
    return [f"{'  ' * depth}{head}", *(line for term in terms for line in term.lines(depth + 1))]
