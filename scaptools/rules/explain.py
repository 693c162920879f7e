"""Explanations: for one event, the truth of every part of a rule's condition and the values it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scaptools.columns import Lists
from scaptools.filter.ast import And, Check, Field, Not, Or
from scaptools.filter.check import Checker
from scaptools.filter.plan import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.capture.batch import EventBatch
    from scaptools.filter.ast import Expression
    from scaptools.rules.compiler import CompiledRule
    from scaptools.rules.sources import EventSources, SourceFields

_MARKS = {True: "yes", False: "no "}
_LONGEST_VALUE = 200


@dataclass(frozen=True, slots=True)
class Explanation:
    """A part of a condition: its text, whether it holds, the values of its fields, and the parts below it."""

    text: str
    truth: bool
    values: dict[str, Any]
    parts: tuple[Explanation, ...] = ()

    def lines(self, depth: int = 0) -> Iterator[str]:
        """The part and all below it, one line each, indented by depth."""
        shown = ", ".join(f"{name} is {_shown(value)}" for name, value in self.values.items())
        yield f"{_MARKS[self.truth]} {'  ' * depth}{self.text}{f'   [{shown}]' if shown else ''}"
        for part in self.parts:
            yield from part.lines(depth + 1)

    def to_json(self) -> dict[str, Any]:
        """The same as an object."""
        return {
            "condition": self.text,
            "true": self.truth,
            "values": self.values,
            "parts": [part.to_json() for part in self.parts],
        }


def explain(rule: CompiledRule, sources: EventSources, batch: EventBatch, row: int) -> Explanation:
    """The explanation of a rule's condition for the event of one row."""
    return _explained(rule.condition.expression, sources.fields(rule.source), batch, row)


def _explained(condition: Expression, fields: SourceFields, batch: EventBatch, row: int) -> Explanation:
    checker = Checker(str(condition), fields)
    plan = checker.term(condition)
    truth = bool(plan.mask(Frame(batch, np.array([row], np.intp), frozenset()), None)[0])
    match condition:
        case And(terms=terms) | Or(terms=terms):
            head = "all of" if isinstance(condition, And) else "any of"
            return Explanation(head, truth, {}, tuple(_explained(term, fields, batch, row) for term in terms))
        case Not(term=term):
            return Explanation("not", truth, {}, (_explained(term, fields, batch, row),))
        case Check():
            names = {str(node): node for node in condition.walk() if isinstance(node, Field)}
            values = {text: _value(node, fields, batch, row) for text, node in names.items()}
            return Explanation(str(condition), truth, values)
    return Explanation(str(condition), truth, {})


def _value(node: Field, fields: SourceFields, batch: EventBatch, row: int) -> Any:
    column = fields.resolve(node.name, node.argument).column(batch, np.array([row], np.intp))
    value = column.to_arrow()[0].as_py()
    if isinstance(column, Lists) and value is not None:
        return [_text(item) for item in value]
    return _text(value)


def _text(value: Any) -> Any:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _shown(value: Any) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
