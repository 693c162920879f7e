"""Blocks as plain values: every block of a capture parsed to the last byte, for looking at and for JSON.

This is the slow and complete view, by the schemas of the formats; nothing that has to be fast goes through it.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeAlias

from scap_formats.blocks import BLOCKS, BlockKind, BlockType
from scap_formats.bodies import parse_block
from scap_formats.codec import FormatsError
from scap_formats.params import decode_param
from scap_formats.table import event_table
from scap_formats.types import ParamType
from scaptools.capture.section import MetadataBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scap_formats.table import EventType, Param
    from scaptools.capture.reader import CaptureReader, ScannedWindow
    from scaptools.capture.scan import ByteOrder

#: What JSON can say.
Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"

_ADDRESSES = frozenset({"sip", "dip", "ip", "address", "netmask", "broadcast"})
_NUL_LISTS = frozenset({"args", "env", "cgroups"})
#: Fields that say something only where they are not what they usually are.
_USUALLY_EMPTY = frozenset({"padding", "rest", "extra", "options", "slack", "length_excess"})
#: How parameters are stored; their values are told one by one instead.
_STORAGE = frozenset({"lens", "params", "length_width"})


def iterate_blocks(reader: CaptureReader) -> Iterator[dict[str, Plain]]:
    """One pass over every block, damaged stretches in between.

    A block has ``offset`` and ``length`` in the decompressed file, ``type``, ``name``, ``kind`` and ``body``; one that
    its schema does not fit has ``error`` and the body's bytes in hexadecimal, and a stretch that is no block has
    ``damage``.
    """
    for window in reader.windows():
        damage = list(window.scan.damage)
        positions = zip(
            window.scan.offsets.tolist(), window.scan.lengths.tolist(), window.scan.types.tolist(), strict=True
        )
        for offset, length, kind in positions:
            while damage and damage[0].offset <= window.start + offset:
                found = damage.pop(0)
                yield {"offset": found.offset, "length": found.length, "damage": found.reason}
            yield _block(window, offset, length, kind)
        for found in damage:
            yield {"offset": found.offset, "length": found.length, "damage": found.reason}


def _block(window: ScannedWindow, offset: int, length: int, kind: int) -> dict[str, Plain]:
    raw = window.data[offset : offset + length].tobytes()
    block = MetadataBlock(kind, raw, window.start + offset, window.byteorder)
    layout = BLOCKS.get(kind)
    record: dict[str, Plain] = {
        "offset": block.offset,
        "length": length,
        "type": f"{kind:#x}",
        "name": BlockType(kind).name if layout is not None else "unknown",
        "kind": "unknown" if layout is None else layout.kind.value,
    }
    try:
        body = parse_block(block.reframed, window.byteorder, offset=block.offset).body
    except FormatsError as error:
        record["error"] = str(error)
        body = raw[8:-4]
    if isinstance(body, bytes):
        record["body"] = {"hex": body.hex()}
    elif layout is not None and layout.kind is BlockKind.EVENT:
        record["body"] = _event(body, window.byteorder)
    else:
        record["body"] = plain(body)
    return record


def _event(body: Any, byteorder: ByteOrder) -> dict[str, Plain]:
    fields = {name: value for name, value in body.items() if name not in _STORAGE}
    described = plain(fields)
    record: dict[str, Plain] = described if isinstance(described, dict) else {}
    events = event_table().events
    event = events[body.type] if body.type < len(events) else None
    if event is not None:
        record |= {"event": event.name, "direction": event.direction.symbol}
    record["params"] = [_param(event, index, data, byteorder) for index, data in enumerate(body.params)]
    return record


def _param(event: EventType | None, index: int, data: bytes, byteorder: ByteOrder) -> Plain:
    if event is None or index >= len(event.params):
        return {"name": None, "hex": data.hex()}
    param = event.params[index]
    record: dict[str, Plain] = {"name": param.name, "type": param.type.name}
    try:
        value = _decoded(param, data, byteorder)
    except FormatsError as error:
        return {**record, "error": str(error), "hex": data.hex()}
    return {**record, "value": plain(value, param.name)}


def _decoded(param: Param, data: bytes, byteorder: ByteOrder) -> Any:
    choices = event_table().dynamic_tables[param.dynamic_table] if param.dynamic_table else ()
    value = decode_param(param.type, data, byteorder, choices)
    if param.type in {ParamType.IPV4ADDR, ParamType.IPV6ADDR} and value is not None:
        return str(ip_address(value))
    return value


def plain(value: Any, name: str = "") -> Plain:
    """A parsed value as JSON can say it; ``name`` is the field it is from, which tells addresses and lists.

    Bytes are text where they are UTF-8, and ``{"hex": ...}`` otherwise.
    """
    if isinstance(value, dict):
        return {
            str(key): plain(item, str(key))
            for key, item in value.items()
            if not (str(key).startswith("_") or (key in _USUALLY_EMPTY and not item))
        }
    if isinstance(value, bytes):
        return _bytes(value, name)
    if isinstance(value, (list, tuple)):
        return [plain(item, name) for item in value]
    return value  # type: ignore[no-any-return]


def _bytes(value: bytes, name: str) -> Plain:
    if name in _ADDRESSES and len(value) in {4, 16}:
        return str(ip_address(value))
    if name in _NUL_LISTS:
        return [_text(item) for item in value.removesuffix(b"\0").split(b"\0")] if value else []
    return _text(value)


def _text(value: bytes) -> Plain:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"hex": value.hex()}
