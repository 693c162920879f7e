"""Events without a capture: a batch that only has timestamps, and fields that are literal columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from scap_formats.types import FIXED_SIZES, ParamType, PrintFormat
from scaptools.columns import Coded, Column, Lists, Numbers, Rows, Texts
from scaptools.fields.model import Field, FieldArgument
from scaptools.fields.registry import FieldRegistry

OTHER_DTYPES = {ParamType.BOOL: np.dtype(np.uint32), ParamType.DOUBLE: np.dtype(np.float64)}


@dataclass
class FakeBatch:
    """``n`` events of which only the time is known."""

    timestamps: np.ndarray[Any, np.dtype[np.uint64]]

    def __len__(self) -> int:
        return len(self.timestamps)

    def header(self, name: str, rows: Rows) -> Any:
        assert name == "ts"
        return self.timestamps[rows]


def plain(type_: ParamType, values: Sequence[Any]) -> Numbers | Texts:
    if type_ in {ParamType.IPV4ADDR, ParamType.IPV6ADDR} or type_ not in FIXED_SIZES:
        return Texts.of(values)
    kind = "i" if type_.signed else "u"
    dtype = OTHER_DTYPES.get(type_) or np.dtype(f"{kind}{FIXED_SIZES[type_]}")
    valid = np.array([value is not None for value in values], bool)
    filled = np.array([0 if value is None else value for value in values], dtype)
    return Numbers(filled, None if valid.all() else valid)


def coded(type_: ParamType, values: Sequence[Any]) -> Coded:
    found = list(dict.fromkeys(value for value in values if value is not None))
    codes = [-1 if value is None else found.index(value) for value in values]
    return Coded(np.array(codes, np.int32), plain(type_, found))


def lists(type_: ParamType, values: Sequence[Sequence[Any] | None]) -> Lists:
    lengths = [len(row or ()) for row in values]
    elements = [element for row in values for element in row or ()]
    valid = np.array([row is not None for row in values], bool)
    return Lists(np.cumsum([0, *lengths]), plain(type_, elements), None if valid.all() else valid)


@dataclass
class Events:
    """A batch and the fields it has."""

    batch: FakeBatch
    registry: FieldRegistry

    def fields(self, *names: str) -> list[Any]:
        return [self.registry.resolve(name) for name in names]


@pytest.fixture(scope="session")
def make_column() -> Callable[..., Column]:
    """``make_column(type, values, form)``: None for missing; ``form`` is plain, coded or lists."""
    forms = {"plain": plain, "coded": coded, "lists": lists}

    def make(type_: ParamType, values: Sequence[Any], form: str = "plain") -> Column:
        return forms[form](type_, values)

    return make


@pytest.fixture(scope="session")
def make_events() -> Callable[..., Events]:
    """``make_events({name: (type, format, column)}, timestamps=...)``."""

    def make(columns: dict[str, tuple[Any, ...]], timestamps: Sequence[int] | None = None) -> Events:
        count = len(next(iter(columns.values()))[2])
        times = range(count) if timestamps is None else timestamps
        fields = []
        for name, (type_, format_, column, *more) in columns.items():
            assert len(column) == count
            extra: dict[str, Any] = more[0] if more else {}
            fields.append(Field(name, type_, "", _literal(column), format_, **extra))
        return Events(FakeBatch(np.array(times, np.uint64)), FieldRegistry(fields))

    return make


@pytest.fixture(scope="session")
def texts() -> Callable[..., tuple[ParamType, PrintFormat, Column]]:
    """``texts(*values)``: the declaration of a text field for `make_events`."""

    def make(*values: bytes | None) -> tuple[ParamType, PrintFormat, Column]:
        return ParamType.CHARBUF, PrintFormat.NA, Texts.of(values)

    return make


@pytest.fixture(scope="session")
def argument_rule() -> FieldArgument:
    """An optional argument in brackets that may be any text."""
    return FieldArgument(str, required=False, form="[KEY]")


def _literal(column: Column) -> Callable[..., Column]:
    def extract(_batch: Any, rows: Rows, _argument: Any) -> Column:
        return column.take(rows)

    return extract
