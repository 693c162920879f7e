"""A slow model of the state: tables of threads and descriptors changed event by event, as one would write it first.

It knows the calls of `scenarios` and nothing else. The rules about single paths and sockets are shared with the engine;
which thread, table, enter event and descriptor they are applied to, and when, is worked out here independently.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scap_formats.descriptors import DescriptorType
from scaptools.state import sockets
from scaptools.state.descriptors import Descriptor, Endpoints, parse_address, parse_tuple
from scaptools.state.initial import Interface
from scaptools.state.paths import join, with_slash
from tests.state.scenarios import FILES, INTERFACES, LISTED, LISTED_FDS, THREAD, Ev

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN, NO_ID = b"<NA>", 0xFFFFFFFF
#: Enter types whose parameter 0 is the descriptor.
USING = {4, 6, 8, 70, 124, 150, 20, 22, 30, 34, 96}
#: Types that have descriptor fields.
WITH_FD = {each + step for each in USING for step in (0, 1)} | {
    2,
    3,
    306,
    307,
    60,
    61,
    42,
    43,
    62,
    63,
    18,
    19,
    246,
    247,
    47,
}
STORING = {2, 306, 18, 62, 96, 198, 194, 144, 30, 292, 150}
CLONE, EXECVE, PROCEXIT, SWITCH = 223, 293, 186, 152


def number(data: bytes) -> int:
    """A signed number of 4 or 8 bytes, or an unsigned one of 1."""
    return int.from_bytes(data, "little", signed=len(data) > 1)


def unsigned(data: bytes) -> int:
    return int.from_bytes(data, "little")


def text(data: bytes) -> bytes:
    return data.partition(b"\0")[0]


@dataclass
class Thread:
    """One thread; ``fds`` is its own table, used only where it does not share its main thread's."""

    tid: int
    pid: int
    ptid: int = -1
    comm: bytes = UNKNOWN
    exe: bytes = UNKNOWN
    exepath: bytes = b""
    args: bytes = b""
    env: bytes = b""
    cwd: bytes = b""
    uid: int = NO_ID
    gid: int = NO_ID
    sid: int = -1
    vpgid: int = -1
    flags: int = 0
    fdlimit: int = -1
    children: int = 0
    clone_ts: int = 0
    memory: tuple[int, int, int] = (0, 0, 0)
    faults: tuple[int, int] = (0, 0)
    fds: dict[int, Descriptor] = field(default_factory=dict)
    closing: set[int] = field(default_factory=set)
    overtaken: set[int] = field(default_factory=set)
    enter: Ev | None = None
    intact: bool = False
    latency: int = 0
    fd: int = 0


class Model:
    """The machine's state between two events."""

    def __init__(self) -> None:
        self.threads: dict[int, Thread] = {}
        self.leaving: list[int] = []
        self.closed: list[tuple[Thread, int]] = []
        self.network = sockets.Network(tuple(Interface(*each) for each in INTERFACES))
        for tid in LISTED:
            fds = {int(each["fd"]): _listed(each) for each in LISTED_FDS}
            self.threads[tid] = Thread(
                tid, tid, 1, b"listed", b"/bin/listed", b"/bin/listed", b"-l", b"A=1", b"/data/dir/", 1000, 1000, 1, 1,
                fdlimit=256, fds=fds,
            )  # fmt: skip

    # Threads ------------------------------------------------------------------------------------------------------

    def members(self, pid: int) -> int:
        return sum(thread.pid == pid for thread in self.threads.values())

    def get(self, tid: int) -> Thread:
        """A thread, made up where it is not known."""
        if tid not in self.threads:
            self.threads[tid] = Thread(tid, tid, children=self.members(tid))
        return self.threads[tid]

    def main(self, thread: Thread) -> Thread:
        return thread if thread.tid == thread.pid else self.get(thread.pid)

    def table(self, thread: Thread) -> Thread:
        """The thread whose descriptors a thread uses."""
        return self.main(thread) if thread.flags & FILES and thread.tid != thread.pid else thread

    def remove(self, tid: int, *, force: bool) -> None:
        thread = self.threads.get(tid)
        if thread is None or (thread.children > 0 and not force):
            return
        if thread.flags & THREAD and thread.pid in self.threads:
            main = self.threads[thread.pid]
            main.children = max(main.children - 1, 0)
        del self.threads[tid]
        if force and thread.children > 0:
            counts: dict[int, int] = {}
            for other in self.threads.values():
                other.children = 0
                if other.flags & THREAD:
                    counts[other.pid] = counts.get(other.pid, 0) + 1
            for pid, count in counts.items():
                self.get(pid).children += count
        elif not force and thread.tid == thread.pid and self.members(tid):
            self.get(tid)

    def clone(self, event: Ev, params: Sequence[bytes]) -> None:
        result = number(params[0])
        flags = unsigned(params[15])
        if result < 0:
            return
        if number(params[18]) != event.tid:
            self.clone_in_namespace(event, params, result)
            return
        if result > 0:
            child, parent = result, event.tid
        else:
            child = event.tid
            if child in self.threads:
                return
            parent = number(params[4] if flags & THREAD else params[5])
        mother = self.get(parent)
        if child in self.threads:
            if result == 0:
                return
            self.remove(child, force=True)
            self.threads.pop(child, None)
        comm, exe, args = text(params[13]), text(params[1]), params[2].removesuffix(b"\0")
        born = Thread(child, number(params[4]) if flags & THREAD else child, parent, comm, exe, args=args)
        if mother.comm == UNKNOWN and mother.uid == NO_ID:
            self.remove(parent, force=True)
            mother = self.get(parent)
            mother.comm, mother.exe, mother.args = comm, exe, args
        else:
            born.exepath, born.sid, born.vpgid = mother.exepath, mother.sid, mother.vpgid
            if not flags & THREAD:
                born.env = mother.env
        born.uid, born.gid, born.flags = unsigned(params[16]), unsigned(params[17]), flags
        born.fdlimit, born.clone_ts = number(params[7]), event.ts
        born.faults = (unsigned(params[8]), unsigned(params[9]))
        born.memory = (unsigned(params[10]), unsigned(params[11]), unsigned(params[12]))
        if flags & THREAD:
            if born.pid != child:
                self.get(born.pid).children += 1
        else:
            born.cwd = self.main(mother).cwd
            born.fds = dict(self.table(mother).fds)
        self.threads[child] = born

    def clone_in_namespace(self, event: Ev, params: Sequence[bytes], result: int) -> None:
        raise AssertionError("scenarios have no namespaces")

    def execve(self, thread: Thread, params: Sequence[bytes], enter: Ev | None) -> None:
        if number(params[0]) < 0:
            return
        thread.exe, thread.comm, thread.args = text(params[1]), text(params[13]), params[2].removesuffix(b"\0")
        thread.pid, thread.fdlimit = number(params[4]), number(params[7])
        if thread.ptid == -1:
            thread.ptid = number(params[5])
        thread.env, thread.vpgid = params[15].removesuffix(b"\0"), number(params[17])
        thread.faults = (unsigned(params[8]), unsigned(params[9]))
        thread.memory = (unsigned(params[10]), unsigned(params[11]), unsigned(params[12]))
        thread.flags = 0
        if enter is not None and enter.params[0] != b"\0":
            thread.exepath = join(thread.cwd, text(enter.params[0]))
        elif enter is not None:
            thread.exepath = join(thread.cwd, b"")

    # Events -------------------------------------------------------------------------------------------------------

    def step(self, event: Ev) -> dict[str, object]:
        """Take in an event; what its thread and descriptor look like then."""
        for tid in self.leaving:
            self.remove(tid, force=False)
        for owner, fd in self.closed:
            owner.fds.pop(fd, None)
        self.leaving, self.closed = [], []
        if event.type not in {CLONE, SWITCH}:
            self.get(event.tid)
        thread = self.threads.get(event.tid)
        paired = usable = None
        shown: Descriptor | None = None
        names = None
        if thread is not None and event.type != SWITCH:
            paired, usable = self.pair(thread, event)
        if event.type == CLONE:
            self.clone(event, event.params)
            thread = self.threads.get(event.tid)
        elif thread is not None:
            before = self.table(thread).fds.get(thread.fd)
            shown = self.parse(thread, event, paired, usable)
            names = before
        return self.observe(event, thread, shown, names)

    def pair(self, thread: Thread, event: Ev) -> tuple[Ev | None, Ev | None]:
        """The enter event of an exit, and the same if its parameters may be used."""
        if event.type % 2 == 0:
            thread.enter, thread.intact, thread.latency = event, True, 0
            thread.fd = number(event.params[0]) if event.type in USING else -1
            return None, None
        enter = thread.enter
        if enter is not None:
            thread.latency = event.ts - enter.ts
        paired = enter if enter is not None and enter.type + 1 == event.type else None
        usable = paired if thread.intact and paired is not None and paired.type in STORING else None
        thread.intact = False
        return paired, usable

    def add(self, thread: Thread, fd: int, descriptor: Descriptor) -> Descriptor:
        owner = self.table(thread)
        if fd in owner.closing:
            owner.overtaken.add(fd)
        owner.fds[fd] = descriptor
        thread.fd = fd
        return descriptor

    def parse(self, thread: Thread, event: Ev, paired: Ev | None, usable: Ev | None) -> Descriptor | None:
        """Change the state; the descriptor shown where it is not the remembered one."""
        params, owner = event.params, self.table(thread)
        current = owner.fds.get(thread.fd) if paired is not None and paired.type in USING else None
        rule = getattr(self, f"on_{event.type}", None)
        if event.type == 4:
            owner.closing.add(number(params[0]))
            owner.overtaken.discard(number(params[0]))
            return None
        return rule(thread, params, current, usable) if rule is not None else None

    def on_3(self, thread: Thread, params: Sequence[bytes], current: object, enter: Ev | None) -> None:
        name, flags = text(params[1]), unsigned(params[2])
        if enter is not None and len(enter.params) > 1 and enter.params[0] != b"\0":
            name, flags = text(enter.params[0]), unsigned(enter.params[1])
        elif enter is not None and len(enter.params) > 1:
            flags = unsigned(enter.params[1])
        if number(params[0]) >= 0:
            kind = DescriptorType.DIRECTORY if flags & 0x400 else DescriptorType.FILE
            self.add(thread, number(params[0]), Descriptor(kind, join(self.main(thread).cwd, name)))

    def on_307(self, thread: Thread, params: Sequence[bytes], current: object, enter: Ev | None) -> Descriptor | None:
        directory, name = number(params[1]), text(params[2])
        if enter is not None:
            directory = number(enter.params[0])
            name = text(enter.params[1]) or name
        base = self.table(thread).fds.get(directory)
        start = b"<UNKNOWN>" if base is None else with_slash(base.name)
        if directory == -100 or name.startswith(b"/"):
            start = self.main(thread).cwd
        if number(params[0]) >= 0:
            self.add(thread, number(params[0]), Descriptor(DescriptorType.FILE, join(start, name), dev=5))
            return None
        return base if directory != -100 and not name.startswith(b"/") else None

    def on_5(self, thread: Thread, params: Sequence[bytes], current: object, enter: Ev | None) -> None:
        owner, fd = self.table(thread), thread.fd
        paired = thread.enter is not None and thread.enter.type == 4
        if paired:
            fd = number(thread.enter.params[0])  # type: ignore[union-attr]
            if number(params[0]) >= 0 and fd not in owner.overtaken:
                self.closed.append((owner, fd))
            owner.closing.discard(fd)
            owner.overtaken.discard(fd)

    def used(self, thread: Thread, params: Sequence[bytes], current: Descriptor | None, enter: Ev | None) -> None:
        connection = current is not None and current.type in {DescriptorType.IPV4_SOCKET, DescriptorType.IPV6_SOCKET}
        if connection and number(params[0]) >= 0:
            self.table(thread).fds[thread.fd] = current._replace(connected=True)  # type: ignore[union-attr]

    on_7 = on_9 = used

    def on_125(self, thread: Thread, params: Sequence[bytes], current: Descriptor | None, enter: Ev | None) -> None:
        if current is not None and number(params[0]) >= 0:
            self.add(thread, number(params[0]), current)

    def on_151(self, thread: Thread, params: Sequence[bytes], current: Descriptor | None, enter: Ev | None) -> None:
        if enter is not None and enter.params[1] == b"\1":
            self.on_125(thread, params, current, enter)

    def pair_of(self, thread: Thread, params: Sequence[bytes], made: Descriptor) -> Descriptor | None:
        if number(params[0]) < 0:
            return None
        self.add(thread, number(params[1]), made)
        return self.add(thread, number(params[2]), made)

    def on_61(self, thread: Thread, params: Sequence[bytes], *_: object) -> None:
        self.pair_of(thread, params, Descriptor(DescriptorType.FIFO, ino=9))

    def on_43(self, thread: Thread, params: Sequence[bytes], *_: object) -> Descriptor | None:
        ends = Endpoints(sockets.UNIX, params[3], 0, params[4], 0)
        return self.pair_of(thread, params, Descriptor(DescriptorType.UNIX_SOCKET, ends=ends))

    def on_63(self, thread: Thread, params: Sequence[bytes], *_: object) -> None:
        if number(params[0]) >= 0:
            self.add(thread, number(params[0]), Descriptor(DescriptorType.EVENTFD))

    def on_19(self, thread: Thread, params: Sequence[bytes], current: object, enter: Ev | None) -> None:
        if number(params[0]) >= 0 and enter is not None:
            self.add(thread, number(params[0]), sockets.created(*map(unsigned, enter.params)))

    def change(self, thread: Thread, current: Descriptor | None, changed: Descriptor | None) -> None:
        if current is not None and changed is not None:
            self.table(thread).fds[thread.fd] = changed

    def on_21(self, thread: Thread, params: Sequence[bytes], current: Descriptor | None, *_: object) -> None:
        ends = parse_address(params[1], "little")
        if current is not None and ends is not None and number(params[0]) >= 0:
            self.change(thread, current, sockets.bound(current, ends))

    def on_23(self, thread: Thread, params: Sequence[bytes], current: Descriptor | None, *_: object) -> None:
        if current is not None and (number(params[0]) >= 0 or number(params[0]) == -115):
            changed = sockets.connected(current, parse_tuple(params[1], "little"))
            is_file = current.type in {DescriptorType.FILE, DescriptorType.DIRECTORY} and not changed.ends.family
            self.change(thread, current, None if is_file else changed)

    def on_247(self, thread: Thread, params: Sequence[bytes], *_: object) -> None:
        ends = parse_tuple(params[1], "little")
        if number(params[0]) >= 0:
            thread.fd = number(params[0])
            if ends is not None:
                self.add(thread, thread.fd, sockets.accepted(ends))

    def on_30(self, thread: Thread, params: Sequence[bytes], *_: object) -> None:
        if thread.fd >= 0 and thread.fd not in self.table(thread).fds and params[2]:
            self.add(thread, thread.fd, sockets.created(2, 2, 0))

    def transfer(
        self, thread: Thread, params: Sequence[bytes], current: Descriptor | None, told: bytes, *, sends: bool
    ) -> None:
        ends = parse_tuple(told, "little")
        self.used(thread, params, current, None)
        if current is not None and ends is not None and number(params[0]) >= 0:
            now = self.table(thread).fds[thread.fd]
            others = [each for fd, each in self.table(thread).fds.items()]
            changed = sockets.transferred(now, ends, sends=sends, others=others, network=self.network)
            self.change(thread, current, changed)

    def on_31(self, thread: Thread, params: Sequence[bytes], current: Descriptor | None, enter: Ev | None) -> None:
        self.transfer(thread, params, current, b"" if enter is None else enter.params[2], sends=True)

    def on_35(self, thread: Thread, params: Sequence[bytes], current: Descriptor | None, enter: Ev | None) -> None:
        self.transfer(thread, params, current, params[2], sends=False)

    def on_47(self, thread: Thread, params: Sequence[bytes], *_: object) -> Descriptor | None:
        thread.fd = number(params[1])
        return self.main(thread).fds.get(thread.fd)

    def on_95(self, thread: Thread, params: Sequence[bytes], *_: object) -> None:
        main = self.main(thread)
        if number(params[0]) >= 0:
            main.cwd = with_slash(join(main.cwd, text(params[1])))

    def on_97(self, thread: Thread, params: Sequence[bytes], current: object, enter: Ev | None) -> None:
        main = self.main(thread)
        directory = None if enter is None else self.table(thread).fds.get(number(enter.params[0]))
        if directory is not None and number(params[0]) >= 0:
            main.cwd = with_slash(join(main.cwd, directory.name)) if directory.name else b"/"

    def on_199(self, thread: Thread, params: Sequence[bytes], current: object, enter: Ev | None) -> None:
        if enter is not None and number(params[0]) >= 0:
            thread.uid = unsigned(enter.params[0])

    def on_195(self, thread: Thread, params: Sequence[bytes], current: object, enter: Ev | None) -> None:
        if enter is not None and number(params[0]) >= 0 and unsigned(enter.params[1]) != NO_ID:
            thread.gid = unsigned(enter.params[1])

    def on_275(self, thread: Thread, params: Sequence[bytes], *_: object) -> None:
        if number(params[0]) >= 0:
            thread.sid = number(params[0])

    def on_145(self, thread: Thread, params: Sequence[bytes], current: object, enter: Ev | None) -> None:
        if enter is not None and enter.params[1] == b"\7" and number(params[0]) >= 0:
            self.main(self.get(number(enter.params[0]) or thread.tid)).fdlimit = number(params[1])

    def on_159(self, thread: Thread, params: Sequence[bytes], *_: object) -> None:
        thread.memory = (unsigned(params[1]), unsigned(params[2]), unsigned(params[3]))

    def on_152(self, thread: Thread, params: Sequence[bytes], *_: object) -> None:
        thread.faults = (unsigned(params[1]), unsigned(params[2]))
        self.main(thread).memory = (unsigned(params[3]), unsigned(params[4]), unsigned(params[5]))

    def on_293(self, thread: Thread, params: Sequence[bytes], current: object, enter: Ev | None) -> None:
        self.execve(thread, params, enter)

    def on_186(self, thread: Thread, *_: object) -> None:
        self.leaving.append(thread.tid)

    # Observing ----------------------------------------------------------------------------------------------------

    def observe(self, event: Ev, thread: Thread | None, shown: Descriptor | None, before: object) -> dict[str, object]:
        """What the fields say, by name; only the event type's number is there for events without a thread."""
        if thread is None:
            return {"proc.name": None}
        main = self.main(thread)
        seen: dict[str, object] = {
            "proc.name": thread.comm,
            "proc.pid": thread.pid,
            "proc.ppid": main.ptid,
            "proc.args": thread.args.replace(b"\0", b" "),
            "proc.exepath": thread.exepath,
            "proc.cwd": main.cwd,
            "proc.env": main.env.replace(b"\0", b" "),
            "proc.sid": thread.sid,
            "proc.vpgid": thread.vpgid,
            "proc.nthreads": main.children + 1,
            "proc.nchilds": thread.children,
            "proc.fdlimit": main.fdlimit,
            "proc.fdopencount": len(main.fds),
            "proc.vmsize": thread.memory[0],
            "thread.pfminor": thread.faults[1],
            "user.uid": thread.uid,
            "group.gid": thread.gid,
            "evt.latency": thread.latency,
        }
        parent = self.threads.get(thread.ptid)
        seen["proc.pname"] = None if parent is None else parent.comm
        if event.type in WITH_FD:
            descriptor = shown or self.table(thread).fds.get(thread.fd)
            seen["fd.num"] = thread.fd
            seen["fd.type"] = None if descriptor is None else descriptor.type
            if descriptor is not None:
                seen["fd.connected"] = descriptor.connected
                seen["fd.l4proto"] = descriptor.l4 if descriptor.role else None
                if not (event.type == 23 and number(event.params[0]) < 0):
                    seen["fd.name"] = descriptor.name
        return seen


def _listed(entry: dict[str, object]) -> Descriptor:
    return Descriptor(int(entry["type"]), bytes(entry["name"]))  # type: ignore[call-overload]


def observations(events: Sequence[Ev]) -> list[dict[str, object]]:
    """What the fields say at every event."""
    model = Model()
    return [model.step(event) for event in events]
