"""Block ids, what each id means, and the frame every block has.

A block is ``u32 type, u32 total, body, u32 total``; the body is padded with NULs to a multiple of 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from scap_formats.codec import FormatsError, build, integers, parse
from scap_formats.header import HEAD_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scap_formats.codec import Buffer, ByteOrder, Schema

#: Bytes of a frame around its body: type, total, and the total again.
HEAD_SIZE = 8
TRAILER_SIZE = 4
FRAME_SIZE = HEAD_SIZE + TRAILER_SIZE
#: Largest ``total - 8`` libscap reads for event ids that are not large.
MAX_SMALL_EVENT = 65536


class BlockType(IntEnum):
    """Block ids; ``_INT`` ones were used before the first release."""

    SHB = 0x0A0D0D0A
    MI = 0x201
    PL_V1 = 0x202
    FDL_V1 = 0x203
    EV_V1 = 0x204
    IL_V1 = 0x205
    UL_V1 = 0x206
    PL_V2 = 0x207
    EVF_V1 = 0x208
    PL_V3 = 0x209
    PL_V4 = 0x210
    PL_V5 = 0x211
    PL_V6 = 0x212
    PL_V7 = 0x213
    PL_V8 = 0x214
    PL_V9 = 0x215
    EV_V2 = 0x216
    EVF_V2 = 0x217
    FDL_V2 = 0x218
    IL_V2 = 0x219
    UL_V2 = 0x220
    EV_V2_LARGE = 0x221
    EVF_V2_LARGE = 0x222
    PL_V1_INT = 0x8000ABCD
    FDL_INT = 0x8001ABCD
    MI_INT = 0x8002ABCD
    EV_INT = 0x8010ABCD
    IL_INT = 0x8011ABCD
    UL_INT = 0x8012ABCD
    PL_V2_INT = 0x8013ABCD
    PL_V3_INT = 0x8014ABCD


class BlockKind(Enum):
    """What a block holds."""

    SECTION = "section header"
    MACHINE = "machine info"
    PROCESSES = "process list"
    DESCRIPTORS = "fd list"
    INTERFACES = "interface list"
    USERS = "user list"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class BlockLayout:
    """Which layout a block id has.

    The last three matter for events only: whether dump flags precede the event, whether its size is unlimited, and
    whether its header stores the number of parameters.
    """

    kind: BlockKind
    version: int
    has_flags: bool = False
    large: bool = False
    has_nparams: bool = False


BLOCKS: Mapping[int, BlockLayout] = MappingProxyType(
    {
        BlockType.SHB: BlockLayout(BlockKind.SECTION, 1),
        BlockType.MI: BlockLayout(BlockKind.MACHINE, 1),
        BlockType.PL_V1: BlockLayout(BlockKind.PROCESSES, 1),
        BlockType.PL_V2: BlockLayout(BlockKind.PROCESSES, 2),
        BlockType.PL_V3: BlockLayout(BlockKind.PROCESSES, 3),
        BlockType.PL_V4: BlockLayout(BlockKind.PROCESSES, 4),
        BlockType.PL_V5: BlockLayout(BlockKind.PROCESSES, 5),
        BlockType.PL_V6: BlockLayout(BlockKind.PROCESSES, 6),
        BlockType.PL_V7: BlockLayout(BlockKind.PROCESSES, 7),
        BlockType.PL_V8: BlockLayout(BlockKind.PROCESSES, 8),
        BlockType.PL_V9: BlockLayout(BlockKind.PROCESSES, 9),
        BlockType.FDL_V1: BlockLayout(BlockKind.DESCRIPTORS, 1),
        BlockType.FDL_V2: BlockLayout(BlockKind.DESCRIPTORS, 2),
        BlockType.IL_V1: BlockLayout(BlockKind.INTERFACES, 1),
        BlockType.IL_V2: BlockLayout(BlockKind.INTERFACES, 2),
        BlockType.UL_V1: BlockLayout(BlockKind.USERS, 1),
        BlockType.UL_V2: BlockLayout(BlockKind.USERS, 2),
        BlockType.EV_V1: BlockLayout(BlockKind.EVENT, 1),
        BlockType.EVF_V1: BlockLayout(BlockKind.EVENT, 1, has_flags=True),
        BlockType.EV_V2: BlockLayout(BlockKind.EVENT, 2, has_nparams=True),
        BlockType.EVF_V2: BlockLayout(BlockKind.EVENT, 2, has_flags=True, has_nparams=True),
        BlockType.EV_V2_LARGE: BlockLayout(BlockKind.EVENT, 2, large=True, has_nparams=True),
        BlockType.EVF_V2_LARGE: BlockLayout(BlockKind.EVENT, 2, has_flags=True, large=True, has_nparams=True),
        BlockType.MI_INT: BlockLayout(BlockKind.MACHINE, 1),
        BlockType.PL_V1_INT: BlockLayout(BlockKind.PROCESSES, 1),
        BlockType.PL_V2_INT: BlockLayout(BlockKind.PROCESSES, 2),
        BlockType.PL_V3_INT: BlockLayout(BlockKind.PROCESSES, 3),
        BlockType.FDL_INT: BlockLayout(BlockKind.DESCRIPTORS, 1),
        BlockType.EV_INT: BlockLayout(BlockKind.EVENT, 1),
        BlockType.IL_INT: BlockLayout(BlockKind.INTERFACES, 1),
        BlockType.UL_INT: BlockLayout(BlockKind.USERS, 1),
    }
)
#: Ids of event blocks, newest first.
EVENT_BLOCKS: tuple[BlockType, ...] = tuple(
    BlockType(id_) for id_, layout in BLOCKS.items() if layout.kind is BlockKind.EVENT
)


def padded(size: int) -> int:
    """``size`` rounded up to a multiple of 4."""
    return size + -size % 4


def block_size(body_size: int) -> int:
    """The total of a block whose body has ``body_size`` bytes before padding."""
    return FRAME_SIZE + padded(body_size)


def head_fields(byteorder: ByteOrder) -> tuple[Schema, ...]:
    """The fields before a block's body."""
    return tuple(name / getattr(integers(byteorder), type_) for name, type_ in HEAD_FIELDS)


@cache
def block_head(byteorder: ByteOrder) -> Schema:
    """``block_type``, ``block_length``."""
    from scap_formats.record import Record

    return Record(*head_fields(byteorder))


@cache
def options(byteorder: ByteOrder) -> Schema:
    """Return the schema of pcapng options: a list of ``code``, ``value`` and ``padding``, the end marker included.

    ``padding`` is None where it is NULs up to a multiple of 4.
    """
    from scap_formats.elements import Alignment, LengthBytes, OptionList
    from scap_formats.record import Record

    return OptionList(
        Record(
            "code" / integers(byteorder).u16,
            "value" / LengthBytes(integers(byteorder).u16),
            "padding" / Alignment(),
        )
    )


class Frame(NamedTuple):
    """A block taken out of its frame; ``trailer`` is the second total as it is stored."""

    block_type: int
    body: bytes
    trailer: int


def parse_frame(block: Buffer, byteorder: ByteOrder = "little", *, offset: int = 0) -> Frame:
    """Take one whole block out of its frame.

    The trailer is not compared: some writers get it wrong. Raises FormatsError, with ``offset`` as the block's
    place, where the bytes are not exactly one block.
    """
    head = parse(block_head(byteorder), block, offset=offset)
    if head.block_length != len(block) or len(block) < FRAME_SIZE:
        raise FormatsError(f"a block of {head.block_length} bytes in {len(block)}", offset=offset)
    trailer = int.from_bytes(block[-TRAILER_SIZE:], byteorder)
    return Frame(head.block_type, bytes(block[HEAD_SIZE:-TRAILER_SIZE]), trailer)


def build_frame(block_type: int, body: Buffer, byteorder: ByteOrder = "little") -> bytes:
    """Put a body, which is stored as it is, into a frame. Raises FormatsError."""
    total = FRAME_SIZE + len(body)
    head = build(block_head(byteorder), {"block_type": block_type, "block_length": total})
    return b"".join((head, body, total.to_bytes(TRAILER_SIZE, byteorder)))
