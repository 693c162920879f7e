"""A field layer of literal columns: what the filter language sees of fields, and nothing more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from scap_formats.types import ParamType
from scaptools.columns import Column, Lists, Numbers, Texts
from scaptools.errors import FormatError, UnknownFieldError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NUMERIC_DTYPES = {ParamType.BOOL: np.uint32, ParamType.DOUBLE: np.float64}


@dataclass
class FakeField:
    """A field whose column for the whole batch is given; ``asked`` collects the rows of every request."""

    name: str
    type: ParamType
    whole: Column
    is_list: bool = False
    flags: frozenset[str] = frozenset()
    ordinal: int = 0
    comparison: str | None = None
    presearch: None = None
    constants: frozenset[str] | None = None
    asked: list[Any] = field(default_factory=list)

    def column(self, batch: Any, rows: Any) -> Column:
        assert len(batch) == len(self.whole)
        self.asked.append(rows)
        return self.whole.take(rows)


class FakeResolver:
    """Finds fields by their text, arguments included."""

    def __init__(self, fields: Sequence[FakeField]) -> None:
        self.fields = {field.name: field for field in fields}

    def resolve(self, name: str, argument: str | None) -> FakeField:
        text = name if argument is None else f"{name}[{argument}]"
        if text in self.fields:
            return self.fields[text]
        if argument is not None and name in self.fields:
            raise FormatError(f"{argument} is not a valid argument of {name}")
        raise UnknownFieldError(name, suggestions=tuple(sorted(self.fields)[:1]))

    def known_value(self, handle: Any, text: str) -> str | None:
        if handle.constants is None or text in handle.constants:
            return None
        return f"unknown event type {text}"


def numbers(type_: ParamType, values: Sequence[Any]) -> Numbers:
    dtype = NUMERIC_DTYPES.get(type_) or np.dtype(f"{'i' if type_.signed else 'u'}{type_.size}")
    valid = np.array([value is not None for value in values], bool)
    filled = np.array([0 if value is None else value for value in values], dtype)
    return Numbers(filled, None if valid.all() else valid)


def elements(type_: ParamType, values: Sequence[Any]) -> Numbers | Texts:
    if type_.size is None or type_ in {ParamType.IPV4ADDR, ParamType.IPV6ADDR}:
        return Texts.of([value.encode() if isinstance(value, str) else value for value in values])
    return numbers(type_, values)


def lists(type_: ParamType, values: Sequence[Sequence[Any] | None]) -> Lists:
    flat = [element for row in values for element in row or ()]
    offsets = np.cumsum([0, *(len(row or ()) for row in values)]).astype(np.int64)
    return Lists(offsets, elements(type_, flat), np.array([row is not None for row in values], bool))


@pytest.fixture(scope="session")
def make_field() -> Callable[..., FakeField]:
    """``make_field(name, type, values, **attributes)``: a list among the values makes a list column."""

    def make(name: str, type_: ParamType, values: Sequence[Any], **attributes: Any) -> FakeField:
        listed = attributes.get("is_list", False) or any(isinstance(value, list | tuple) for value in values)
        column = lists(type_, values) if listed else elements(type_, values)
        return FakeField(name, type_, column, **attributes)

    return make


@pytest.fixture(scope="session")
def make_resolver() -> Callable[[Sequence[FakeField]], FakeResolver]:
    return FakeResolver


@pytest.fixture(scope="session")
def handle_class() -> type[FakeField]:
    return FakeField
