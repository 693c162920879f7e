"""In order: several plugins over the same events, one event after the other.

Plugins that parse events keep state, and what they or others extract depends on it: so each event is first parsed by
all parsers, in the order in which they were loaded, then extracted from, and only then comes the next. Before it, the
host's own table of threads is brought to what it was at the event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scaptools.plugins.shared.extraction import Extracted, FieldRequest, asker, field_of, gathered
from scaptools.plugins.shared.services import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scaptools.plugins.shared.calls import Calls
    from scaptools.plugins.shared.payloads import WholeEvents
    from scaptools.plugins.shared.tables import Change


@dataclass(frozen=True, slots=True)
class Turn:
    """What one plugin does at every event: parse those of ``parses``, extract fields from those of ``extracts``."""

    parses: NDArray[np.bool_]
    extracts: NDArray[np.bool_]
    requests: tuple[FieldRequest, ...] = ()


def run_in_order(
    members: Sequence[Calls], turns: Sequence[Turn], events: WholeEvents, changes: Sequence[Change]
) -> list[list[Extracted]]:
    """Have plugins take their turns at every event; the fields of each, in the order asked for.

    ``changes`` of the host's tables are in order; those at position 2r are in place at row r. Raises PluginError.
    """
    inputs = members[0].whole_inputs(events)
    parsers = [
        (turn.parses.tolist(), member.parser())
        for member, turn in zip(members, turns, strict=True)
        if turn.parses.any()
    ]
    answers = [
        [_Answers.of(member, request, len(events)) for request in turn.requests]
        for member, turn in zip(members, turns, strict=True)
    ]
    asked = [(turn.extracts.tolist(), one) for turn, some in zip(turns, answers, strict=True) for one in some]
    at = 0
    for row, event in enumerate(members[0].pointers(inputs, slice(None))):
        while at < len(changes) and changes[at].position <= 2 * row:
            SYSTEM.apply(changes[at])
            at += 1
        for taken, parse in parsers:
            if taken[row]:
                parse(event)
        for taken, answer in asked:
            if taken[row]:
                answer.counts[row] = answer.ask(event)
    for change in changes[at:]:
        SYSTEM.apply(change)
    return [[one.extracted() for one in some] for some in answers]


@dataclass(slots=True)
class _Answers:
    """What a plugin answers about one field."""

    request: FieldRequest
    kept: Any
    counts: NDArray[np.uint32]
    values: list[Any]
    ask: Any

    @staticmethod
    def of(calls: Calls, request: FieldRequest, count: int) -> _Answers:
        """Nothing yet, for so many events."""
        field, kept = field_of(calls, request)
        values: list[Any] = []
        ask = asker(calls, request, field, values)
        return _Answers(request, (field, kept), np.zeros(count, np.uint32), values, ask)

    def extracted(self) -> Extracted:
        """All of it as arrays."""
        return gathered(self.request.type, self.counts, self.values)
