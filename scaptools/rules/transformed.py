"""Transformed fields in outputs: ``%toupper(proc.name)`` as something a template can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scap_formats.types import ParamType, PrintFormat
from scaptools.errors import FilterError
from scaptools.filter import compile_filter
from scaptools.filter.plan import Existence, Frame
from scaptools.filter.transform import TRANSFORMERS

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows
    from scaptools.filter.plan import Value
    from scaptools.filter.resolver import FieldHandle, FieldResolver


@dataclass(frozen=True, slots=True)
class TransformedField:
    """What a transformer makes of fields; ``inner`` are those fields, which JSON shows instead."""

    name: str
    value: Value
    inner: tuple[FieldHandle, ...]
    format: PrintFormat = PrintFormat.DEC
    flags: frozenset[str] = frozenset()

    @property
    def type(self) -> ParamType:
        """The type of its values."""
        return self.value.type

    def column(self, batch: EventBatch, rows: Rows) -> Column:
        """The values of some events."""
        return Frame(batch, rows, frozenset()).column(self.value, None)


def transformed_at(text: str, position: int, fields: FieldResolver) -> tuple[Any, int] | None:
    """The transformer call at a place of a text, and where it ends; None where there is none.

    Raises FilterError where a call is there that cannot be made.
    """
    name, bracket, _ = text[position:].partition("(")
    if not bracket or name not in TRANSFORMERS:
        return None
    error: FilterError | None = None
    for end in _closings(text, position):
        call = text[position:end]
        try:
            compiled = compile_filter(f"{call} exists", fields)
        except FilterError as wrong:
            error = wrong
            continue
        if isinstance(compiled.plan, Existence):
            return TransformedField(call, compiled.plan.value, compiled.fields), end
    if error is not None:
        raise error
    return None


def _closings(text: str, position: int) -> list[int]:
    """Where the call may end, the farthest first: behind the bracket that closes it, or behind an argument."""
    depth, quote = 0, ""
    for index in range(position, len(text)):
        character = text[index]
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                behind = text.find("]", index) + 1 if text.startswith("[", index + 1) else 0
                return [behind, index + 1] if behind else [index + 1]
    return []
