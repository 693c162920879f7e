"""Arguments: the parameters of an event, as text and as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.table import event_table
from scap_formats.types import STRING_TYPES, ParamType, PrintFormat
from scaptools.capture.parameters import gather_binary
from scaptools.columns import Coded, Numbers, Texts, concat, scatter
from scaptools.errors import FormatError
from scaptools.fields.evt.groups import row_count, type_groups
from scaptools.fields.evt.kinds import GENERIC_TYPES
from scaptools.fields.model import Cost, Field, FieldArgument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scap_formats.table import EventType, Param
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows
    from scaptools.fields.evt.groups import TypeGroup
    from scaptools.fields.paramtext.context import ParameterContext
    from scaptools.fields.paramtext.style import TextStyle

#: A parameter by its place or its name.
Which = int | str

_BUFFER = "data"
_INDEX_LIMIT = 256


@cache
def first_params() -> dict[str, Param]:
    """The first parameter in the event table of every name, old names included."""
    found: dict[str, Param] = {}
    for event in event_table().events:
        for param in (*event.params, *(event.old_params or ())):
            found.setdefault(param.name, param)
    return found


def parse_which(text: str) -> Which:
    """A parameter's place in decimal digits, or the name some event has for it. Raises FormatError."""
    if text.isascii() and text.isdecimal():
        if int(text) >= _INDEX_LIMIT:
            raise FormatError(f"no event has a parameter number {text}")
        return int(text)
    return parse_name(text)


def parse_name(text: str) -> str:
    """The name some event has for a parameter. Raises FormatError."""
    if text not in first_params():
        raise FormatError(f"no event has a parameter called {text or 'nothing'}")
    return text


def _index_of(event: EventType, which: Which) -> int | None:
    if isinstance(which, str):
        return event.find_param(which)
    return which if which < len(event.params) else None


def _merged(parts: Sequence[tuple[Column, Any]], count: int) -> Column:
    """Columns at some rows each as one, missing where there is none."""
    if not parts:
        return Coded(np.full(count, -1, np.int8), Texts.of([]))
    return scatter(concat([column for column, _ in parts]), np.concatenate([places for _, places in parts]), count)


@dataclass(frozen=True)
class _Text:
    """The text of one parameter: what it stands for where that is known, else what it is."""

    style: TextStyle
    context: ParameterContext

    def __call__(self, batch: EventBatch, rows: Rows, which: Which) -> Column:
        from scaptools.fields.paramtext.arguments import ParamPrinter
        from scaptools.fields.paramtext.renderers import best_text

        printer = ParamPrinter(batch, self.style, self.context)
        parts = []
        for group in type_groups(batch, rows, lambda event: _index_of(event, which) is not None):
            index = _index_of(group.event, which)
            if index is None or group.table.stored <= index:
                continue
            newest = index >= len(self.style.params_of(group.event))
            parts.append((best_text(printer.text(group.table, index, newest=newest)), group.places))
        return _merged(parts, row_count(batch, rows))


@dataclass(frozen=True)
class _AllText:
    """All parameters of each event in one text; nothing for generic events."""

    style: TextStyle
    context: ParameterContext

    def __call__(self, batch: EventBatch, rows: Rows, _argument: Any) -> Texts:
        from scaptools.fields.paramtext.arguments import ParamPrinter

        printer = ParamPrinter(batch, self.style, self.context)
        groups = type_groups(batch, rows, lambda event: event.id not in GENERIC_TYPES)
        tables = ((group.places, group.table) for group in groups)
        return Texts(printer.arguments(tables, row_count(batch, rows)))


# Raw values ---------------------------------------------------------------------------------------------------------


def _is_number(type_: ParamType) -> bool:
    return type_.size is not None and type_ not in {ParamType.IPV4ADDR, ParamType.IPV6ADDR}


def raw_type(which: Any) -> tuple[ParamType, PrintFormat]:
    """Type and print format of ``evt.rawarg``: those of the first parameter of that name."""
    param = first_params()[which]
    return param.type, param.format


def _raw(batch: EventBatch, rows: Rows, which: str) -> Column:
    """Stored values; numbers in the width of the field's type, however wide the event stores them."""
    from scaptools.fields.paramtext.printable import until_nul

    declared = first_params()[which].type
    parts: list[tuple[Column, Any]] = []
    for group, index in _groups_with(batch, rows, which):
        column = group.table.column(index)
        if _is_number(declared) and _is_number(column.type):
            numbers = column.numbers()
            kind = "f8" if declared is ParamType.DOUBLE else f"{'i' if declared.signed else 'u'}{declared.size}"
            parts.append((Numbers(numbers.values.astype(kind), numbers.valid), group.places))
        elif not _is_number(declared) and not _is_number(column.type):
            texts = column.bytes().array
            if column.type in STRING_TYPES:
                texts = until_nul(texts)
            parts.append((Texts(texts), group.places))
    if not parts and _is_number(declared):
        count = row_count(batch, rows)
        return Numbers(np.zeros(count, np.int64), np.zeros(count, bool))
    return _merged(parts, row_count(batch, rows))


def _groups_with(batch: EventBatch, rows: Rows, name: str) -> Iterator[tuple[TypeGroup, int]]:
    for group in type_groups(batch, rows, lambda event: event.find_param(name) is not None):
        index = group.event.find_param(name)
        if index is not None and group.table.stored > index:
            yield group, index


def _buffer(batch: EventBatch, rows: Rows, _argument: Any) -> Column:
    """Buffers of no length are values too: nothing was read or written."""
    parts = []
    for group, index in _groups_with(batch, rows, _BUFFER):
        column = group.table.column(index)
        if column.type is ParamType.BYTEBUF:
            array = gather_binary(column.data, column.starts, column.lengths, column.present)
            parts.append((Texts(array), group.places))
    count = row_count(batch, rows)
    return _merged(parts, count) if parts else Texts(_no_texts(count))


def _no_texts(count: int) -> Any:
    import pyarrow as pa

    return pa.nulls(count, pa.binary())


def argument_fields(style: TextStyle, context: ParameterContext) -> tuple[Field, ...]:
    """The fields of this module in a style, and with what a context knows."""
    text, cost = ParamType.CHARBUF, Cost.PARAMETERS
    every = _AllText(style, context)
    return (
        Field("evt.args", text, "All parameters, each as name=value or name=value(meaning).", every, cost=cost),
        Field("evt.info", text, "What there is to say about the event: all its parameters.", every, cost=cost),
        Field(
            "evt.arg",
            text,
            "One parameter as text, by name or place: its meaning where that is known, else its value.",
            _Text(style, context),
            argument=FieldArgument(parse_which, required=True, form=".NAME or [INDEX]", suffix=True),
            flags=frozenset({"NO_PTR_STABILITY"}),
            cost=cost,
        ),
        Field(
            "evt.rawarg",
            ParamType.DYN,
            "One parameter as it is stored, by name.",
            _raw,
            argument=FieldArgument(parse_name, required=True, form=".NAME", suffix=True),
            argument_type=raw_type,
            flags=frozenset({"NO_TRANSFORMER", "NO_RHS"}),
            cost=cost,
        ),
        Field(
            "evt.buffer",
            ParamType.BYTEBUF,
            "The data that was read or written, as far as it was captured.",
            _buffer,
            flags=frozenset({"NO_PTR_STABILITY"}),
            cost=cost,
        ),
    )
