"""Sections: what a capture says about its host before, between and after the events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scap_formats.blocks import BLOCKS, HEAD_SIZE, TRAILER_SIZE, BlockType
from scap_formats.codec import FormatsError
from scap_formats.section import MAGIC, MAJOR_VERSION, MIN_SIZE, MINOR_VERSION, section_version
from scaptools.errors import CorruptedError, UnsupportedVersionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scap_formats.blocks import BlockKind
    from scaptools.capture.scan import ByteOrder


@dataclass(frozen=True, slots=True)
class MetadataBlock:
    """A block that holds no event, byte for byte, with its offset in the decompressed stream."""

    type: int
    raw: bytes
    offset: int
    byteorder: ByteOrder = "little"

    @property
    def kind(self) -> BlockKind | None:
        """What the block holds, None for a type nobody knows."""
        layout = BLOCKS.get(self.type)
        return None if layout is None else layout.kind

    @property
    def reframed(self) -> bytes:
        """The block with its true length at both ends, which it lacks where a writer or damage got one wrong."""
        length = len(self.raw).to_bytes(TRAILER_SIZE, self.byteorder)
        if self.raw[4:HEAD_SIZE] == length == self.raw[-TRAILER_SIZE:]:
            return self.raw
        return b"".join((self.raw[:4], length, self.raw[HEAD_SIZE:-TRAILER_SIZE], length))

    def parse(self) -> Any:
        """The block's contents by its schema. Raises CorruptedError."""
        from scap_formats.bodies import parse_block

        try:
            return parse_block(self.reframed, self.byteorder, offset=self.offset).body
        except FormatsError as error:
            at = self.offset if error.offset is None else error.offset
            raise CorruptedError(f"block of type {self.type:#x}: {error}", offset=at) from error


@dataclass(slots=True)
class Section:
    """One section of a capture: its header, its metadata blocks in file order, and counts of what was left out."""

    index: int
    header: MetadataBlock
    version: tuple[int, int]
    blocks: list[MetadataBlock] = field(default_factory=list)
    #: Time of the section's first event in ns since the epoch, container events in front left aside; None before it
    #: was read.
    first_ts: int | None = None
    #: Events of types this version does not know; they keep no number and are in no batch.
    unknown_events: int = 0

    @staticmethod
    def open(index: int, header: MetadataBlock) -> Section:
        """A section from its header block. Raises CorruptedError and UnsupportedVersionError."""
        if len(header.raw) < MIN_SIZE:
            header.parse()
        magic, major, minor = section_version(header.raw, header.byteorder)
        if magic != MAGIC:
            raise CorruptedError("a section header without its magic number", offset=header.offset)
        if major > MAJOR_VERSION:
            raise UnsupportedVersionError(
                f"section of format version {major}.{minor}",
                offset=header.offset,
                hint=f"this release reads versions up to {MAJOR_VERSION}.x",
            )
        return Section(index, header, (major, minor))

    @staticmethod
    def unheaded(byteorder: ByteOrder = "little", index: int = 0) -> Section:
        """A section whose header is lost: what follows is read as the newest version."""
        from scap_formats.bodies import build_block

        raw = build_block(BlockType.SHB, {"options": None, "rest": b""}, byteorder)
        return Section(index, MetadataBlock(BlockType.SHB, raw, 0, byteorder), (MAJOR_VERSION, MINOR_VERSION))

    def of_kind(self, kind: BlockKind) -> Iterator[MetadataBlock]:
        """The metadata blocks of one kind."""
        return (block for block in self.blocks if block.kind is kind)
