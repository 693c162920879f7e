"""Working ahead of a reader: results of many calls that wait for others, in the order of their arguments.

Threads are daemons: whoever interrupts the reader does not wait for what they are waiting for.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

Given = TypeVar("Given")
Made = TypeVar("Made")

#: Most that the results in flight may weigh together, so many bytes where they are objects.
BUDGET: Final = 1 << 28


def in_order(
    function: Callable[[Given], Made],
    given: Iterable[Given],
    *,
    threads: int,
    ahead: int = 0,
    weight: Callable[[Given], int] = lambda _: 0,
    budget: int = BUDGET,
) -> Generator[Made, None, None]:
    """``map`` with up to ``threads`` calls under way.

    No more than ``ahead`` results (as many as threads by default) are in flight, that is asked for and not handed out,
    nor more than weigh ``budget`` together, but always one. Raises what a call raised, once the results before it have
    been handed out.
    """
    ahead = ahead or threads
    team: _Team[Given, Made] = _Team(function, threads)
    waiting = iter(given)
    following = next(waiting, None)
    flying: deque[tuple[SimpleQueue[_Outcome[Made]], int]] = deque()
    load = 0
    try:
        while following is not None or flying:
            while following is not None and len(flying) < ahead:
                heavy = weight(following)
                if flying and load + heavy > budget:
                    break
                flying.append((team.start(following), heavy))
                load += heavy
                following = next(waiting, None)
            slot, heavy = flying.popleft()
            outcome = slot.get()
            load -= heavy
            yield outcome.result()
    finally:
        team.dismiss()


class _Outcome(Generic[Made]):
    """What a call returned, or what it raised."""

    def __init__(self, call: Callable[[], Made]) -> None:
        self._error: BaseException | None = None
        try:
            self._made = call()
        except BaseException as error:  # noqa: BLE001 - raised again for the reader
            self._error = error

    def result(self) -> Made:
        """The result, or the error once more."""
        if self._error is not None:
            raise self._error
        return self._made


class _Team(Generic[Given, Made]):
    """Threads that make calls; there are as many as calls were under way at a time, up to a limit."""

    def __init__(self, function: Callable[[Given], Made], limit: int) -> None:
        self._function = function
        self._limit = limit
        self._tasks: SimpleQueue[tuple[Given, SimpleQueue[_Outcome[Made]]] | None] = SimpleQueue()
        self._threads = 0

    def start(self, given: Given) -> SimpleQueue[_Outcome[Made]]:
        """Have a call made; its outcome will be in the queue."""
        slot: SimpleQueue[_Outcome[Made]] = SimpleQueue()
        self._tasks.put((given, slot))
        if self._threads < self._limit:
            self._threads += 1
            threading.Thread(target=self._work, daemon=True).start()
        return slot

    def dismiss(self) -> None:
        """Drop the calls nobody has begun, and end the threads when they are done with theirs."""
        with suppress(Empty):
            while True:
                self._tasks.get_nowait()
        for _ in range(self._threads):
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            given, slot = task
            slot.put(_Outcome(partial(self._function, given)))
