"""Shares: one pass made by several processes at once, each of which finishes only every n-th item of it.

What has to be known of all items, such as the state carried from one to the next, every process works out for itself;
what is made of an item, which costs more, only one of them does. The processes are forks, so that nothing has to be
sent to them, and what they make comes back in order.
"""

from __future__ import annotations

import itertools
import os
import pickle
import queue
import signal
import struct
import sys
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeVar

from scaptools.errors import ScapError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    Portion: TypeAlias = bytes | memoryview

R = TypeVar("R")

#: Where Linux lists the threads of a process, those no interpreter knows of included.
_THREADS = Path("/proc/self/task")
#: A thread that importing Arrow starts: its allocator stops it for a fork, and does without it in the new process.
_ALLOCATOR = "jemalloc_bg_thd"
#: More processes than this spend their time on what each of them has to do for itself.
_MOST_SHARES = 4
#: Items a process may be ahead of those who take them.
_AHEAD = 1
#: Precedes what a process sends: its length.
_LENGTH = struct.Struct("<q")
#: Lengths that stand for something else: the end of an item, a result and an exception, the two followed by a pickle.
_END, _RESULT, _FAILED = -1, -2, -3


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a pass that is this process's: every ``count``-th item from ``index`` on."""

    index: int = 0
    count: int = 1

    def owns(self, number: int) -> bool:
        """Whether the item of that number, from 0, is to be finished here."""
        return number % self.count == self.index


#: All of it.
WHOLE = Share()


def can_fork() -> bool:
    """Whether a fork of this process is whole: it has only the thread that made it, and what others held is locked."""
    if sys.platform != "linux":
        return False
    if threading.active_count() > 1:
        return False
    names = [(thread / "comm").read_text().strip() for thread in _THREADS.iterdir()]
    return len(names) - names.count(_ALLOCATOR) == 1


def useful_shares() -> int:
    """How many processes a pass is worth being shared out to on this machine; 1 where it cannot be."""
    return min(len(os.sched_getaffinity(0)), _MOST_SHARES) if can_fork() else 1


def in_order(
    work: Callable[[Share], Generator[Iterable[Portion], None, R]], count: int
) -> Generator[Portion, None, list[R]]:
    """What ``count`` processes make of their shares, portion by portion, in the order of the items.

    ``work`` yields the portions of every item its share owns, none for an item of which nothing is left; the items are
    the same and in the same order whatever the share. This process does the first share. The generator returns what
    ``work`` returned for each share. An exception in another process is raised here, where its item would have been;
    ScapError where a process was killed.
    """
    with ExitStack() as exits:
        others = [exits.enter_context(_Process(work, Share(index, count))) for index in range(1, count)]
        own = _Here(work(Share(0, count)))
        exits.callback(own.close)
        parts: list[_Here | _Process] = [own, *others]
        for part in itertools.cycle(parts):
            item = part.item()
            if item is None:
                break
            yield from item
        # They have the same items, so that all end where the first one does.
        for part in parts:
            while (item := part.item()) is not None:
                yield from item
        return [part.result for part in parts]


def delivered(portions: Generator[Portion, None, list[R]], take: Callable[[Portion], object]) -> list[R]:
    """Hand over portions as they come; what the shares of the pass returned."""
    while True:
        try:
            portion = next(portions)
        except StopIteration as stop:
            return list(stop.value)
        take(portion)


class _Here:
    """The share of this process."""

    def __init__(self, items: Generator[Iterable[Portion], None, Any]) -> None:
        self._items = items
        self._ended = False
        self.result: Any = None

    def item(self) -> Iterable[Portion] | None:
        """The portions of the next item, None after the last one."""
        if self._ended:
            return None
        try:
            return next(self._items)
        except StopIteration as stop:
            self._ended, self.result = True, stop.value
            return None

    def close(self) -> None:
        """Do no more."""
        self._items.close()


class _Process:
    """Another process and its share; leaving it as a context manager ends it."""

    def __init__(self, work: Callable[[Share], Generator[Iterable[Portion], None, Any]], share: Share) -> None:
        self._ended = False
        self.result: Any = None
        receiving, sending = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(receiving)
            _be_process(work, share, sending)
        os.close(sending)
        self._file: BinaryIO = os.fdopen(receiving, "rb")

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()  # whoever still sends is told so
        if not self._ended:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def item(self) -> Iterator[Portion] | None:
        """The portions of the next item, to be taken before anything else is; None after the last one."""
        if self._ended:
            return None
        length = self._length()
        if length == _RESULT:
            self._ended, self.result = True, pickle.load(self._file)  # noqa: S301 - from a fork of this process
            return None
        return self._portions(length)

    def _portions(self, length: int) -> Iterator[Portion]:
        while length != _END:
            if length == _FAILED:
                self._ended = True
                raise pickle.load(self._file)  # noqa: S301 - from a fork of this process
            yield self._file.read(length)
            length = self._length()

    def _length(self) -> int:
        head = self._file.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            raise ScapError("a process that did part of the work was killed", hint="it may have run out of memory")
        return int(_LENGTH.unpack(head)[0])


def _be_process(work: Callable[[Share], Generator[Iterable[Portion], None, Any]], share: Share, sending: int) -> None:
    """Do a share and send what comes of it; never returns."""
    status = 1
    try:
        with os.fdopen(sending, "wb", buffering=0) as file, _Sender(file) as sender:
            sender.send_all(work(share))
        status = 0
    except BaseException:  # noqa: BLE001, S110 - whoever waits has been told, or is gone
        pass
    finally:
        os._exit(status)


class _Sender:
    """Sends items from a thread, so that the next one is made meanwhile."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting: queue.Queue[list[Portion] | None] = queue.Queue(_AHEAD)
        self._thread = threading.Thread(target=self._run, name="shares", daemon=True)

    def __enter__(self) -> _Sender:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.put(None)
        self._thread.join()

    def send_all(self, items: Generator[Iterable[Portion], None, Any]) -> None:
        """Send items and what their generator returns, or raises."""
        try:
            while True:
                portions = list(next(items))
                self._waiting.put([*itertools.chain.from_iterable(map(_framed, portions)), _LENGTH.pack(_END)])
        except StopIteration as stop:
            self._waiting.put([_LENGTH.pack(_RESULT), pickle.dumps(stop.value)])
        except BaseException as error:
            self._waiting.put([_LENGTH.pack(_FAILED), pickle.dumps(error)])
            raise

    def _run(self) -> None:
        try:
            while (portions := self._waiting.get()) is not None:
                for portion in portions:
                    rest = memoryview(portion)
                    while rest:
                        rest = rest[self._file.write(rest) :]
        except BrokenPipeError:
            os._exit(1)  # nobody takes any more


def _framed(portion: Portion) -> tuple[Portion, Portion]:
    return _LENGTH.pack(memoryview(portion).nbytes), portion
