"""Lifecycle: which thread has which attributes from when on.

Threads are born, change and end in few events; those are gone through one by one, in capture order. The outcome is a
list of versions and a list of writes (thread id, position, version), from which the version any event sees is an
as-of join.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from scaptools.state.accounts import Account, AccountTimeline
from scaptools.state.containers import Container, met_container, parse_container, plain_container, thread_container
from scaptools.state.initial import Accounts
from scaptools.state.lifetypes import (
    EXECVE_FILENAMES,
    EXECVE_NUMBERS,
    GROUP_ADDED,
    GROUP_DELETED,
    IDENTITY_CHANGES,
    PROCEXITS,
    RLIMIT_ARGUMENTS,
    USER_ADDED,
    USER_DELETED,
    clone_layouts,
    execve_layouts,
    touching_exempt,
)
from scaptools.state.paths import Path, PathNode, join, known, with_slash
from scaptools.state.records import WIDEST, Record, items, leading_items, param, text
from scaptools.state.thread import NO_ID, UNKNOWN_NAME, Counters, Thread, ThreadFlag
from scaptools.state.timeline import BEFORE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal

    ByteOrder: TypeAlias = Literal["little", "big"]

#: A child that is older than this when it reports its own birth is somebody else with the same id.
_STALE_NS = 2_000_000_000
#: Parameters of an execve up to 0.29.3; only newer captures tell which descriptors it closes.
_CLASSIC_EXECVE = 20
#: Where the end of a thread tells who takes its children, in captures that do.
_REAPER = 4
#: So many main threads that ended before others of their process are kept.
_MOST_ENDED = 4096
#: What a list of resource limits calls the number of open files.
_RLIMIT_NOFILE = 7
#: Flags that survive an execve.
_KEPT_FLAGS = ThreadFlag.PIPE_SRC | ThreadFlag.PIPE_DST | ThreadFlag.IS_MAIN | ThreadFlag.INVERTED
#: What clone hands on from a caller that is known.
_INHERITED = ("exepath", "exe_flags", "root", "sid", "vpgid", "pgid", "tty", "loginuid")


class Happening(NamedTuple):
    """One event of a thread's life: ``record`` is the event's, ``enter`` its enter event's or None.

    ``enter_position`` is when the enter event was.
    """

    row: int
    type: int
    tid: int
    ts: int
    record: Record
    enter: Record | None
    enter_position: int


class Birth(NamedTuple):
    """A descriptor table that started as a copy of another at a position."""

    table: int
    parent: int
    position: int


class CountersWrite(NamedTuple):
    """New counters of an entry."""

    entry: int
    position: int
    counters: Counters


@dataclass(slots=True)
class Population:
    """The threads alive now, and what is known besides; carried from batch to batch."""

    threads: dict[int, Thread] = field(default_factory=dict)
    members: Counter[int] = field(default_factory=Counter)
    containers: dict[bytes, Container] = field(default_factory=dict)
    accounts: Accounts = field(default_factory=Accounts)
    next_entry: int = 0
    #: Main threads that ended before other threads of their process, by thread id: their entries.
    ended: dict[int, int] = field(default_factory=dict)


class Lifecycle:
    """One batch's pass over the lives of threads.

    ``versions`` and ``writes`` describe thread attributes; ``births``, ``deaths`` (entry, position), ``executed``
    (table, position) and ``nodes`` serve the descriptor tables, ``counters`` the counters, ``container_writes``
    (position, container) what is known about containers.
    """

    def __init__(self, population: Population, byteorder: ByteOrder) -> None:
        self.population = population
        self.byteorder = byteorder
        self.versions: list[Thread] = list(population.threads.values())
        self.tids: list[int] = list(population.threads)
        self.positions: list[int] = [BEFORE] * len(self.tids)
        self.indices: list[int] = list(range(len(self.tids)))
        self.born: dict[int, int] = {}
        self.births: list[Birth] = []
        self.deaths: list[tuple[int, int]] = []
        self.executed: list[tuple[int, int]] = []
        self.nodes: list[PathNode] = []
        self.counters: list[CountersWrite] = []
        self.container_writes: list[tuple[int, Container]] = [
            (BEFORE, container) for container in population.containers.values()
        ]
        #: Threads by the id of their parent, some of them no longer its; worked out once it is needed.
        self._by_parent: dict[int, list[int]] | None = None
        self.users = AccountTimeline(population.accounts.users)
        self.groups = AccountTimeline(population.accounts.groups)

    def run(self, happenings: list[Happening]) -> None:
        """Go through the events, which have to be in capture order."""
        threads = self.population.threads
        handlers = _handlers()
        exempt = touching_exempt()
        for happening in happenings:
            if happening.tid not in threads and happening.type not in exempt:
                self._add_unknown(happening.tid, 2 * happening.row)
            handler = handlers.get(happening.type)
            if handler is not None:
                handler(self, happening)

    # Writing ------------------------------------------------------------------------------------------------------

    def _put(self, thread: Thread, position: int) -> Thread:
        self.population.threads[thread.tid] = thread
        if self._by_parent is not None:
            self._by_parent.setdefault(thread.ptid, []).append(thread.tid)
        self.tids.append(thread.tid)
        self.positions.append(position)
        self.indices.append(len(self.versions))
        self.versions.append(thread)
        return thread

    def _add(self, thread: Thread, position: int) -> Thread:
        self.born[thread.entry] = position
        self.population.members[thread.pid] += 1
        added = self._put(thread, position)
        if thread.tid == thread.pid and self.population.members[thread.pid] > 1:
            self._follow_main(added, position)
        return added

    def _change(self, tid: int, position: int, **changes: object) -> Thread | None:
        thread = self.population.threads.get(tid)
        if thread is None:
            return None
        return self._put(thread._replace(**changes), position)  # type: ignore[arg-type]

    def _take_entry(self) -> int:
        self.population.next_entry += 1
        return self.population.next_entry - 1

    def _add_unknown(self, tid: int, position: int) -> Thread:
        entry = self._take_entry()
        children = self.population.members[tid]
        thread = Thread(entry, entry, tid, tid, children=children)
        self.counters.append(CountersWrite(entry, position, Counters()))
        return self._add(thread, position)

    def _get(self, tid: int, position: int) -> Thread:
        found = self.population.threads.get(tid)
        return self._add_unknown(tid, position) if found is None else found

    def _main(self, thread: Thread, position: int) -> Thread:
        return thread if thread.is_main else self._get(thread.pid, position)

    def _remove(self, thread: Thread, position: int, *, force: bool) -> None:
        if thread.children > 0 and not force:
            return
        threads = self.population.threads
        if thread.flags & ThreadFlag.THREAD:
            main = threads.get(thread.pid)
            if main is not None and main.children > 0:
                self._change(main.tid, position, children=main.children - 1)
        threads.pop(thread.tid, None)
        members = self.population.members
        members[thread.pid] -= 1
        if members[thread.pid] <= 0:
            del members[thread.pid]
        self.tids.append(thread.tid)
        self.positions.append(position)
        self.indices.append(-1)
        self.deaths.append((thread.entry, position))
        if thread.tid == thread.pid and not force and members[thread.pid]:
            self._add_unknown(thread.tid, position)  # its threads go on and need a main thread
        if force and thread.children > 0:
            self._recount(position)

    def _recount(self, position: int) -> None:
        """Count the threads of every process anew: a process was replaced whose threads are still there."""
        threads = self.population.threads
        counts = Counter(thread.pid for thread in threads.values() if thread.flags & ThreadFlag.THREAD)
        for thread in list(threads.values()):
            if thread.children != counts[thread.tid]:
                self._put(thread._replace(children=counts[thread.tid]), position)
        for pid in counts.keys() - threads.keys():
            main = self._add_unknown(pid, position)  # knows its threads already, and has them counted again
            self._change(pid, position, children=main.children + counts[pid])

    def _discard(self, tid: int) -> None:
        """Drop what a recount put in the place of a thread that is about to be replaced."""
        placeholder = self.population.threads.pop(tid, None)
        if placeholder is not None:
            self.population.members[placeholder.pid] -= 1

    def _follow_main(self, main: Thread, position: int) -> None:
        """Point the threads a process has already to the descriptors of its new main thread."""
        for thread in list(self.population.threads.values()):
            if thread.pid == main.tid != thread.tid and thread.flags & ThreadFlag.FILES:
                self._put(thread._replace(table=main.entry), position)

    # Numbers ------------------------------------------------------------------------------------------------------

    def _integer(self, record: Record, index: int, default: int = 0, *, signed: bool = True) -> int:
        value = param(record, index)
        return default if value is None else int.from_bytes(value[:WIDEST], self.byteorder, signed=signed)

    def _result(self, happening: Happening) -> int:
        return self._integer(happening.record, 0, -1)

    def _succeeded(self, happening: Happening) -> bool:
        return self._result(happening) >= 0

    def _argument(self, happening: Happening, exit_index: int, enter_index: int) -> bytes | None:
        """A parameter that newer captures store in the exit event and older ones in its enter event."""
        value = param(happening.record, exit_index)
        if value is not None or happening.enter is None:
            return value
        thread = self.population.threads.get(happening.tid)
        if thread is None or self.born.get(thread.entry, BEFORE) > happening.enter_position:
            return None  # the enter event was that of an earlier thread of this id
        return param(happening.enter, enter_index)

    def _unsigned_argument(self, happening: Happening, exit_index: int, enter_index: int) -> int | None:
        value = self._argument(happening, exit_index, enter_index)
        return None if value is None else int.from_bytes(value[:WIDEST], self.byteorder)

    def _counters(self, record: Record, first: int) -> Counters:
        return Counters(*(self._integer(record, first + place, signed=False) for place in range(5)))

    # Births -------------------------------------------------------------------------------------------------------

    def on_clone(self, happening: Happening) -> None:
        """A clone, fork or vfork exit, of the caller or of the child."""
        layout = clone_layouts()[happening.type]
        record = happening.record
        result = self._result(happening)
        if result < 0:
            return
        position = 2 * happening.row
        threads = self.population.threads
        flags = self._integer(record, layout["flags"], signed=False)
        vtid = self._integer(record, layout.get("vtid", len(record)), happening.tid)
        in_container = bool(flags & ThreadFlag.CHILD_IN_PIDNS) or vtid != happening.tid
        if result > 0:
            if in_container:
                return
            child, parent = result, happening.tid
        else:
            child = happening.tid
            existing = threads.get(child)
            if existing is not None and existing.clone_ts and happening.ts - existing.clone_ts > _STALE_NS:
                self._remove(existing, position, force=True)
                self._discard(child)
                existing = None
            if existing is not None:
                if in_container:
                    vpid = self._integer(record, layout.get("vpid", len(record)), existing.pid)
                    self._change(child, position, vtid=vtid, vpid=vpid)
                return
            flags |= ThreadFlag.INVERTED
            parent = self._integer(record, layout["pid" if flags & ThreadFlag.THREAD else "ptid"])
        self._give_birth(happening, layout, child, parent, flags, in_container=in_container)

    def _give_birth(
        self,
        happening: Happening,
        layout: Mapping[str, int],
        child: int,
        parent: int,
        flags: int,
        *,
        in_container: bool,
    ) -> None:
        record, position = happening.record, 2 * happening.row
        mother = self._get(parent, position)
        replaced = self.population.threads.get(child)
        if replaced is not None:
            if flags & ThreadFlag.INVERTED:
                return
            self._remove(replaced, position, force=True)
            self._discard(child)
        comm = text(record, layout.get("comm", layout["exe"]))
        exe, args = text(record, layout["exe"]), items(record, layout["args"])
        inherited = {}
        is_thread = bool(flags & ThreadFlag.THREAD)
        if mother.is_unknown:
            mother = self._rebuild(mother, position, comm, exe, args)
        else:
            inherited = {name: getattr(mother, name) for name in _INHERITED}
            if not is_thread:
                inherited["env"] = mother.env
        pid = self._integer(record, layout["pid"]) if is_thread else child
        table = None
        if pid != child:  # the main thread is looked up, and made if need be, before the child is there
            main = self._get(pid, position)
            self._change(main.tid, position, children=main.children + 1)
            table = main.entry if flags & ThreadFlag.FILES else None
        entry = self._take_entry()
        cgroups = items(record, layout["cgroups"]) if "cgroups" in layout else b""
        born = Thread(
            entry=entry,
            table=entry if table is None else table,
            tid=child,
            pid=pid,
            ptid=parent,
            comm=comm,
            exe=exe,
            args=args,
            cwd=b"" if is_thread else self._main(mother, position).cwd,
            cgroups=cgroups,
            container=thread_container(cgroups, mother.root, mother.env),
            flags=flags,
            fdlimit=self._integer(record, layout["fdlimit"], -1),
            uid=self._integer(record, layout["uid"], NO_ID, signed=False),
            gid=self._integer(record, layout["gid"], NO_ID, signed=False),
            vtid=self._integer(record, layout.get("vtid", len(record)), child) if in_container else child,
            vpid=self._integer(record, layout.get("vpid", len(record)), pid) if in_container else pid,
            clone_ts=happening.ts,
        )._replace(**inherited)
        self._add(born, position)
        self._meet(born, happening.row)
        first = layout.get("pgft_maj")
        self.counters.append(CountersWrite(entry, position, self._counters(record, first) if first else Counters()))
        if not is_thread:
            # What happened meanwhile may have given the mother another main thread, and so another table.
            self.births.append(Birth(entry, self._get(parent, position).table, position))

    def _rebuild(self, mother: Thread, position: int, comm: bytes, exe: bytes, args: bytes) -> Thread:
        """An unknown caller becomes known by what its child inherited, and loses what it had."""
        self._remove(mother, position, force=True)
        self._get(mother.tid, position)
        rebuilt = self._change(mother.tid, position, comm=comm, exe=exe, args=args)
        return mother if rebuilt is None else rebuilt

    # Changes ------------------------------------------------------------------------------------------------------

    def on_execve(self, happening: Happening) -> None:
        """An execve or execveat exit: the thread runs another program."""
        layout = execve_layouts()[happening.type]
        record, position = happening.record, 2 * happening.row
        thread = self.population.threads.get(happening.tid)
        if thread is None or not self._succeeded(happening):
            return
        changes: dict[str, object] = {
            "exe": text(record, layout["exe"]),
            "comm": text(record, layout.get("comm", layout["exe"])),
            "args": items(record, layout["args"]),
            "pid": self._integer(record, layout["pid"]),
            "fdlimit": self._integer(record, layout["fdlimit"], -1),
            "flags": (thread.flags & _KEPT_FLAGS) | ThreadFlag.ACTIVE | ThreadFlag.NAME_CHANGED,
            "table": thread.entry,
        }
        if thread.ptid == -1:
            changes["ptid"] = self._integer(record, layout["ptid"], -1)
        newer = len(record) > _CLASSIC_EXECVE
        if newer and thread.vtid == -1:  # nobody announced it, so it is not known to be in a namespace
            changes |= {"vtid": thread.tid, "vpid": changes["pid"]}
        for name, signed in EXECVE_NUMBERS.items():
            if param(record, layout.get(name, len(record))) is not None:
                changes[name] = self._integer(record, layout[name], signed=signed)
        if param(record, layout.get("flags", len(record))) is not None:
            changes["exe_flags"] = self._integer(record, layout["flags"], signed=False)
        if "env" in layout:
            changes["env"] = leading_items(items(record, layout["env"]))
        if "cgroups" in layout:
            cgroups = items(record, layout["cgroups"])
            env = leading_items(items(record, layout["env"])) if "env" in layout else thread.env
            changes |= {"cgroups": cgroups, "container": thread_container(cgroups, thread.root, env)}
        exepath = self._exepath(happening, layout, thread)
        if exepath is not None:
            changes["exepath"] = exepath
        members = self.population.members
        members[thread.pid] -= 1
        changed = self._change(happening.tid, position, **changes)
        if changed is not None:
            self._meet(changed, happening.row)
            members[changed.pid] += 1
            if newer:
                self.executed.append((changed.table, position))
            first = layout.get("pgft_maj")
            if first:
                self.counters.append(CountersWrite(changed.entry, position, self._counters(record, first)))

    def _exepath(self, happening: Happening, layout: Mapping[str, int], thread: Thread) -> Path | None:
        """The program's path: as the kernel gives it, or the name in the enter event seen from the own directory."""
        trusted = text(happening.record, layout.get("trusted_exepath", len(happening.record)))
        if trusted:
            return trusted.removesuffix(b" (deleted)")
        at = EXECVE_FILENAMES.get(happening.type)
        if at is None:
            return None
        exit_index, enter_index = at
        value = self._argument(happening, exit_index, enter_index)
        if value is None:
            return None
        name = value.partition(b"\0")[0]
        if name.startswith(UNKNOWN_NAME):
            return UNKNOWN_NAME
        return self._from_directory(thread.cwd, name, 2 * happening.row, directory=False)

    def on_procexit(self, happening: Happening) -> None:
        """The end of a thread; everybody sees it gone from the next event on."""
        thread = self.population.threads.get(happening.tid)
        if thread is not None:
            position = 2 * happening.row + 1
            self._remove(thread, position, force=False)
            reaper = param(happening.record, _REAPER)
            if reaper is not None:
                self._orphan(thread, int.from_bytes(reaper[:WIDEST], self.byteorder, signed=True), position)
            if thread.children > 0:
                self._outlived(thread, position)

    def _orphan(self, parent: Thread, reaper: int, position: int) -> None:
        """The children of a thread that ended go to the one newer writers name, or to one that has to take them."""
        threads = self.population.threads
        if parent.tid in threads and threads[parent.tid].entry == parent.entry:
            return  # it stays for as long as its process has other threads
        if self._by_parent is None:
            self._by_parent = {}
            for thread in threads.values():
                self._by_parent.setdefault(thread.ptid, []).append(thread.tid)
        orphans = [tid for tid in self._by_parent.pop(parent.tid, ()) if tid in threads]
        heir = reaper if reaper > 0 and reaper in threads else self._ancestral_reaper(parent) if orphans else 0
        for tid in dict.fromkeys(orphans):
            if threads[tid].ptid == parent.tid:
                self._change(tid, position, ptid=heir)

    def _ancestral_reaper(self, thread: Thread) -> int:
        """The nearest ancestor that takes in whoever lost its parent: the first process of a pid namespace."""
        threads, seen = self.population.threads, set[int]()
        if thread.pid != thread.tid and thread.pid in threads:
            return thread.pid
        above = threads.get(thread.ptid)
        while above is not None and above.tid not in seen:
            if above.pid == 1 or above.vpid == 1:
                return above.pid
            seen.add(above.tid)
            above = threads.get(above.ptid)
        return 0

    def _outlived(self, main: Thread, position: int) -> None:
        """A main thread ended before others of its process.

        Those who ask for it later still find it, as in sysdig, but not for ever: only the latest such are kept.
        """
        ended, threads = self.population.ended, self.population.threads
        ended[main.tid] = main.entry
        if len(ended) <= _MOST_ENDED:
            return
        tid = next(iter(ended))
        entry, oldest = ended.pop(tid), threads.get(tid)
        if oldest is not None and oldest.entry == entry:
            if oldest.children > 0:
                ended[tid] = entry
            else:
                self._remove(oldest, position, force=False)

    def _from_directory(self, base: Path, name: bytes, position: int, *, directory: bool) -> Path:
        if name.startswith(b"/"):
            base = b""
        if isinstance(base, PathNode):
            node = PathNode(base, name, position, directory=directory)
            self.nodes.append(node)
            return node
        path = join(base, name)
        return with_slash(path) if directory else path

    def on_chdir(self, happening: Happening) -> None:
        """A chdir or getcwd exit: the process works in another directory."""
        thread = self.population.threads.get(happening.tid)
        if thread is None or param(happening.record, 1) is None or not self._succeeded(happening):
            return
        name = text(happening.record, 1)
        position = 2 * happening.row
        main = self._main(thread, position)
        self._change(main.tid, position, cwd=self._from_directory(main.cwd, name, position, directory=True))

    def on_fchdir(self, happening: Happening) -> None:
        """An fchdir exit: the directory is that of a descriptor, known only later."""
        thread = self.population.threads.get(happening.tid)
        descriptor = self._argument(happening, 1, 0)
        if thread is None or descriptor is None or not self._succeeded(happening):
            return
        position = 2 * happening.row
        main = self._main(thread, position)
        fd = int.from_bytes(descriptor[:WIDEST], self.byteorder, signed=True)
        node = PathNode(main.cwd, b"", position, descriptor=(thread.table, fd, position))
        self.nodes.append(node)
        self._change(main.tid, position, cwd=node)

    def on_chroot(self, happening: Happening) -> None:
        """A chroot exit: the thread sees another root."""
        thread = self.population.threads.get(happening.tid)
        if thread is None or self._result(happening) != 0:
            return
        cwd = known(self._main(thread, 2 * happening.row).cwd)
        root = join(cwd, text(happening.record, 1))
        container = thread_container(thread.cgroups, root, thread.env)
        self._change(happening.tid, 2 * happening.row, root=root, container=container)

    def on_setsid(self, happening: Happening) -> None:
        """A setsid exit: the result is the new session."""
        if self._succeeded(happening):
            self._change(happening.tid, 2 * happening.row, sid=self._result(happening))

    def on_identity(self, happening: Happening) -> None:
        """A setuid, setgid or similar exit: the effective id changes."""
        attribute, exit_index, enter_index = IDENTITY_CHANGES[happening.type]
        value = self._unsigned_argument(happening, exit_index, enter_index)
        if value is not None and value != NO_ID and self._succeeded(happening):
            self._change(happening.tid, 2 * happening.row, **{attribute: value})

    def on_capset(self, happening: Happening) -> None:
        """A capset exit: the thread's capabilities."""
        if self._succeeded(happening):
            names = ("cap_inheritable", "cap_permitted", "cap_effective")
            values = {name: self._integer(happening.record, place, signed=False) for place, name in enumerate(names, 1)}
            self._change(happening.tid, 2 * happening.row, **values)

    def on_rlimit(self, happening: Happening) -> None:
        """A getrlimit, setrlimit or prlimit exit: how many files a process may have open."""
        resource_at, pid_at = RLIMIT_ARGUMENTS[happening.type]
        resource = self._unsigned_argument(happening, *resource_at)
        limit = self._integer(happening.record, 1, -1)
        if resource != _RLIMIT_NOFILE or limit == -1 or not self._succeeded(happening):
            return
        position = 2 * happening.row
        target = self._argument(happening, *pid_at) if pid_at is not None else None
        tid = int.from_bytes(target[:WIDEST], self.byteorder, signed=True) if target is not None else 0
        thread = self._get(tid or happening.tid, position)
        self._change(self._main(thread, position).tid, position, fdlimit=limit)

    # Lists --------------------------------------------------------------------------------------------------------

    def _learn(self, container: Container, row: int) -> None:
        self.population.containers[container.id] = container
        self.container_writes.append((2 * row, container))

    def _meet(self, thread: Thread, row: int) -> None:
        """A thread may be the first of its container."""
        if thread.container and thread.container not in self.population.containers:
            container = met_container(thread.cgroups)
            if container is not None:
                self._learn(container, row)

    def on_container(self, happening: Happening) -> None:
        """A container event with four parameters."""
        identity, _, name, image = (text(happening.record, index) for index in range(4))
        kind = self._integer(happening.record, 1, signed=False)
        self._learn(plain_container(identity, kind, name, image), happening.row)

    def on_container_document(self, happening: Happening) -> None:
        """A container event that holds a JSON document."""
        container = parse_container(text(happening.record, 0))
        if container is not None:
            self._learn(container, happening.row)
            self._speak_for(container.id, happening)

    def _speak_for(self, container: bytes, happening: Happening) -> None:
        """Such an event has a thread of its own, which stands for the container and is not there for any other."""
        if happening.tid != -1:
            return
        entry = self._take_entry()
        name = b"container:" + container
        thread = Thread(entry, entry, -1, -1, 0, vtid=-2, vpid=-2, comm=name, exe=b"", container=container)
        self.versions.append(thread)
        self.tids += (-1, -1)
        self.positions += (2 * happening.row, 2 * happening.row + 1)
        self.indices += (len(self.versions) - 1, -1)

    def on_async(self, happening: Happening) -> None:
        """An event of the container plugin."""
        name = text(happening.record, 1)
        if name in {b"container", b"container_removed"}:
            container = parse_container(text(happening.record, 2))
            if container is not None:
                self._learn(container, happening.row)

    def on_user(self, happening: Happening) -> None:
        """A user was added or deleted."""
        record = happening.record
        key = text(record, 5), self._integer(record, 0, signed=False)
        added = happening.type == USER_ADDED
        user = Account(text(record, 2), text(record, 3), text(record, 4)) if added else None
        self.users.set(key, 2 * happening.row, user)

    def on_group(self, happening: Happening) -> None:
        """A group was added or deleted."""
        record = happening.record
        key = text(record, 2), self._integer(record, 0, signed=False)
        group = Account(text(record, 1)) if happening.type == GROUP_ADDED else None
        self.groups.set(key, 2 * happening.row, group)


Handler: TypeAlias = "Callable[[Lifecycle, Happening], None]"


@cache
def _handlers() -> Mapping[int, Handler]:
    """What to do with each event type that matters here."""
    handlers: dict[int, Handler] = {
        95: Lifecycle.on_chdir,
        93: Lifecycle.on_chdir,
        97: Lifecycle.on_fchdir,
        267: Lifecycle.on_chroot,
        275: Lifecycle.on_setsid,
        353: Lifecycle.on_capset,
        228: Lifecycle.on_container,
        272: Lifecycle.on_container_document,
        324: Lifecycle.on_container_document,
        402: Lifecycle.on_async,
    }
    handlers |= dict.fromkeys(clone_layouts(), Lifecycle.on_clone)
    handlers |= dict.fromkeys(execve_layouts(), Lifecycle.on_execve)
    handlers |= dict.fromkeys(PROCEXITS, Lifecycle.on_procexit)
    handlers |= dict.fromkeys(IDENTITY_CHANGES, Lifecycle.on_identity)
    handlers |= dict.fromkeys(RLIMIT_ARGUMENTS, Lifecycle.on_rlimit)
    handlers |= dict.fromkeys((USER_ADDED, USER_DELETED), Lifecycle.on_user)
    handlers |= dict.fromkeys((GROUP_ADDED, GROUP_DELETED), Lifecycle.on_group)
    return handlers


@cache
def lifecycle_types() -> frozenset[int]:
    """The event types `Lifecycle` wants to see."""
    return frozenset(_handlers())
