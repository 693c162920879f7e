"""Searching first: where a filter needs some text in a value, the raw data is searched before values are read from it.

A search may find too much, never too little; whoever narrows a filter by it still asks the filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from scaptools.filter.plan import Conjunction, ConstantTest, Disjunction, FieldValue, Term

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scaptools.columns import Mask, Rows
    from scaptools.filter.plan import Frame, Positions

#: Most byte strings searched for at a time, and the most bytes they may have together.
_MAX_MARKS = 256
_MAX_BYTES = 8192


class Finder(Protocol):
    """Tells which rows of a batch may hold one of some byte strings in their raw data."""

    def __call__(self, batch: Any, rows: Rows, marks: frozenset[bytes]) -> Mask:
        """True for every row that holds one, and possibly for others; shape of ``rows``."""


class Presearch(Protocol):
    """How the raw data behind a field can be searched; fields with the same data share ``finder``."""

    @property
    def finder(self) -> Finder:
        """What searches."""

    def marks(self, text: bytes) -> frozenset[bytes] | None:
        """What the data must hold one of for the field's value to contain a text; None where nothing can be said."""


#: By finder what has to be found, one of them at least.
Wanted: TypeAlias = "Mapping[Finder, frozenset[bytes]]"


@dataclass(eq=False, repr=False)
class Searched(Term):
    """The rows in which a search finds something."""

    wanted: Wanted

    def mask(self, frame: Frame, positions: Positions) -> Mask:
        """See `Term.mask`."""
        rows, found = frame.absolute(positions), np.zeros(frame.count(positions), bool)
        for finder, marks in self.wanted.items():
            found |= finder(frame.batch, rows, marks)
        return found


def searched(plans: Iterable[Term]) -> Searched | None:
    """A term that holds wherever one of some plans does; None where searching cannot tell."""
    known = tuple(plans)
    wanted = _joined(map(_wanted, known))
    if not wanted or not _within_limits(wanted):
        return None
    marks = sorted(frozenset[bytes]().union(*wanted.values()))
    text = f"raw data has one of {', '.join(mark.decode('utf-8', 'backslashreplace') for mark in marks)}"
    return Searched(text, (min(plan.cost[0] for plan in known), -1), wanted)


def with_search(plan: Term) -> Term:
    """The plan with a search, where one helps, in front of the terms that would read the same data."""
    search = searched([plan])
    if search is None:
        return plan
    parts = plan.terms if isinstance(plan, Conjunction) else (plan,)
    searching = next(part.cost[0] for part in parts if _wanted(part) is not None)
    place = sum(part.cost[0] < searching for part in parts)
    return Conjunction(plan.text, plan.cost, (*parts[:place], search, *parts[place:]))


def _wanted(term: Term) -> Wanted | None:
    match term:
        case Conjunction(terms=terms):
            # the first of those with the fewest byte strings: what people write first is usually what is rare
            found = [wanted for wanted in map(_wanted, terms) if wanted is not None]
            return min(found, key=lambda wanted: sum(map(len, wanted.values())), default=None)
        case Disjunction(terms=terms):
            return _joined(map(_wanted, terms))
        case ConstantTest(value=FieldValue(handle=handle, is_list=False)) if handle.presearch is not None:
            # as ``least`` of them hold, one of so many does
            enough = term.predicates[: len(term.predicates) - term.least + 1]
            texts = [predicate.texts() for predicate in enough]
            return _joined(
                {handle.presearch.finder: marks} if (marks := handle.presearch.marks(text)) is not None else None
                for some in texts
                for text in some
            )
    return None


def _joined(parts: Iterable[Wanted | None]) -> Wanted | None:
    joined: dict[Finder, frozenset[bytes]] = {}
    for part in parts:
        if part is None:
            return None
        for finder, marks in part.items():
            joined[finder] = joined.get(finder, frozenset()) | marks
    return joined


def _within_limits(wanted: Wanted) -> bool:
    marks = [mark for part in wanted.values() for mark in part]
    return len(marks) <= _MAX_MARKS and sum(map(len, marks)) <= _MAX_BYTES
