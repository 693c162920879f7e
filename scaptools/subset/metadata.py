"""Metadata cleaned: the lists in front of the events without what nobody needs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from scap_formats.blocks import BlockKind
from scap_formats.bodies import build_block
from scap_formats.users import KIND_USER
from scaptools.errors import CorruptedError
from scaptools.subset.kinship import signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

    from scaptools.capture.section import MetadataBlock, Section


@dataclass(frozen=True, slots=True)
class Needed:
    """What has to stay: ids of threads, descriptors, users and groups, and whether environments do."""

    tids: AbstractSet[int]
    fds: AbstractSet[int]
    uids: AbstractSet[int]
    gids: AbstractSet[int]
    environments: bool


@dataclass(slots=True)
class Removed:
    """How much was there, and how much of it is gone."""

    processes: int = 0
    processes_removed: int = 0
    environments_removed: int = 0
    descriptors: int = 0
    descriptors_removed: int = 0
    users: int = 0
    users_removed: int = 0
    blocks_removed: int = 0
    parameters_emptied: int = 0

    def add(self, other: Removed) -> None:
        """Take in the numbers of another part."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def lines(self) -> Iterator[str]:
        """What was kept, for people."""
        yield f"processes: {self.processes - self.processes_removed} of {self.processes} kept"
        yield f"environments: {self.environments_removed} emptied"
        yield f"descriptors: {self.descriptors - self.descriptors_removed} of {self.descriptors} kept"
        yield f"users and groups: {self.users - self.users_removed} of {self.users} kept"
        yield f"parameters: {self.parameters_emptied} emptied"
        if self.blocks_removed:
            yield f"blocks of unknown kinds or with damage: {self.blocks_removed} removed"


def cleaned(section: Section, needed: Needed) -> tuple[list[bytes], Removed]:
    """A section's header and metadata blocks with only what is needed, in the versions they have."""
    removed = Removed()
    blocks = [section.header.raw]
    for block in section.blocks:
        clean = _CLEANERS.get(block.kind) if block.kind is not None else None
        if clean is None:
            removed.blocks_removed += 1
            continue
        try:
            raw = clean(block, needed, removed)
        except CorruptedError:
            removed.blocks_removed += 1
            continue
        if raw:
            blocks.append(raw)
    return blocks, removed


def _as_it_is(block: MetadataBlock, _needed: Needed, _removed: Removed) -> bytes:
    return block.raw


def _processes(block: MetadataBlock, needed: Needed, removed: Removed) -> bytes:
    body = block.parse()
    kept = [entry for entry in body.entries if signed(entry.tid) in needed.tids]
    removed.processes += len(body.entries)
    removed.processes_removed += len(body.entries) - len(kept)
    if not needed.environments:
        removed.environments_removed += sum(bool(entry.env) for entry in kept)
        for entry in kept:
            entry.env = b""
    return _rebuilt(block, body, kept)


def _descriptors(block: MetadataBlock, needed: Needed, removed: Removed) -> bytes:
    body = block.parse()
    is_needed = signed(body.tid) in needed.tids
    kept = [entry for entry in body.entries if is_needed and signed(entry.fd) in needed.fds]
    removed.descriptors += len(body.entries)
    removed.descriptors_removed += len(body.entries) - len(kept)
    return _rebuilt(block, body, kept) if is_needed else b""


def _users(block: MetadataBlock, needed: Needed, removed: Removed) -> bytes:
    body = block.parse()
    users = [entry for entry in body.entries if entry.kind == KIND_USER and entry.uid in needed.uids]
    gids = needed.gids | {entry.gid for entry in users}
    kept = [entry for entry in body.entries if (entry in users if entry.kind == KIND_USER else entry.gid in gids)]
    removed.users += len(body.entries)
    removed.users_removed += len(body.entries) - len(kept)
    return _rebuilt(block, body, kept)


def _rebuilt(block: MetadataBlock, body: Any, entries: list[Any]) -> bytes:
    return build_block(block.type, {**body, "entries": entries, "padding": None, "rest": b""}, block.byteorder)


_CLEANERS: dict[BlockKind, Callable[[MetadataBlock, Needed, Removed], bytes]] = {
    BlockKind.MACHINE: _as_it_is,
    BlockKind.INTERFACES: _as_it_is,
    BlockKind.PROCESSES: _processes,
    BlockKind.DESCRIPTORS: _descriptors,
    BlockKind.USERS: _users,
}
