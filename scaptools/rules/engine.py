"""The engine: a rule set over batches of events, whatever conditions have in common asked once per batch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.header import DumpFlag
from scap_formats.table import event_table
from scap_formats.types import Direction
from scaptools.capture.conversion import convert_batches
from scaptools.fields.inorder import needs_with_plugins, with_plugins
from scaptools.fields.model import BoundField
from scaptools.fields.needs import needs_of, with_state
from scaptools.filter.check import shared_texts
from scaptools.filter.plan import Disjunction, Frame
from scaptools.filter.presearch import searched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows
    from scaptools.filter.plan import Positions
    from scaptools.filter.presearch import Searched
    from scaptools.rules.compiler import CompiledRule
    from scaptools.rules.sources import EventSources


class Matching(Enum):
    """How many rules an event can set off: the first that matches, or all of them."""

    FIRST = "first"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Matches:
    """Which events of a batch set off which rules: rows and indices of rules, both of shape ``(n,)``.

    Ordered by row, then by the order in which rules are tried.
    """

    rows: NDArray[np.intp]
    rules: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.rows)

    def portions(self, size: int) -> Iterator[Matches]:
        """The same matches, at most ``size`` at a time."""
        for start in range(0, len(self), size):
            yield Matches(self.rows[start : start + size], self.rules[start : start + size])

    def of_rule(self, index: int) -> NDArray[np.intp]:
        """The places of one rule's matches, ascending."""
        return np.flatnonzero(self.rules == index)


@dataclass(frozen=True, slots=True)
class _SourceRules:
    """The rules of one event source: their indices, and the terms more than one of their conditions has.

    ``search`` finds events none of them can match, by what all of them need, where that can be searched for.
    """

    indices: tuple[int, ...]
    shared: frozenset[str]
    search: Searched | None

    def candidates(self, frame: Frame) -> Positions:
        """The positions rules are to be tried for."""
        return None if self.search is None else np.flatnonzero(self.search.mask(frame, None))


@dataclass(slots=True)
class Tally:
    """What a run found so far: events looked at, and alerts by rule name and event source."""

    events: int = 0
    alerts: Counter[str] = field(default_factory=Counter)

    def note(self, engine: RuleEngine, matches: Matches) -> None:
        """Count the alerts of a batch."""
        for index, count in enumerate(np.bincount(matches.rules, minlength=len(engine.rules)).tolist()):
            if count:
                self.alerts[engine.rules[index].name] += count


class RuleEngine:
    """Evaluates rules, in the order given, over batches.

    Events are those current Falco sees: in the newest schema, without the enter events of system calls. With
    ``raw_events`` they are taken as recorded.
    """

    def __init__(
        self,
        rules: Iterable[CompiledRule],
        sources: EventSources,
        *,
        matching: Matching = Matching.FIRST,
        raw_events: bool = False,
    ) -> None:
        self.rules = tuple(rules)
        self.sources = sources
        self.matching = matching
        self.raw_events = raw_events
        self._by_source = {
            source: self._of_source(source) for source in dict.fromkeys(rule.source for rule in self.rules)
        }

    def _of_source(self, source: str) -> _SourceRules:
        indices = tuple(index for index, rule in enumerate(self.rules) if rule.source == source)
        plans = tuple(self.rules[index].condition.plan for index in indices)
        return _SourceRules(indices, shared_texts(Disjunction("", (0, 0), plans)), searched(plans))

    def fields(self) -> list[BoundField]:
        """The fields that conditions and outputs ask for."""
        found: list[BoundField] = []
        for rule in self.rules:
            found += [handle for handle in rule.condition.fields if isinstance(handle, BoundField)]
            found += rule.output.bound_fields()
        return found

    def prepared(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        """The batches of a capture as rules see them, with the state their fields need."""
        seen: Iterable[EventBatch] = batches if self.raw_events else convert_batches(batches)
        fields, host = self.fields(), self.sources.catalog.given_plugins
        return with_plugins(with_state(seen, needs_with_plugins(host, needs_of(fields))), host, fields)

    def matches(self, batch: EventBatch) -> Matches:
        """The rules the events of a batch set off; events kept only for the state set off none."""
        rows: list[NDArray[np.intp]] = []
        rules: list[NDArray[np.intp]] = []
        for source, own in self.sources.rows(batch).items():
            if source not in self._by_source:
                continue
            chosen = self._by_source[source]
            frame = Frame(batch, self._seen(batch, own), chosen.shared)
            for index, found in self._found(frame, chosen):
                rows.append(np.asarray(frame.absolute(found), np.intp))
                rules.append(np.full(len(found), index, np.intp))
        if not rows:
            return Matches(np.zeros(0, np.intp), np.zeros(0, np.intp))
        all_rows, all_rules = np.concatenate(rows), np.concatenate(rules)
        order = np.lexsort((all_rules, all_rows))
        return Matches(all_rows[order], all_rules[order])

    def _found(self, frame: Frame, chosen: _SourceRules) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """The indices of rules with the positions in a frame where they match."""
        open_ = chosen.candidates(frame)
        for index in chosen.indices:
            if not frame.count(open_):
                return
            mask = frame.answer(self.rules[index].condition.plan, open_)
            hits = np.flatnonzero(mask)
            if not len(hits):
                continue
            yield index, hits if open_ is None else open_[hits]
            if self.matching is Matching.FIRST:
                left = np.flatnonzero(~mask)
                open_ = left if open_ is None else open_[left]

    def _seen(self, batch: EventBatch, rows: Rows) -> Rows:
        """Those of some rows that rules look at."""
        flags = batch.dump_flags(rows)
        hidden = np.zeros(0, bool) if flags is None else np.asarray(flags & DumpFlag.STATE_ONLY != 0)
        if not self.raw_events and not _enter_types().isdisjoint(batch.types_present()):
            enters = np.isin(batch.header("type", rows), list(_enter_types()))
            hidden = enters if flags is None else hidden | enters
        return np.arange(len(batch))[rows][~hidden] if hidden.any() else rows


@cache
def _enter_types() -> frozenset[int]:
    """The types of events that begin a system call and have one that ends it."""
    return frozenset(
        enter.id
        for enter, leave in pairwise(event_table().events)
        if (enter.direction, leave.direction) == (Direction.ENTER, Direction.EXIT) and enter.name == leave.name
    )
