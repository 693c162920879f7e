"""The program output: alerts on the standard input of a command, one process for each alert or one for all."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from scaptools.rules.outputs.delivery import Output, UndeliveredError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaptools.rules.outputs.delivery import Message

_PATIENCE_SECONDS = 30.0


class ProgramOutput(Output):
    """Runs a shell command. With ``keep_alive`` it runs once and is started again where it ends early.

    Alerts an ended process had not read yet cannot be told from those it had; they count as delivered.
    """

    name = "program"

    def __init__(self, program: str, *, keep_alive: bool = False) -> None:
        self._program = program
        self._keep_alive = keep_alive
        self._process: subprocess.Popen[bytes] | None = None

    def send(self, messages: Sequence[Message]) -> None:
        """See `Output.send`."""
        for done, message in enumerate(messages):
            try:
                self._send(message)
            except UndeliveredError as error:
                raise UndeliveredError(error.reason, done=done, retry=error.retry) from error

    def close(self) -> None:
        """See `Output.close`."""
        status = self._abandon()
        if status:
            raise UndeliveredError(f"{self._program}: ended with status {status}", retry=False)

    def _send(self, message: Message) -> None:
        if self._process is not None and self._process.poll() is not None:
            self._abandon()
        if self._process is None:
            self._process = self._start()
        pipe = self._process.stdin
        if pipe is None:
            raise UndeliveredError(f"{self._program}: has no input", retry=False)
        try:
            pipe.write(message.text + b"\n")
            pipe.flush()
        except OSError as error:
            status = self._abandon()
            raise UndeliveredError(
                f"{self._program}: ended with status {status} before it had read an alert"
            ) from error
        if not self._keep_alive:
            self.close()

    def _abandon(self) -> int:
        """Let go of a process that has ended, or does not read any more; its status."""
        process, self._process = self._process, None
        return 0 if process is None else _ended(process)

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            # the command is the user's own, and a shell line by definition
            return subprocess.Popen(self._program, shell=True, stdin=subprocess.PIPE)  # noqa: S602
        except OSError as error:
            raise UndeliveredError(f"{self._program}: {error.strerror}") from error


def _ended(process: subprocess.Popen[bytes]) -> int:
    """End a process's input and wait for it; it is killed where it does not end by itself."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    try:
        return process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
