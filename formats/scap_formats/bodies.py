"""Whole blocks: the body schema of every block id, and parsing and building one block by it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from construct import Container

from scap_formats.blocks import BLOCKS, HEAD_SIZE, BlockKind, BlockLayout, build_frame, parse_frame
from scap_formats.codec import FormatsError, build, parse
from scap_formats.descriptors import descriptor_list
from scap_formats.events import event_body
from scap_formats.interfaces import interface_list
from scap_formats.machine import machine_info
from scap_formats.process import process_list
from scap_formats.section import section_header
from scap_formats.users import user_list

if TYPE_CHECKING:
    from collections.abc import Callable

    from scap_formats.codec import Buffer, ByteOrder, Schema, Value

_SCHEMAS: dict[BlockKind, Callable[[ByteOrder, BlockLayout], Schema]] = {
    BlockKind.SECTION: lambda order, _layout: section_header(order),
    BlockKind.MACHINE: lambda order, _layout: machine_info(order),
    BlockKind.PROCESSES: lambda order, layout: process_list(order, layout.version),
    BlockKind.DESCRIPTORS: lambda order, layout: descriptor_list(order, layout.version),
    BlockKind.INTERFACES: lambda order, layout: interface_list(order, layout.version),
    BlockKind.USERS: lambda order, layout: user_list(order, layout.version),
    BlockKind.EVENT: lambda order, layout: event_body(
        order, has_nparams=layout.has_nparams, has_flags=layout.has_flags, large=layout.large
    ),
}


@cache
def body_schema(block_type: int, byteorder: ByteOrder) -> Schema | None:
    """Return the schema of a block id's body, None for an unknown id."""
    layout = BLOCKS.get(block_type)
    return None if layout is None else _SCHEMAS[layout.kind](byteorder, layout)


def parse_block(block: Buffer, byteorder: ByteOrder = "little", *, offset: int = 0) -> Value:
    """Parse one whole block, from its type to its trailer.

    Returns a container of ``block_type``, ``block_length``, ``body`` (a container, or bytes for an unknown id) and
    ``trailer`` as it is stored. ``offset`` is added to the offset of errors. Raises FormatsError where the bytes are
    not one block or its body does not fit its layout.
    """
    frame = parse_frame(block, byteorder, offset=offset)
    schema = body_schema(frame.block_type, byteorder)
    body = frame.body
    if schema is not None:
        body = parse(schema, body, offset=offset + HEAD_SIZE, complete=True)
    return Container(block_type=frame.block_type, block_length=len(block), body=body, trailer=frame.trailer)


def build_block(block_type: int, body: Value | Buffer, byteorder: ByteOrder = "little") -> bytes:
    """Build one whole block; ``body`` is what its schema takes, or bytes, which are stored as they are.

    Raises FormatsError.
    """
    if isinstance(body, (bytes, bytearray, memoryview)):
        return build_frame(block_type, body, byteorder)
    schema = body_schema(block_type, byteorder)
    if schema is None:
        raise FormatsError(f"block id {block_type:#x} has no layout: give its body as bytes")
    return build_frame(block_type, build(schema, body), byteorder)
