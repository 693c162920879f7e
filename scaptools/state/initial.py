"""The state a section starts with: what its metadata blocks list.

Lists of processes accumulate, the latest list of users and of interfaces counts. Descriptors of threads nobody listed
are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from scap_formats.blocks import BlockKind
from scap_formats.users import KIND_USER
from scaptools.errors import CorruptedError
from scaptools.state.accounts import Account
from scaptools.state.containers import thread_container
from scaptools.state.paths import as_directory, join
from scaptools.state.records import ended_items, leading_items
from scaptools.state.thread import NO_ID, Counters, Thread, ThreadFlag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.capture.section import Section
    from scaptools.state.accounts import Key


@dataclass(slots=True)
class Accounts:
    """Users and groups of the host and of containers."""

    users: dict[Key, Account] = field(default_factory=dict)
    groups: dict[Key, Account] = field(default_factory=dict)


class Interface(NamedTuple):
    """An address of the host with its netmask, both raw."""

    name: bytes
    address: bytes
    netmask: bytes


@dataclass(slots=True)
class Listed:
    """Everything a section lists: threads in table order by thread id, raw descriptor entries by thread id."""

    threads: dict[int, Thread] = field(default_factory=dict)
    counters: dict[int, Counters] = field(default_factory=dict)
    descriptors: dict[int, list[Any]] = field(default_factory=dict)
    interfaces: list[Interface] = field(default_factory=list)
    accounts: Accounts = field(default_factory=Accounts)
    #: How many entry numbers were given out.
    entries: int = 0


def listed_state(section: Section, first_entry: int) -> Listed:
    """The state a section lists, entries numbered from ``first_entry``; damaged blocks are passed over."""
    listed = Listed()
    entry = first_entry
    for parsed in _parsed(section, BlockKind.PROCESSES):
        for process in parsed.entries:
            thread = _thread(process, entry)
            entry += 1
            listed.entries += 1
            listed.threads[thread.tid] = thread
            listed.counters[thread.entry] = Counters(
                process.pfmajor, process.pfminor, process.vmsize_kb, process.vmrss_kb, process.vmswap_kb
            )
    for parsed in _parsed(section, BlockKind.DESCRIPTORS):
        if parsed.tid in listed.threads:
            listed.descriptors[parsed.tid] = list(parsed.entries)
    for parsed in _parsed(section, BlockKind.INTERFACES):
        listed.interfaces = [Interface(entry.name, entry.address, entry.netmask) for entry in parsed.entries]
    for parsed in _parsed(section, BlockKind.USERS):
        listed.accounts = _accounts(parsed.entries)
    return listed


def _parsed(section: Section, kind: BlockKind) -> Iterator[Any]:
    for block in section.of_kind(kind):
        try:
            yield block.parse()
        except CorruptedError:  # the reader's damage list is about framing; a bad list only means less is known
            continue


def _accounts(entries: list[Any]) -> Accounts:
    accounts = Accounts()
    for entry in entries:
        if entry.kind == KIND_USER:
            accounts.users[b"", entry.uid] = Account(bytes(entry.name), bytes(entry.home), bytes(entry.shell))
        else:
            accounts.groups[b"", entry.gid] = Account(bytes(entry.name))
    return accounts


def _thread(process: Any, entry: int) -> Thread:
    tid, pid = _signed(process.tid, 64), _signed(process.pid, 64)
    is_main = tid == pid or bool(process.flags & ThreadFlag.IS_MAIN)
    cgroups = ended_items(bytes(process.cgroups))
    return Thread(
        entry=entry,
        table=entry,
        tid=tid,
        pid=pid,
        ptid=_signed(process.ptid, 64),
        sid=_signed(process.sid, 64),
        vpgid=_signed(process.vpgid, 64),
        pgid=process.pgid,
        vtid=process.vtid,
        vpid=process.vpid,
        comm=bytes(process.comm),
        exe=bytes(process.exe),
        exepath=bytes(process.exepath),
        args=ended_items(bytes(process.args)),
        env=leading_items(bytes(process.env)) if is_main else b"",
        cwd=as_directory(join(b"", bytes(process.cwd))) if is_main else b"",
        root=bytes(process.root),
        cgroups=cgroups,
        container=thread_container(cgroups, bytes(process.root), leading_items(bytes(process.env))),
        flags=process.flags | ThreadFlag.ACTIVE,
        fdlimit=_signed(process.fdlimit, 64),
        uid=process.uid & NO_ID,
        gid=process.gid & NO_ID,
        loginuid=_signed(process.loginuid, 32),
        tty=process.tty,
        exe_flags=_exe_flags(process),
        exe_ino=process.exe_ino,
        exe_ino_ctime=process.exe_ino_ctime,
        exe_ino_mtime=process.exe_ino_mtime,
        cap_inheritable=process.cap_inheritable,
        cap_permitted=process.cap_permitted,
        cap_effective=process.cap_effective,
        pidns_init_start_ts=process.pidns_init_start_ts,
    )


def _exe_flags(process: Any) -> int:
    """The flags of the executable as execve events give them."""
    bits = (process.exe_writable, process.exe_upper_layer, process.exe_from_memfd, process.exe_lower_layer)
    return sum(bool(is_set) << place for place, is_set in enumerate(bits))


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
