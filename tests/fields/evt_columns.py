"""Fields evaluated for tests: values as Python objects, and as the text they print as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import ALL_ROWS
from scaptools.fields.evt import evt_fields
from scaptools.fields.paramtext import DEFAULT_STYLE, TextStyle
from scaptools.fields.registry import FieldRegistry

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows
    from scaptools.fields.evt import EventContext
    from scaptools.fields.model import BoundField


def registry(style: TextStyle = DEFAULT_STYLE, context: EventContext | None = None) -> FieldRegistry:
    """The fields in a style."""
    return FieldRegistry(evt_fields(style, context))


def bound(fields: FieldRegistry, written: str) -> BoundField:
    """A field as it is written, with its argument in brackets or behind a dot."""
    if written.endswith("]"):
        name, _, argument = written[:-1].partition("[")
        return fields.resolve(name, argument)
    return fields.resolve(written)


def values(written: str, batch: EventBatch, rows: Rows = ALL_ROWS, fields: FieldRegistry | None = None) -> list[Any]:
    """The values of a field, None for missing ones."""
    field = bound(registry() if fields is None else fields, written)
    return list(field.column(batch, rows).to_arrow().to_pylist())


def printed(field: BoundField, value: Any) -> str | None:
    """A value as templates print it, None for a missing one."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if field.type is ParamType.BOOL:
        return "true" if value else "false"
    return f"{value:09d}" if field.format is PrintFormat.PADDED_DEC else str(value)
