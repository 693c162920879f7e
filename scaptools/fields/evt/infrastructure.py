"""Infrastructure: what the legacy events of an agent that followed Docker say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scap_formats.table import event_table
from scap_formats.types import ParamType
from scaptools.columns import Texts, scatter
from scaptools.fields.evt.groups import row_count, type_groups
from scaptools.fields.model import Cost, Field

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows

_TYPES = frozenset(event.id for event in event_table().by_name("infra") if not event.id % 2)
_DESCRIPTION = 2
_SHORT_ID = 12


def _whole(value: bytes) -> bytes:
    return value


def _short(value: bytes) -> bytes:
    return value[:_SHORT_ID]


def _image(value: bytes) -> bytes:
    name, at, _digest = value.partition(b"@")
    if not at and b"sha256" in value:
        return value.partition(b":")[2]
    return name


@dataclass(frozen=True)
class _Element:
    """One element of the description, ``Key:value`` between semicolons."""

    key: bytes
    shown: Callable[[bytes], bytes]

    def _find(self, description: bytes) -> bytes | None:
        for element in description.partition(b"\0")[0].split(b";"):
            key, colon, value = element.partition(b":")
            if colon and key.strip() == self.key:
                return self.shown(value.strip())
        return None

    def __call__(self, batch: EventBatch, rows: Rows, _argument: Any) -> Column:
        from scaptools.fields.paramtext.buffers import rendered_once

        column: Column = Texts.of([])
        count = row_count(batch, rows)
        for group in type_groups(batch, rows, lambda event: event.id in _TYPES):
            descriptions = group.table.column(_DESCRIPTION).bytes().array
            return scatter(rendered_once(descriptions, self._find), group.places, count)
        return scatter(column, column.validity().nonzero()[0], count)


FIELDS: tuple[Field, ...] = tuple(
    Field(
        f"evt.infra.docker.{name}",
        ParamType.CHARBUF,
        f"{what} of a legacy infrastructure event.",
        _Element(key, shown),
        flags=frozenset({"TABLE_ONLY"}),
        cost=Cost.PARAMETERS,
    )
    for name, what, key, shown in (
        ("name", "What happened to the container", b"Event", _whole),
        ("container.id", "Short id of the container", b"ID", _short),
        ("container.name", "Name of the container", b"name", _whole),
        ("container.image", "Image of the container", b"Image", _image),
    )
)
