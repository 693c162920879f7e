"""Soundness: what of a section and of a batch the strictest readers accept.

libscap gives up on a whole file over one metadata block it cannot read, and trusts the lengths inside events blindly.
What does not bear their reading is mended where its meaning is clear, and left out otherwise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.blocks import BLOCKS, HEAD_SIZE, MAX_SMALL_EVENT, TRAILER_SIZE, BlockKind, BlockType, build_frame
from scap_formats.bodies import build_block, parse_block
from scap_formats.codec import FormatsError
from scap_formats.descriptors import DescriptorType
from scap_formats.dtypes import event_block_dtype
from scap_formats.header import HEADER_SIZE_V1
from scap_formats.process import LENGTH_SINCE
from scap_formats.section import MIN_SIZE
from scap_formats.table import event_table, syscall_table
from scap_formats.types import ParamType
from scap_formats.users import MAX_STRING
from scaptools.capture.overlap import overlapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.parameters import ParameterTable
    from scaptools.capture.section import MetadataBlock, Section

#: The order in which libscap writes metadata; blocks of unknown kinds come last.
_ORDER = (
    BlockKind.MACHINE,
    BlockKind.INTERFACES,
    BlockKind.USERS,
    BlockKind.PROCESSES,
    BlockKind.DESCRIPTORS,
    None,
)
_PATH, _LIST = 1023, 4096
#: Longest strings readers take, by the fields of an entry.
_LIMITS: dict[BlockKind, dict[str, int]] = {
    BlockKind.USERS: dict.fromkeys(("name", "home", "shell"), MAX_STRING),
    BlockKind.INTERFACES: {"name": _PATH},
    BlockKind.DESCRIPTORS: {"name": _PATH},
    BlockKind.PROCESSES: {
        **dict.fromkeys(("comm", "exe", "exepath", "cwd", "root"), _PATH),
        **dict.fromkeys(("args", "env", "cgroups"), _LIST),
    },
}
_ENTRY_LENGTH = 4
#: First version of each kind whose entries have a length, the bytes before the first entry, and whether the length
#: counts itself.
_LENGTHED = {
    BlockKind.PROCESSES: (LENGTH_SINCE, 0, True),
    BlockKind.DESCRIPTORS: (2, 8, True),
    BlockKind.USERS: (2, 0, True),
    BlockKind.INTERFACES: (2, 0, False),
}
#: The parameter of container and orchestrator events that holds JSON.
_JSON_PARAM = "json"
#: Plugin events without parameters crash libscap.
_PLUGIN_EVENT = next(event.id for event in event_table().events if event.name == "pluginevent")


@dataclass(slots=True)
class SoundMetadata:
    """A section's header and metadata, ready to be written; what was left out in bytes, and remarks."""

    blocks: list[bytes] = field(default_factory=list)
    lost_bytes: int = 0
    remarks: list[str] = field(default_factory=list)


def sound_metadata(section: Section) -> SoundMetadata:
    """The section's header and metadata blocks as libscap takes them, in its order."""
    sound = SoundMetadata([_header(section)])
    if len(sound.blocks[0]) < len(section.header.raw):
        sound.remarks.append("the section header's comments are left out")
    kept: dict[BlockKind | None, list[bytes]] = {kind: [] for kind in _ORDER}
    threads: set[int] = set()
    for block in sorted(section.blocks, key=lambda block: _ORDER.index(block.kind)):
        if block.kind is None:
            kept[None].append(block.reframed)
            continue
        raw, body = _mended(block, sound)
        if body is None:
            continue
        if block.kind is BlockKind.PROCESSES:
            threads.update(entry.tid for entry in body.entries)
        if block.kind is BlockKind.DESCRIPTORS and body.tid not in threads:
            sound.remarks.append(f"the descriptors of thread {body.tid}, which is in no process list, are left out")
            sound.lost_bytes += len(block.raw)
            continue
        kept[block.kind].append(raw)
    sound.blocks += [raw for kind in _ORDER for raw in kept[kind]]
    return sound


def _header(section: Section) -> bytes:
    if len(section.header.raw) == MIN_SIZE and section.header.reframed == section.header.raw:
        return section.header.raw
    major, minor = section.version
    return build_block(
        BlockType.SHB, {"major": major, "minor": minor, "options": None, "rest": b""}, section.header.byteorder
    )


def _mended(block: MetadataBlock, sound: SoundMetadata) -> tuple[bytes, Any]:
    """The block's bytes and parsed body, None where nothing of it can be read."""
    what = f"{block.kind.value if block.kind else 'block'} at byte {block.offset}"
    raw = block.reframed
    if raw != block.raw:
        sound.remarks.append(f"{what}: its length is set right")
    try:
        body = parse_block(raw, block.byteorder).body
    except FormatsError:
        salvaged = _salvaged(block)
        sound.lost_bytes += len(block.raw) - (0 if salvaged is None else len(salvaged))
        if salvaged is None:
            sound.remarks.append(f"{what}: unreadable, left out")
            return raw, None
        sound.remarks.append(f"{what}: unreadable entries are left out")
        raw, body = salvaged, parse_block(salvaged, block.byteorder).body
    if _within_limits(block.kind, body):
        return raw, body
    sound.remarks.append(f"{what}: strings that are too long are cut, and entries of unknown types left out")
    return build_block(block.type, body, block.byteorder), body


def _within_limits(kind: BlockKind | None, body: Any) -> bool:
    """Cut what is longer than readers take; whether nothing had to be done."""
    limits = {} if kind is None else _LIMITS.get(kind, {})
    within = True
    for entry in body.get("entries", ()):
        for name, limit in limits.items():
            value = entry.get(name)
            if value is not None and len(value) > limit:
                entry[name] = value[:limit]
                within = False
    if kind is BlockKind.DESCRIPTORS:
        known = [entry for entry in body.entries if entry.type in DescriptorType.__members__.values()]
        if len(known) < len(body.entries):
            body.entries[:] = known
            within = False
    return within


def _salvaged(block: MetadataBlock) -> bytes | None:
    """The block with those of its entries that can be read, None where entries cannot be told apart."""
    layout = BLOCKS[block.type]
    since, prefix_size, counts_itself = _LENGTHED.get(layout.kind, (layout.version + 1, 0, False))
    if layout.version < since:
        return None
    body = block.raw[HEAD_SIZE:-TRAILER_SIZE]
    prefix = body[:prefix_size]
    entries = []
    for entry in _entries(body[prefix_size:], block.byteorder, counts_itself=counts_itself):
        try:
            parse_block(build_frame(block.type, prefix + entry, block.byteorder), block.byteorder)
        except FormatsError:
            continue
        entries.append(entry)
    salvaged = prefix + b"".join(entries)
    if not entries:
        return None
    return build_frame(block.type, salvaged + bytes(-len(salvaged) % 4), block.byteorder)


def _entries(data: bytes, byteorder: Any, *, counts_itself: bool) -> Iterator[bytes]:
    position = 0
    while position + _ENTRY_LENGTH <= len(data):
        stored = int.from_bytes(data[position : position + _ENTRY_LENGTH], byteorder)
        size = stored if counts_itself else stored + _ENTRY_LENGTH
        if size < _ENTRY_LENGTH or position + size > len(data):
            return
        yield data[position : position + size]
        position += size


def sound_events(batch: EventBatch) -> NDArray[np.bool_]:
    """Which events, unknown ones included, agree with their lengths and are what readers expect, shape ``(n,)``."""
    sound = (
        batch.header("length").astype(np.int64) + batch.header_starts() <= batch.offsets + batch.lengths - TRAILER_SIZE
    )
    sound &= batch.header("length") >= HEADER_SIZE_V1
    small = ~np.isin(batch.block_types, [kind for kind, layout in BLOCKS.items() if layout.large])
    sound &= ~small | (batch.lengths - HEAD_SIZE <= MAX_SMALL_EVENT)
    uncounted = np.isin(batch.block_types, [kind for kind, layout in BLOCKS.items() if not layout.has_nparams])
    for event_type in batch.types_present():
        if event_type >= len(event_table().events):
            continue
        table = batch.parameters(event_type)
        for index in range(table.stored):
            table.column(index)
        bad = table.malformed.copy()
        # A count found from the lengths cannot be above what writers of its time knew.
        declaration = table.declaration
        known = len(declaration.params if declaration.old_params is None else declaration.old_params)
        bad |= uncounted[table.rows] & (table.counts > known)
        if event_type == _PLUGIN_EVENT:
            bad |= table.counts == 0
        bad |= _nonsense(table)
        sound[table.rows[bad]] = False
    return sound


def _nonsense(table: ParameterTable) -> NDArray[np.bool_]:
    """Which events hold values that readers fail over: system calls beyond their table, JSON that is none."""
    bad = np.zeros(len(table), bool)
    for index, param in enumerate(table.declaration.params[: table.stored]):
        column = table.column(index)
        if param.type is ParamType.SYSCALLID:
            codes = column.numbers()
            bad |= codes.validity() & (codes.values >= len(syscall_table().syscalls))
        elif param.name == _JSON_PARAM:
            bad |= [not _is_json(text) for text in column.strings().array.to_pylist()]
    return bad


def _is_json(text: bytes | None) -> bool:
    try:
        json.loads(text or b"")
    except (ValueError, RecursionError):
        return False
    return True


def with_lengths(batch: EventBatch, rows: NDArray[np.intp]) -> bytes:
    """The blocks of some events, with the true length at both ends where damage or a writer got one wrong."""
    raw = batch.raw_blocks(rows)
    lengths = batch.lengths[rows]
    prefix = event_block_dtype(has_nparams=False, has_flags=False, byteorder=batch.byteorder)
    u4, at = prefix.fields["block_length"][:2]  # type: ignore[index]
    ends = np.cumsum(lengths)
    data = np.frombuffer(raw, np.uint8)
    words = overlapping(data, u4)
    heads, trailers = ends - lengths + at, ends - TRAILER_SIZE
    wrong = (words[trailers] != lengths) | (words[heads] != lengths)
    if not wrong.any():
        return raw
    data = data.copy()
    words = overlapping(data, u4)
    for places in (heads, trailers):
        words[places[wrong]] = lengths[wrong]
    return data.tobytes()
