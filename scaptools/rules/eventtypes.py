"""Event types: which types of events a condition leaves, as far as its comparisons of ``evt.type`` tell."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from scap_formats.table import event_table, syscall_table
from scaptools.filter.ast import And, Check, Field, Literal, Literals, Not, Or

if TYPE_CHECKING:
    from scaptools.filter.ast import Expression

_FIELD = Field("evt.type")
#: Operators that name the types they let pass.
_EQUALITIES = frozenset({"=", "in"})
_GENERIC = "syscall"


@cache
def all_types() -> frozenset[int]:
    """The numbers of all event types."""
    return frozenset(event.id for event in event_table().events)


def remaining_types(condition: Expression) -> frozenset[int]:
    """The types of events for which a condition can be true; terms on anything else restrict nothing."""
    return _types(condition, negated=False)


def _types(condition: Expression, *, negated: bool) -> frozenset[int]:
    match condition:
        case And(terms=terms) | Or(terms=terms):
            parts = [_types(term, negated=negated) for term in terms]
            either = isinstance(condition, Or) != negated
            return frozenset.union(*parts) if either else frozenset.intersection(*parts)
        case Not(term=term):
            return _types(term, negated=not negated)
        case Check(subject=subject, operator=operator, operand=operand, modifier=None) if subject == _FIELD:
            if operator in {*_EQUALITIES, "!="}:
                literals = operand.items if isinstance(operand, Literals) else (operand,)
                named = [_named(literal.text) for literal in literals if isinstance(literal, Literal)]
                found = frozenset[int]().union(*named)
                return found if (operator in _EQUALITIES) != negated else all_types() - found
    return all_types()


@cache
def _named(name: str) -> frozenset[int]:
    events = event_table().by_name(name)
    if not events and syscall_table().find_code(name) is not None:
        events = event_table().by_name(_GENERIC)
    return frozenset(event.id for event in events)
