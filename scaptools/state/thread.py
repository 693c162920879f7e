"""Threads: what is known about one between two changes."""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from scaptools.state.paths import Path

#: Stands for the name of a thread that was met without being announced; a text, not a missing value.
UNKNOWN_NAME = b"<NA>"
#: A user or group id that nobody has.
NO_ID = 0xFFFFFFFF


class ThreadFlag(IntFlag):
    """Bits of a thread's flags: those of clone and some of the state's own."""

    FILES = 0x1
    NEWPID = 0x40
    PARENT = 0x100
    THREAD = 0x2000
    INVERTED = 0x1_0000
    NAME_CHANGED = 0x2_0000
    CLOSED = 0x4_0000
    ACTIVE = 0x8_0000
    PIPE_SRC = 0x20_0000
    PIPE_DST = 0x40_0000
    VFORK = 0x800_0000
    CHILD_IN_PIDNS = 0x2000_0000
    IS_MAIN = 0x4000_0000


class Counters(NamedTuple):
    """Page faults since the start and memory in kB."""

    pfmajor: int = 0
    pfminor: int = 0
    vmsize: int = 0
    vmrss: int = 0
    vmswap: int = 0


class Thread(NamedTuple):
    """One version of a thread: its attributes from one change to the next.

    ``entry`` numbers the incarnations of all thread ids of a capture; ``table`` is the entry whose file descriptors
    the thread uses.
    ``args``, ``env`` and ``cgroups`` are lists with a NUL behind every item. Attributes of a process (``cwd``, ``env``,
    ``fdlimit``, ``children``) are those of its main thread; others carry what they were born with.
    """

    entry: int
    table: int
    tid: int
    pid: int
    ptid: int = -1
    sid: int = -1
    vpgid: int = -1
    pgid: int = -1
    vtid: int = -1
    vpid: int = -1
    comm: bytes = UNKNOWN_NAME
    exe: bytes = UNKNOWN_NAME
    exepath: Path = b""
    args: bytes = b""
    env: bytes = b""
    cwd: Path = b""
    root: bytes = b""
    cgroups: bytes = b""
    container: bytes = b""
    flags: int = 0
    fdlimit: int = -1
    uid: int = NO_ID
    gid: int = NO_ID
    loginuid: int = -1
    tty: int = 0
    exe_flags: int = 0
    exe_ino: int = 0
    exe_ino_ctime: int = 0
    exe_ino_mtime: int = 0
    cap_inheritable: int = 0
    cap_permitted: int = 0
    cap_effective: int = 0
    pidns_init_start_ts: int = 0
    clone_ts: int = 0
    children: int = 0

    @property
    def is_main(self) -> bool:
        """Whether the thread is its process."""
        return self.tid == self.pid or bool(self.flags & ThreadFlag.IS_MAIN)

    @property
    def is_unknown(self) -> bool:
        """Whether nothing but the thread id is known."""
        return self.comm == UNKNOWN_NAME and self.uid == NO_ID
