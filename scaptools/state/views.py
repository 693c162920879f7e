"""Views: threads and descriptors as one looks at them one by one, with text instead of bytes.

Text that is not UTF-8 shows its odd bytes escaped. What is not known is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaptools.state.descriptors import CONNECTIONS, SERVERS, TYPE_TEXTS, Role, address_text, transport
from scaptools.state.paths import known

if TYPE_CHECKING:
    from scaptools.state.descriptors import Descriptor
    from scaptools.state.thread import Thread


@dataclass(frozen=True, slots=True)
class ThreadView:
    """A thread at an event; ``args``, ``env`` and ``cwd`` are those of its process.

    ``started_ns`` is when the capture saw it being made, None for one that was there before.
    """

    tid: int
    pid: int
    ppid: int
    name: str
    exe: str
    exepath: str
    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    uid: int
    gid: int
    container_id: str | None
    started_ns: int | None

    @property
    def is_main(self) -> bool:
        """Whether the thread is its process's first."""
        return self.tid == self.pid


@dataclass(frozen=True, slots=True)
class FdView:
    """A descriptor at an event.

    ``type`` is the one ``fd.type`` gives. ``client`` and ``server`` are the addresses with ports of both ends of an IP
    connection, of a listening socket only ``server``.
    """

    num: int
    type: str
    name: str
    transport: str | None = None
    client: tuple[str, int] | None = None
    server: tuple[str, int] | None = None


def thread_view(thread: Thread, main: Thread | None) -> ThreadView:
    """A thread whose process's main thread is ``main``, None where that is unknown."""
    process = main or thread
    return ThreadView(
        tid=thread.tid,
        pid=thread.pid,
        ppid=process.ptid,
        name=text(thread.comm),
        exe=text(thread.exe),
        exepath=text(known(thread.exepath)),
        args=items(thread.args),
        env=items(process.env),
        cwd=text(known(process.cwd)),
        uid=thread.uid,
        gid=thread.gid,
        container_id=text(thread.container) or None,
        started_ns=thread.clone_ts or None,
    )


def fd_view(num: int, descriptor: Descriptor) -> FdView:
    """What a descriptor of some number refers to."""
    kind = TYPE_TEXTS[descriptor.type][1] if descriptor.type in TYPE_TEXTS else "<NA>"
    ends, client, server = descriptor.ends, None, None
    if descriptor.type in SERVERS:
        server = address_text(ends.dip), ends.dport
    elif descriptor.type in CONNECTIONS and descriptor.role != Role.NONE:
        client, server = (address_text(ends.sip), ends.sport), (address_text(ends.dip), ends.dport)
    return FdView(num, kind, text(descriptor.name), transport(descriptor), client, server)


def text(value: bytes) -> str:
    """Bytes as text."""
    return value.decode("utf-8", "backslashreplace")


def items(value: bytes) -> tuple[str, ...]:
    """A list with a NUL behind every item as texts."""
    return tuple(map(text, value.split(b"\0")[:-1]))
