"""The file output: a line for each alert, appended to a file, or written to standard output."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scaptools.rules.outputs.delivery import Output, UndeliveredError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaptools.rules.outputs.delivery import Message

_MODE = 0o644


class FileOutput(Output):
    """Appends to a file, which is opened anew for every delivery unless ``keep_alive``."""

    name = "file"

    def __init__(self, filename: str, *, keep_alive: bool = False) -> None:
        self._filename = filename
        self._keep_alive = keep_alive
        self._descriptor: int | None = None
        self._broken_line = False

    def send(self, messages: Sequence[Message]) -> None:
        """See `Output.send`."""
        try:
            if self._descriptor is None:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                self._descriptor = os.open(self._filename, flags, _MODE)
        except OSError as error:
            raise UndeliveredError(f"{self._filename}: {error.strerror}") from error
        self._write(self._descriptor, messages)
        if not self._keep_alive:
            try:
                self.close()
            except UndeliveredError as error:
                raise UndeliveredError(error.reason) from error  # all of them once more, rather than some never

    def close(self) -> None:
        """See `Output.close`."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            try:
                os.close(descriptor)
            except OSError as error:
                # written before, and possibly not kept: a full disk may show only now
                raise UndeliveredError(f"{self._filename}: {error.strerror}", retry=False) from error

    def _write(self, descriptor: int, messages: Sequence[Message]) -> None:
        lines = [message.text + b"\n" for message in messages]
        head = b"\n" if self._broken_line else b""
        data = memoryview(head + b"".join(lines))
        written = 0
        try:
            while written < len(data):
                written += os.write(descriptor, data[written:])
        except OSError as error:
            self._interrupted(written - len(head), lines, error)
        self._broken_line = False

    def _interrupted(self, written: int, lines: list[bytes], error: OSError) -> None:
        """Say how many whole lines were written; a line that broke off is ended and written again."""
        done = 0
        for line in lines:
            if written < len(line):
                break
            written -= len(line)
            done += 1
        self._broken_line = written > 0 or (self._broken_line and written < 0)
        raise UndeliveredError(f"{self._filename}: {error.strerror}", done=done) from error
