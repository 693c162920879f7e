"""The operators: one table with name, grammar, the kinds of values each compares, and how.

Adding an operator is adding a row. The parser takes names and shapes from here, the checker kinds and constants, the
evaluation predicates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from scaptools.filter.addresses import InNetworks, OutsideNetwork
from scaptools.filter.compare import (
    RELATIONS,
    NumberPredicate,
    NumberRelation,
    NumberSet,
    Predicate,
    TextRelation,
    TextSet,
)
from scaptools.filter.kinds import Kind
from scaptools.filter.texts import (
    Contains,
    ContainsFolded,
    EndsWith,
    GlobMatch,
    PathPrefixes,
    RegexMatch,
    StartsWith,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scaptools.columns import Mask


class Shape(Enum):
    """What the grammar wants after an operator."""

    UNARY = "nothing"
    NUMBER = "a number or a field"
    TEXT = "a text, a field, or a modifier with a list"
    LIST = "a list or a field"


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    ``predicates`` maps each kind it compares to the predicate's constructor, which takes the constant, or the tuple
    of constants for the shape LIST. ``cost`` orders terms whose fields cost the same.
    """

    name: str
    shape: Shape
    predicates: Mapping[Kind, Callable[[Any], Predicate]] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    cost: int = 0
    #: Whether a field may stand on the right.
    takes_fields: bool = True
    #: Whether constants for it are bytes written in hexadecimal.
    hexadecimal: bool = False

    @property
    def for_lists(self) -> bool:
        """Whether it applies to fields whose value is a list."""
        return self.name in {"in", "intersects", "exists"}


def _relation(name: str) -> dict[Kind, Callable[[Any], Predicate]]:
    number, text = partial(NumberRelation, RELATIONS[name]), partial(TextRelation, RELATIONS[name])
    ordered: dict[Kind, Callable[[Any], Predicate]] = {Kind.NUMBER: number, Kind.TEXT: text}
    equal: dict[Kind, Callable[[Any], Predicate]] = {Kind.BOOL: number, Kind.BUFFER: text, Kind.ADDRESS: text}
    return ordered | equal if name in {"=", "!="} else ordered


def _inside(network: Any) -> Predicate:
    return InNetworks((network,))


_EQUAL = _relation("=") | {Kind.NETWORK: _inside}
_MEMBER: dict[Kind, Callable[[Any], Predicate]] = {
    Kind.NUMBER: NumberSet,
    Kind.BOOL: NumberSet,
    Kind.TEXT: TextSet,
    Kind.BUFFER: TextSet,
    Kind.ADDRESS: TextSet,
    Kind.NETWORK: InNetworks,
}
_TEXT = (Kind.TEXT,)
_BYTES = (Kind.BUFFER,)
_BOTH = (Kind.TEXT, Kind.BUFFER)

OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        operator.name: operator
        for operator in (
            Operator("exists", Shape.UNARY),
            Operator("<=", Shape.NUMBER, _relation("<=")),
            Operator("<", Shape.NUMBER, _relation("<")),
            Operator(">=", Shape.NUMBER, _relation(">=")),
            Operator(">", Shape.NUMBER, _relation(">")),
            Operator("=", Shape.TEXT, _EQUAL, aliases=("==",)),
            Operator("!=", Shape.TEXT, _relation("!=") | {Kind.NETWORK: OutsideNetwork}),
            Operator("glob", Shape.TEXT, dict.fromkeys(_TEXT, GlobMatch), cost=3),
            Operator("iglob", Shape.TEXT, dict.fromkeys(_TEXT, partial(GlobMatch, folded=True)), cost=3),
            Operator("contains", Shape.TEXT, dict.fromkeys(_BOTH, Contains), cost=2),
            Operator("icontains", Shape.TEXT, dict.fromkeys(_TEXT, ContainsFolded), cost=2),
            Operator("bcontains", Shape.TEXT, dict.fromkeys(_BYTES, Contains), cost=2, hexadecimal=True),
            Operator("startswith", Shape.TEXT, dict.fromkeys(_BOTH, StartsWith), cost=1),
            Operator("bstartswith", Shape.TEXT, dict.fromkeys(_BYTES, StartsWith), cost=1, hexadecimal=True),
            Operator("endswith", Shape.TEXT, dict.fromkeys(_BOTH, EndsWith), cost=1),
            Operator("regex", Shape.TEXT, dict.fromkeys(_TEXT, RegexMatch), cost=3, takes_fields=False),
            Operator("intersects", Shape.LIST, _MEMBER, cost=1),
            Operator("in", Shape.LIST, _MEMBER, cost=1),
            Operator("pmatch", Shape.LIST, dict.fromkeys(_TEXT, PathPrefixes), cost=3, takes_fields=False),
        )
    }
)


class Within(NumberPredicate):
    """A distance in ns is at most so many ms."""

    def __init__(self, milliseconds: int) -> None:
        self.nanoseconds = milliseconds * 1_000_000

    def many(self, values: Any) -> Mask:
        """See `NumberPredicate.many`."""
        return np.asarray(values <= self.nanoseconds)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a field with its own comparison differs from an ordinary one.

    Its column may be `scaptools.columns.Lists` although its type is no list: the operator then asks each value, and
    has to hold for some of them, or for every one with an operator in ``every``. A row without values is missing.
    """

    every: frozenset[str] = frozenset()
    #: Predicates that replace the usual ones; the only operators allowed where given.
    only: Mapping[str, Callable[[Any], Predicate]] | None = None
    modifiers: bool = True


COMPARISONS: Mapping[str | None, Comparison] = MappingProxyType(
    {
        None: Comparison(),
        # the ends of a connection: different from a constant means that neither end equals it
        "either_end": Comparison(every=frozenset({"!="})),
        # proper ancestors, nearest first: different means that some ancestor differs
        "any": Comparison(),
        # distances in ns, asked for at most so many ms
        "within": Comparison(only=MappingProxyType({"=": Within}), modifiers=False),
    }
)
