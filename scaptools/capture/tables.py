"""Tables: the machine, interface, user, process and descriptor lists of several sections as those of one.

What two sections say alike is said once. Where they contradict each other the earlier one is followed, and the
contradiction is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from scap_formats.blocks import BlockKind
from scap_formats.bodies import build_block
from scap_formats.users import KIND_USER
from scaptools.errors import CorruptedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scaptools.capture.section import MetadataBlock, Section


@dataclass(frozen=True, slots=True)
class _Rule:
    """What tells entries of a list apart, what they must agree in, and how an entry is called."""

    key: Callable[[Any], Any]
    gist: Callable[[Any], Any]
    label: Callable[[Any], str]


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _user_id(entry: Any) -> tuple[str, int]:
    return ("user", entry.uid) if entry.kind == KIND_USER else ("group", entry.gid)


_RULES = {
    BlockKind.INTERFACES: _Rule(
        key=lambda entry: (entry.kind, entry.name, entry.address),
        gist=lambda entry: (str(ip_address(entry.netmask)), str(ip_address(entry.broadcast))),
        label=lambda entry: f"interface {_text(entry.name)}",
    ),
    BlockKind.USERS: _Rule(
        key=_user_id,
        gist=lambda entry: entry.name,
        label=lambda entry: "{} {}".format(*_user_id(entry)),
    ),
    BlockKind.PROCESSES: _Rule(
        key=lambda entry: entry.tid,
        gist=lambda entry: (entry.pid, entry.comm, entry.exe),
        label=lambda entry: f"thread {entry.tid}",
    ),
}
_ORDER = (BlockKind.MACHINE, *_RULES, BlockKind.DESCRIPTORS)


@dataclass(slots=True)
class UnitedTables:
    """The blocks of the united tables in libscap's order, and a line for every contradiction."""

    blocks: list[bytes] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


def unite_tables(sections: Iterable[tuple[str, Section]]) -> UnitedTables:
    """The tables of sections of one byte order, each with its capture's name; unknown blocks come last."""
    return _Union().run(list(sections))


class _Union:
    def __init__(self) -> None:
        self.united = UnitedTables()
        self._machine: tuple[str, Any] | None = None
        #: Per kind and key what was said first, and by whom.
        self._known: dict[tuple[BlockKind, Any], tuple[Any, str]] = {}
        self._descriptors: set[tuple[int, int]] = set()
        self._described: set[int] = set()
        #: Threads whose entry of a later capture was not followed.
        self._overruled: set[tuple[str, int]] = set()

    def run(self, sections: list[tuple[str, Section]]) -> UnitedTables:
        for kind in _ORDER:
            for name, section in sections:
                for block in section.of_kind(kind):
                    self._add(kind, name, block)
        unknown = dict.fromkeys(block.raw for _, section in sections for block in section.blocks if block.kind is None)
        self.united.blocks += unknown
        return self.united

    def _add(self, kind: BlockKind, name: str, block: MetadataBlock) -> None:
        try:
            body = block.parse()
        except CorruptedError as error:
            self.united.conflicts.append(f"{name}: {error}; left out")
            return
        if kind is BlockKind.MACHINE:
            self._add_machine(name, block, body)
            return
        before = len(body.entries)
        if kind is BlockKind.DESCRIPTORS:
            kept = [entry for entry in body.entries if self._new_descriptor(name, body.tid, entry)]
        else:
            kept = [entry for entry in body.entries if self._new_entry(kind, name, entry)]
        if len(kept) == before and not (before == 0 and self._is_known_empty(kind, body)):
            self.united.blocks.append(block.reframed)
        elif kept:
            body.entries[:] = kept
            body.padding, body.rest = None, b""
            self.united.blocks.append(build_block(block.type, body, block.byteorder))

    def _is_known_empty(self, kind: BlockKind, body: Any) -> bool:
        """Whether an empty list says nothing: the thread has one already."""
        if kind is not BlockKind.DESCRIPTORS:
            return False
        known = body.tid in self._described
        self._described.add(body.tid)
        return known

    def _add_machine(self, name: str, block: MetadataBlock, body: Any) -> None:
        if self._machine is None:
            self._machine = name, body
            self.united.blocks.append(block.reframed)
            return
        first_name, first = self._machine
        if (first.hostname, first.num_cpus) != (body.hostname, body.num_cpus):
            self.united.conflicts.append(
                f"machine: {_text(first.hostname)} with {first.num_cpus} CPUs in {first_name}, "
                f"{_text(body.hostname)} with {body.num_cpus} CPUs in {name}"
            )

    def _new_entry(self, kind: BlockKind, name: str, entry: Any) -> bool:
        rule = _RULES[kind]
        key, gist = (kind, rule.key(entry)), rule.gist(entry)
        first, whose = self._known.setdefault(key, (gist, name))
        if first is gist:
            return True
        if first != gist:
            if kind is BlockKind.PROCESSES:
                self._overruled.add((name, entry.tid))
            self.united.conflicts.append(f"{rule.label(entry)}: {_said(first)} in {whose}, {_said(gist)} in {name}")
        return False

    def _new_descriptor(self, name: str, tid: int, entry: Any) -> bool:
        """Whether a thread's descriptor is the first of its number; those of another process do not count."""
        if (name, tid) in self._overruled or (tid, entry.fd) in self._descriptors:
            return False
        self._descriptors.add((tid, entry.fd))
        self._described.add(tid)
        return True


def _said(gist: Any) -> str:
    parts = gist if isinstance(gist, tuple) else (gist,)
    return " ".join(_text(part) if isinstance(part, bytes) else str(part) for part in parts)
