"""The process tree: every process a capture knows of, who started it, and when it began and ended.

A process belongs below the one that started it, also after that has ended. One that was there before the capture began
belongs below the one its parent id names then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scaptools.state.engine import StateEngine
from scaptools.state.thread import NO_ID
from scaptools.state.timeline import ABSENT, BEFORE
from scaptools.state.views import items, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.section import Section
    from scaptools.state.batchstate import BatchState
    from scaptools.state.thread import Thread


@dataclass(slots=True)
class Process:
    """A process with the program it ran last.

    ``started_ns`` is None where it was there before the capture, or was met without its start having been seen;
    ``ended_ns`` is None where it did not end. ``threads`` is the most it had at a time that was seen.
    """

    pid: int
    parent: Process | None = None
    ppid: int | None = None
    name: str = ""
    args: tuple[str, ...] = ()
    uid: int | None = None
    container_id: str | None = None
    started_ns: int | None = None
    ended_ns: int | None = None
    threads: int = 1
    children: list[Process] = field(default_factory=list)

    @property
    def command(self) -> str:
        """Name and arguments."""
        return " ".join((self.name, *self.args))


@dataclass(slots=True)
class ProcessTree:
    """The processes of a capture; ``roots`` are those nobody is known to have started, in the order they came up."""

    roots: list[Process] = field(default_factory=list)
    first_ns: int | None = None
    last_ns: int | None = None

    def walk(self) -> Iterator[tuple[int, Process]]:
        """Every process with its depth, parents before their children."""
        pending = [(0, process) for process in reversed(self.roots)]
        while pending:
            depth, process = pending.pop()
            yield depth, process
            pending.extend((depth + 1, child) for child in reversed(process.children))


def process_tree(batches: Iterable[EventBatch]) -> ProcessTree:
    """The process tree of a capture, given all of its batches in order."""
    engine, growing = StateEngine(()), _Growing()
    for batch in batches:
        growing.add(batch, engine.advance(batch))
    return growing.finish()


class _Growing:
    """A tree under construction; ``_alive`` has the latest version of every thread, ``_known`` processes by entry."""

    def __init__(self) -> None:
        self._tree = ProcessTree()
        self._section: Section | None = None
        self._alive: dict[int, Thread] = {}
        self._known: dict[int, Process] = {}
        self._all: list[Process] = []
        #: The unknown process that ended last: thread id, position in the capture, process.
        self._gone: tuple[int, int, Process] | None = None
        self._commands: dict[tuple[bytes, bytes], tuple[str, tuple[str, ...]]] = {}

    def add(self, batch: EventBatch, state: BatchState) -> None:
        times = batch.header("ts")
        tree, lifecycle = self._tree, state.lifecycle
        low, high = int(times.min()), int(times.max())
        tree.first_ns = low if tree.first_ns is None else min(tree.first_ns, low)
        tree.last_ns = high if tree.last_ns is None else max(tree.last_ns, high)
        if batch.section is not self._section:
            self._section = batch.section
            self._alive, self._known = {}, {}
        orphans: list[Thread] = []
        origin = 2 * batch.first_number
        for tid, position, index in zip(lifecycle.tids, lifecycle.positions, lifecycle.indices, strict=True):
            if orphans and position > BEFORE:  # what is listed has no order: only now everybody's parent is there
                self._place(orphans)
            if index == ABSENT:
                self._end(tid, origin + position, int(times[position >> 1]))
                continue
            thread = lifecycle.versions[index]
            if self._gone is not None and self._gone[:2] == (tid, origin + position):
                # Somebody nobody knew is known from here on, as a new incarnation.
                self._known[thread.entry], self._gone[2].ended_ns = self._gone[2], None
                self._gone = None
            before, self._alive[tid] = self._alive.get(tid), thread
            if before is not thread and thread.is_main and self._describe(thread):
                orphans.append(thread)
        self._place(orphans)

    def _describe(self, thread: Thread) -> bool:
        """Note what a process is now; whether it has still to be put below its parent."""
        process = self._known.get(thread.entry)
        if process is None:
            process = self._known[thread.entry] = Process(thread.tid, started_ns=thread.clone_ts or None)
            self._all.append(process)
        command = thread.comm, thread.args
        if command not in self._commands:
            self._commands[command] = text(thread.comm), items(thread.args)
        process.name, process.args = self._commands[command]
        process.uid = None if thread.uid == NO_ID else thread.uid
        process.container_id = text(thread.container) or None
        process.threads = max(process.threads, 1 + thread.children)
        return process.ppid is None and thread.ptid > 0

    def _place(self, orphans: list[Thread]) -> None:
        """Put processes below their parents."""
        for thread in orphans:
            process, parent = self._known.get(thread.entry), self._alive.get(thread.ptid)
            if process is None:
                continue
            process.ppid = thread.ptid
            main = None if parent is None else self._alive.get(parent.pid, parent)
            above = None if main is None else self._known.get(main.entry)
            if above is not None and not (process.children and self._is_below(above, process)) and above is not process:
                process.parent = above
                above.children.append(process)
        orphans.clear()

    @staticmethod
    def _is_below(process: Process | None, other: Process) -> bool:
        """Whether a process is another one or below it: damaged lists may go in circles."""
        while process is not None:
            if process is other:
                return True
            process = process.parent
        return False

    def _end(self, tid: int, position: int, ts: int) -> None:
        thread = self._alive.pop(tid, None)
        process = self._known.pop(thread.entry, None) if thread is not None and thread.is_main else None
        if thread is not None and process is not None:
            process.ended_ns = ts
            self._gone = (tid, position, process) if thread.is_unknown else None

    def finish(self) -> ProcessTree:
        self._tree.roots = [process for process in self._all if process.parent is None]
        return self._tree
