"""Event blocks: cpu, dump flags, event header, parameter lengths, parameters, and pcapng options after the padding.

``length`` counts header, lengths and parameters. An entry of the length array has 2 bytes, or 4 where the event type
says so; v1 blocks store no number of parameters, it follows from the lengths.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from construct import Construct, Container, FormatFieldError, ListContainer, Rebuild, StreamError

from scap_formats.blocks import head_fields, options
from scap_formats.codec import ORDER_MARKS, integers
from scap_formats.elements import Alignment, Rest
from scap_formats.header import (
    HEADER_SIZE_V1,
    HEADER_SIZE_V2,
    NOTIFICATION_EXCESS,
    NOTIFICATION_TYPES,
    fields_before_event,
    fields_of_event,
)
from scap_formats.record import Record
from scap_formats.table import event_table

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from scap_formats.codec import ByteOrder, Schema

_V1_WIDTH = 2
_WIDTH_CODES = {2: "H", 4: "I"}


def length_width(event_type: int) -> int | None:
    """The width in bytes of a length entry of an event type, None for a type the table does not know."""
    events = event_table().events
    return events[event_type].length_width if 0 <= event_type < len(events) else None


def v1_nparams(lens: Iterator[int], size: int) -> int | None:
    """How many of the numbers that follow a v1 header are lengths, None where no count fits.

    ``size`` is the event's length without its header. The bytes a count of lengths asks for grow with every length,
    so there is one solution at most.
    """
    count = taken = 0
    while taken < size:
        length = next(lens, None)
        if length is None:
            return None
        count += 1
        taken += _V1_WIDTH + length
    return count if taken == size else None


@dataclass(frozen=True, slots=True)
class _LengthOf:
    """What the length field says about an event that is to be built."""

    has_nparams: bool

    def __call__(self, context: Container) -> int:
        header = HEADER_SIZE_V2 if self.has_nparams else HEADER_SIZE_V1
        width = _built_width(context) if self.has_nparams else _V1_WIDTH
        data = sum(map(len, context.params)) + len(context.get("slack") or b"")
        return header + width * len(context.params) + data + (context.get("length_excess") or 0)


def _built_width(context: Container) -> int:
    return context.get("length_width") or length_width(context.type) or 2


class _Parameters(Construct):  # type: ignore[misc]  # Construct carries no types
    """``lens``, ``params`` and what describes their storage; ``slack`` is what ``length`` counts beyond them."""

    def __init__(self, byteorder: ByteOrder, *, has_nparams: bool, large: bool) -> None:
        super().__init__()
        self.mark = ORDER_MARKS[byteorder]
        self.has_nparams = has_nparams
        self.large = large

    def _parse(self, stream: io.BytesIO, context: Container, path: str) -> Container:
        return (self._parse_v2 if self.has_nparams else self._parse_v1)(stream, context, path)

    def _parse_v2(self, stream: io.BytesIO, context: Container, path: str) -> Container:
        data = self._read(stream, context.length - HEADER_SIZE_V2, path)
        count = context.nparams
        known = length_width(context.type)
        # the width belongs to the type; for unknown types the block id is a hint, and only exact tilings count
        widths = (4, 2) if self.large else (2, 4)
        for width in widths if known is None else (known,):
            if width * count > len(data):
                continue
            lens = self._lens(data, count, width)
            end = width * count + sum(lens)
            if end == len(data) or (known is not None and end < len(data)):
                return self._result(data, lens, width, 0)
        raise StreamError(f"{count} parameters do not fit an event of {context.length} bytes", path=f"{path} -> lens")

    def _parse_v1(self, stream: io.BytesIO, context: Container, path: str) -> Container:
        start = stream.tell()
        notification = context.type in NOTIFICATION_TYPES
        found = []
        for excess in (NOTIFICATION_EXCESS, 0) if notification else (0,):
            size = context.length - HEADER_SIZE_V1 - excess
            stream.seek(start)
            if size < 0 or len(data := stream.read(size)) != size:
                continue
            lens = self._lens(data, size // _V1_WIDTH, _V1_WIDTH)
            count = v1_nparams(iter(lens), size)
            if count is not None:
                found.append(Container(self._result(data, lens[:count], _V1_WIDTH, excess), nparams=count))
        if not found:
            raise StreamError(
                f"no number of parameters fits an event of {context.length} bytes", path=f"{path} -> lens"
            )
        # a notification may tile both ways: then the one with the parameters of the table is meant
        declared = event_table().events[context.type].nparams if notification else None
        best = min(found, key=lambda result: result.nparams != declared)
        stream.seek(start + context.length - HEADER_SIZE_V1 - best.length_excess)
        return best

    def _lens(self, data: bytes, count: int, width: int) -> tuple[int, ...]:
        return struct.unpack_from(f"{self.mark}{count}{_WIDTH_CODES[width]}", data)

    @staticmethod
    def _read(stream: io.BytesIO, size: int, path: str) -> bytes:
        data = stream.read(size) if size >= 0 else b""
        if len(data) != size:
            raise StreamError(f"{size} bytes of event data expected, {len(data)} left", path=path)
        return data

    @staticmethod
    def _result(data: bytes, lens: tuple[int, ...], width: int, excess: int) -> Container:
        params = ListContainer()
        position = width * len(lens)
        for length in lens:
            params.append(data[position : position + length])
            position += length
        return Container(
            lens=ListContainer(lens),
            params=params,
            slack=data[position:],
            length_width=width,
            length_excess=excess,
        )

    def _build(self, obj: Any, stream: io.BytesIO, context: Container, path: str) -> Any:
        params = context.params
        width = _built_width(context) if self.has_nparams else _V1_WIDTH
        try:
            stream.write(struct.pack(f"{self.mark}{len(params)}{_WIDTH_CODES[width]}", *map(len, params)))
        except struct.error as error:
            raise FormatFieldError(f"a parameter does not fit {width}-byte lengths", path=f"{path} -> lens") from error
        stream.write(b"".join(params))
        stream.write(context.get("slack") or b"")
        return obj


def block_fields(byteorder: ByteOrder, *, has_flags: bool) -> tuple[Schema, ...]:
    """The fields between a block's head and its event: ``cpu`` and, in EVF blocks, ``dump_flags``."""
    number = integers(byteorder)
    return tuple(name / getattr(number, type_) for name, type_ in fields_before_event(has_flags=has_flags))


def header_fields(byteorder: ByteOrder, *, has_nparams: bool) -> tuple[Schema, ...]:
    """The event header: ``ts`` in ns since the epoch, ``tid``, ``length``, ``type``, and in v2 ``nparams``."""
    number = integers(byteorder)
    derived = {"length": _LengthOf(has_nparams=has_nparams), "nparams": lambda context: len(context.params)}
    fields = [(name, getattr(number, type_)) for name, type_ in fields_of_event(has_nparams=has_nparams)]
    return tuple(name / (Rebuild(type_, derived[name]) if name in derived else type_) for name, type_ in fields)


@cache
def event_prefix(byteorder: ByteOrder, *, has_nparams: bool, has_flags: bool) -> Schema:
    """The fixed-size start of an event block, up to where the length array begins."""
    return Record(
        *head_fields(byteorder),
        *block_fields(byteorder, has_flags=has_flags),
        *header_fields(byteorder, has_nparams=has_nparams),
    )


@cache
def event_body(byteorder: ByteOrder, *, has_nparams: bool, has_flags: bool, large: bool = False) -> Schema:
    """The body of an event block.

    Besides the header's fields a value has ``lens``, ``params`` (bytes each), ``slack``, ``length_width``,
    ``length_excess`` (how much too large ``length`` is stored), ``padding``, ``options`` and ``rest``. Building needs
    ``cpu``, ``ts``, ``tid``, ``type``, ``params`` and, where there are flags, ``dump_flags``; lengths and counts follow
    from those.
    """
    return Record(
        *block_fields(byteorder, has_flags=has_flags),
        *header_fields(byteorder, has_nparams=has_nparams),
        _Parameters(byteorder, has_nparams=has_nparams, large=large),
        "padding" / Alignment(),
        "options" / options(byteorder),
        "rest" / Rest(),
    )
