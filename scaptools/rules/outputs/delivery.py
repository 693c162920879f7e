"""Deliveries: one kind of output each, and the thread that keeps at it until an alert is delivered or given up.

Nothing is lost silently: an output that fails is tried again for a while, and every alert ends up delivered, lost or
dropped, and counted as such.
"""

from __future__ import annotations

import queue
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Seconds an output that is down is waited for.
PATIENCE_SECONDS = 60.0
#: Seconds after which a failing output is reported.
REPORT_SECONDS = 2.0
#: Bytes that may wait for one output; the reader of captures waits then.
_QUEUE_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Message:
    """An alert as it is sent, without newline, and its severity."""

    text: bytes
    priority: int


class UndeliveredError(Exception):
    """An output failed after ``done`` messages; ``retry`` says whether trying again may help.

    ``owed`` are messages that it took before and has not delivered, in order, where that shows when it is closed.
    """

    def __init__(self, reason: str, *, done: int = 0, retry: bool = True, owed: Sequence[Message] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.done = done
        self.retry = retry
        self.owed = owed


class Pace:
    """The passing of time for a worker: how long it waits between attempts, each time twice as long up to a limit."""

    def __init__(self, *, first: float = 0.1, longest: float = 2.0) -> None:
        self.first = first
        self.longest = longest

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def wait(self, seconds: float, hurry: threading.Event) -> None:
        """Wait, but not once ``hurry`` is set."""
        hurry.wait(seconds)


class Output(ABC):
    """Takes messages in order."""

    name: str

    @abstractmethod
    def send(self, messages: Sequence[Message]) -> None:
        """Deliver messages. Raises UndeliveredError, saying how many were delivered before."""

    def close(self) -> None:  # noqa: B027 - most outputs hold nothing that needs closing
        """Finish; sending opens it again. Raises UndeliveredError where that shows that something was not delivered."""


@dataclass(slots=True)
class Report:
    """What became of the alerts of one output; ``reason`` is the latest failure."""

    name: str
    delivered: int = 0
    lost: int = 0
    dropped: int = 0
    retries: int = 0
    reason: str = ""

    def __str__(self) -> str:
        text = f"{self.name}: {self.delivered} delivered"
        for count, word in ((self.lost, "lost"), (self.dropped, "dropped"), (self.retries, "retries")):
            text += f", {count} {word}" if count else ""
        return f"{text} ({self.reason})" if self.reason else text


class Worker:
    """Delivers to one output in a thread.

    ``capacity`` bounds the messages that wait, the rest being dropped and counted; without it whoever hands messages
    over waits instead. ``undelivered`` is called with messages that are lost, ``notify`` with a line for people.
    """

    def __init__(
        self,
        output: Output,
        *,
        capacity: int = 0,
        patience: float = PATIENCE_SECONDS,
        report_after: float = REPORT_SECONDS,
        notify: Callable[[str], None] | None = None,
        undelivered: Callable[[Sequence[Message]], None] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.report = Report(output.name)
        self._output = output
        self._capacity = capacity
        self._patience = patience
        self._report_after = report_after
        self._notify = notify
        self._undelivered = undelivered
        self._pace = pace or Pace()
        self._queue: queue.SimpleQueue[Sequence[Message] | None] = queue.SimpleQueue()
        self._room = threading.Condition()
        self._waiting = 0
        self._waiting_bytes = 0
        self._hurry = threading.Event()
        self._gave_up = False
        self._thread = threading.Thread(target=self._run, name=f"alerts-{output.name}", daemon=True)
        self._thread.start()

    def send(self, messages: Sequence[Message]) -> None:
        """Hand over messages."""
        size = sum(len(message.text) for message in messages)
        with self._room:
            if self._capacity:
                room = max(0, self._capacity - self._waiting)
                self.report.dropped += max(0, len(messages) - room)
                messages = messages[:room]
            else:
                self._room.wait_for(lambda: not self._waiting_bytes or self._waiting_bytes + size <= _QUEUE_BYTES)
            self._waiting += len(messages)
            self._waiting_bytes += size
        if messages:
            self._queue.put(messages)

    def close(self) -> Report:
        """Wait until every message is delivered or given up."""
        self._queue.put(None)
        self._thread.join()
        return self.report

    def hurry(self) -> None:
        """Try each message once more at most, from now on."""
        self._hurry.set()

    def _run(self) -> None:
        while (messages := self._queue.get()) is not None:
            self._deliver(messages)
            with self._room:
                self._waiting -= len(messages)
                self._waiting_bytes -= sum(len(message.text) for message in messages)
                self._room.notify_all()
        self._finish()

    def _finish(self) -> None:
        """Close the output, and deliver again what that shows to be owed, as long as it becomes less."""
        before: int | None = None
        while True:
            try:
                self._output.close()
            except UndeliveredError as error:
                self.report.reason = error.reason
                self.report.delivered -= len(error.owed)
                if not error.owed:
                    return
                if self._hurry.is_set() or (before is not None and len(error.owed) >= before):
                    self._lose(error.owed)
                    return
                before = len(error.owed)
                self.report.retries += 1
                self._deliver(error.owed)
            else:
                return

    def _deliver(self, messages: Sequence[Message]) -> None:
        start = 0
        failing_since: float | None = None
        delay, reported = self._pace.first, False
        while start < len(messages):
            try:
                self._attempt(messages[start:])
            except UndeliveredError as error:
                self._done(error.done)
                start += error.done
                now = self._pace.now()
                if failing_since is None or error.done:
                    failing_since, delay = now, self._pace.first
                self.report.reason = error.reason
                if not error.retry:
                    self._lose(messages[start : start + 1])
                    start += 1
                elif self._gave_up or self._hurry.is_set() or now - failing_since >= self._patience:
                    # the next messages get one chance each batch, until one of them succeeds
                    self._gave_up = True
                    self._lose(messages[start:])
                    return
                else:
                    if not reported and now - failing_since >= self._report_after:
                        reported = True
                        self._say(f"{self._output.name} output: {error.reason}; trying again")
                    self.report.retries += 1
                    self._pace.wait(delay, self._hurry)
                    delay = min(2 * delay, self._pace.longest)
            else:
                self._done(len(messages) - start)
                return

    def _attempt(self, messages: Sequence[Message]) -> None:
        try:
            self._output.send(messages)
        except UndeliveredError:
            raise
        except Exception as error:  # whatever it is, it must end neither the thread nor the count
            raise UndeliveredError(f"{type(error).__name__}: {error}", retry=False) from error

    def _done(self, count: int) -> None:
        if count:
            self.report.delivered += count
            self._gave_up = False

    def _lose(self, messages: Sequence[Message]) -> None:
        self.report.lost += len(messages)
        if messages and self._undelivered is not None:
            self._undelivered(messages)

    def _say(self, text: str) -> None:
        if self._notify is not None:
            self._notify(text)


class Outputs:
    """Several outputs, each at its own pace; alerts reach each of them in order."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers

    def send(self, messages: Sequence[Message]) -> None:
        """Hand messages to every output."""
        for worker in self._workers:
            worker.send(messages)

    def hurry(self) -> None:
        """Let no output be waited for any longer."""
        for worker in self._workers:
            worker.hurry()

    def close(self) -> list[Report]:
        """Wait for all outputs."""
        return [worker.close() for worker in self._workers]
