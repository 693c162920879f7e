"""The thread table plugins are offered: what is known of threads and their descriptors, as changes along batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scap_formats.descriptors import DescriptorType
from scaptools.plugins.shared.tables import Change
from scaptools.state.attached import state_of
from scaptools.state.descriptors import CONNECTIONS, SERVERS, UNIX
from scaptools.state.paths import known
from scaptools.state.timeline import ABSENT, BEFORE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.section import Section
    from scaptools.state.descriptors import Endpoints
    from scaptools.state.fdstate import BatchDescriptors
    from scaptools.state.thread import Thread

#: Attributes of a thread by the table's names.
_SAME = ("tid", "pid", "ptid", "sid", "vtid", "vpid", "vpgid", "pgid", "comm", "exe", "root", "tty")
_RENAMED = {
    "fdlimit": "fd_limit",
    "exe_ino": "exe_ino",
    "exe_ino_ctime": "exe_ino_ctime",
    "exe_ino_mtime": "exe_ino_mtime",
    "pidns_init_start_ts": "pidns_init_start_ts",
}
_WORDS = ("flags", "uid", "gid", "loginuid")
#: The bits of what is known of an executable.
_EXE_FLAGS = ("exe_writable", "exe_upper_layer", "exe_from_memfd", "exe_lower_layer")
_WORD = 0xFFFFFFFF


class ThreadChanges:
    """Changes of one capture's threads, batch by batch in order; only what is new is told."""

    def __init__(self) -> None:
        self._section: Section | None = None

    def along(self, batch: EventBatch) -> list[Change]:
        """The changes along the next batch, which has state with descriptors, in order of position."""
        anew = batch.section is not self._section
        self._section = batch.section
        changes = [Change(BEFORE, "reset")] if anew else []
        changes += _of_descriptors(state_of(batch).descriptors, anew=anew)
        changes += _of_threads(batch, anew=anew)
        changes.sort(key=lambda change: change.position)
        return changes


def _of_threads(batch: EventBatch, *, anew: bool) -> Iterator[Change]:
    state = state_of(batch)
    for tid, position, version in zip(*state.thread_writes, strict=True):
        if position == BEFORE and not anew:
            continue
        if version == ABSENT:
            yield Change(position, "gone", tid)
        else:
            thread = state.versions[version]
            yield Change(position, "thread", tid, thread.table, _thread_values(thread))


def _thread_values(thread: Thread) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(thread, name) for name in _SAME}
    values |= {told: getattr(thread, name) for name, told in _RENAMED.items()}
    values |= {name: getattr(thread, name) & _WORD for name in (*_WORDS, "tty")}
    values |= {name: bool(thread.exe_flags >> bit & 1) for bit, name in enumerate(_EXE_FLAGS)}
    values["exe_path"], values["cwd"] = known(thread.exepath), known(thread.cwd)
    values["args"], values["env"] = _items(thread.args), _items(thread.env)
    values["cgroups"] = [list(item[0].partition(b"=")[::2]) for item in _items(thread.cgroups)]
    return values


def _items(joined: bytes) -> list[list[bytes]]:
    return [[item] for item in joined.split(b"\0")[:-1]]


def _of_descriptors(descriptors: BatchDescriptors, *, anew: bool) -> Iterator[Change]:
    for table, origin, position in descriptors.copies.tolist():
        yield Change(position, "copy", origin, table)
    flags, devs, inos = (descriptors.numbers(name).tolist() for name in ("flags", "dev", "ino"))
    types, names, raw_names = descriptors.types.tolist(), descriptors.names, descriptors.raw_names
    for table, fd, position, value in descriptors.writes.T.tolist():
        if position == BEFORE and not anew:
            continue
        if value == ABSENT:
            yield Change(position, "closed", fd, table)
            continue
        values = {
            "fd": fd,
            "type": types[value],
            "open_flags": flags[value] & _WORD,
            "dev": devs[value] & _WORD,
            "ino": inos[value] & (1 << 64) - 1,
            "name": names[value].as_py() or b"",
            "name_raw": raw_names[value].as_py() or b"",
        }
        made = descriptors.descriptor(value)
        if made is not None:
            values |= _socket_values(made.type, made.ends, made.l4)
        yield Change(position, "open", fd, table, values)


def _socket_values(type_: int, ends: Endpoints, l4: int) -> dict[str, int]:
    """The members of a socket's kind; addresses are as they lie in memory."""
    if type_ in CONNECTIONS:
        if type_ == DescriptorType.IPV4_SOCKET:
            addresses = {
                "socket_ipv4_src_ip": _number(ends.sip[:4]),
                "socket_ipv4_dest_dip": _number(ends.dip[:4]),
            }
            prefix = "socket_ipv4"
        else:
            addresses = _halves("socket_ipv6_src_ip", ends.sip) | _halves("socket_ipv6_dest_ip", ends.dip)
            prefix = "socket_ipv6"
        return addresses | {
            f"{prefix}_src_port": ends.sport,
            f"{prefix}_dst_port": ends.dport,
            f"{prefix}_l4_proto": l4,
        }
    if type_ in SERVERS:
        is_v4 = type_ == DescriptorType.IPV4_SERVER_SOCKET
        prefix = "socket_ipv4_server" if is_v4 else "socket_ipv6_server"
        address = {f"{prefix}_ip": _number(ends.dip[:4])} if is_v4 else _halves(f"{prefix}_ip", ends.dip)
        return address | {f"{prefix}_port": ends.dport, f"{prefix}_l4_proto": l4}
    if ends.family == UNIX:
        return {"socket_unix_src": _number(ends.sip[:8]), "socket_unix_dest": _number(ends.dip[:8])}
    return {}


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _halves(name: str, address: bytes) -> dict[str, int]:
    return {f"{name}_low": _number(address[:8]), f"{name}_high": _number(address[8:16])}
