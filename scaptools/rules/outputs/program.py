"""The program output: alerts on the standard input of a command, one process for each alert or one for all.

This end keeps the reading end of the pipe open as well. So what a process had not read when it ended is still there,
and goes to the next one.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections import deque
from typing import TYPE_CHECKING

from scaptools.rules.outputs.delivery import Output, UndeliveredError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaptools.rules.outputs.delivery import Message

_PATIENCE_SECONDS = 30.0
#: Seconds between looks whether a process that does not read is still there.
_LOOK_SECONDS = 0.05
#: Bytes that can be on their way; pipes hold less.
_PIPE_BYTES = 1 << 20


class ProgramOutput(Output):
    """Runs a shell command. With ``keep_alive`` it runs once and is started again where it ends early.

    What a process has read counts as delivered, unless it was for one alert only and ends with another status than 0.
    """

    name = "program"

    def __init__(self, program: str, *, keep_alive: bool = False) -> None:
        self._program = program
        self._keep_alive = keep_alive
        self._process: _Process | None = None
        #: Messages on their way to a process, oldest first.
        self._owed: deque[Message] = deque()

    def send(self, messages: Sequence[Message]) -> None:
        """See `Output.send`."""
        for done, message in enumerate(messages):
            try:
                if self._keep_alive:
                    self._pass_on(message)
                else:
                    self._run_for(message)
            except UndeliveredError as error:
                raise UndeliveredError(error.reason, done=done, retry=error.retry) from error

    def close(self) -> None:
        """See `Output.close`."""
        process, self._process = self._process, None
        if process is None:
            status = 0
        else:
            status, unread = process.end()
            self._owed.extendleft(reversed(unread))
        owed, self._owed = tuple(self._owed), deque()
        if owed:
            raise UndeliveredError(f"{self._program}: ended with status {status} and left alerts unread", owed=owed)
        if status:
            raise UndeliveredError(f"{self._program}: ended with status {status}", retry=False)

    def _run_for(self, message: Message) -> None:
        process = _Process(self._program)
        taken = process.write(message)
        status, _ = process.end()
        if status or not taken:
            raise UndeliveredError(f"{self._program}: ended with status {status}", retry=not status)

    def _pass_on(self, message: Message) -> None:
        self._owed.append(message)
        try:
            while self._owed:
                self._process = self._process or _Process(self._program)
                if self._process.write(self._owed[0]):
                    self._owed.popleft()
                else:
                    self._lay_off(self._process)
        except UndeliveredError:
            self._owed.pop()  # it is the caller's again
            raise

    def _lay_off(self, process: _Process) -> None:
        """Let go of a process that has ended. Raises UndeliveredError where it read nothing."""
        self._process = None
        status, unread = process.end()
        self._owed.extendleft(reversed(unread))
        if len(unread) == process.written:
            raise UndeliveredError(f"{self._program}: ended with status {status} before it had read an alert")


class _Process:
    """A process that reads messages; ``written`` counts those it was given."""

    def __init__(self, program: str) -> None:
        """Raises UndeliveredError where no process can be started."""
        self.written = 0
        self._lately: deque[Message] = deque()
        self._lately_bytes = 0
        self._broken_off = 0
        try:
            self._reading, self._writing = os.pipe()
        except OSError as error:
            raise UndeliveredError(f"{program}: {error.strerror}") from error
        os.set_blocking(self._writing, False)
        try:
            # the command is the user's own, and a shell line by definition
            self._process = subprocess.Popen(program, shell=True, stdin=self._reading)  # noqa: S602
        except OSError as error:
            os.close(self._reading)
            os.close(self._writing)
            raise UndeliveredError(f"{program}: {error.strerror}") from error

    def write(self, message: Message) -> bool:
        """Give it a message; false where it has ended, or ends before the pipe has taken all of it."""
        data = memoryview(message.text + b"\n")
        start = 0
        while start < len(data):
            if self._process.poll() is not None:
                self._broken_off = start
                return False
            try:
                start += os.write(self._writing, data[start:])
            except BlockingIOError:
                select.select([], [self._writing], [], _LOOK_SECONDS)
        self.written += 1
        self._lately.append(message)
        self._lately_bytes += len(data)
        while self._lately_bytes - len(self._lately[0].text) > _PIPE_BYTES:
            self._lately_bytes -= len(self._lately.popleft().text) + 1
        return True

    def end(self) -> tuple[int, list[Message]]:
        """End its input, wait for it, kill it where it does not end; its status and what it left unread."""
        os.close(self._writing)
        try:
            status = self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        left = -self._broken_off
        while part := os.read(self._reading, _PIPE_BYTES):
            left += len(part)
        os.close(self._reading)
        unread: list[Message] = []
        while left > 0 and self._lately:
            unread.append(self._lately.pop())
            left -= len(unread[-1].text) + 1
        return status, unread[::-1]
