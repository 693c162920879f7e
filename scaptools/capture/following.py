"""Following: a source that grows while it is read, a file that is being recorded or a pipe."""

from __future__ import annotations

import io
import os
import select
import stat
import threading
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from scaptools.capture.seekpoints import NO_SEEK_POINTS
from scaptools.errors import InputError

if TYPE_CHECKING:
    from scaptools.capture.compression import StreamDamage
    from scaptools.capture.scan import Bytes

#: Seconds between looks at a file that has not grown.
POLL_SECONDS = 0.1
_READ_BYTES = 1 << 20
#: Without these first bytes nobody can tell what the stream is.
_HEAD_BYTES = 28


class FollowedStream:
    """Hands out what is there at once and waits for more only when asked again for what it has given.

    A file ends when it is shorter than what was read of it, or when `stop` is called; a pipe when its writer closes it.
    """

    def __init__(self, name: str, file: BinaryIO, peeked: bytes, *, poll_seconds: float = POLL_SECONDS) -> None:
        self.name = name
        self.compression: str | None = None
        self.size: int | None = None
        self.seek_points = NO_SEEK_POINTS
        self.damage: StreamDamage | None = None
        self._file = file
        self._descriptor = file.fileno()
        self._is_file = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()
        # What the file object has read ahead would be missed below.
        ahead = file.peek() if isinstance(file, io.BufferedReader) else b""
        self._held = bytearray(peeked + ahead)
        self._start = 0
        self._given = 0
        self._asked = (-1, 0)
        self._ended = False

    def window(self, start: int, length: int) -> tuple[Bytes, bool]:
        """Whatever there is from ``start`` on, about ``length`` bytes at most.

        Bytes handed out before are not enough, unless the very same is asked again.
        """
        again = (start, length) == self._asked
        del self._held[: start - self._start]
        enough = max(_HEAD_BYTES if not start else 1, 1 if again else self._given - start + 1)
        self._start, self._asked = start, (start, length)
        while True:
            self._take(length)
            if len(self._held) >= enough or self._ended:
                break
            self._wait()
        self._given = start + len(self._held)
        return np.frombuffer(bytes(self._held), np.uint8), self._ended

    def _take(self, length: int) -> None:
        """Read what can be read without waiting."""
        while len(self._held) < length and not self._ended:
            if not self._is_file and not select.select([self._descriptor], [], [], 0)[0]:
                return
            try:
                data = os.read(self._descriptor, min(_READ_BYTES, max(length - len(self._held), 1)))
            except OSError as error:
                raise InputError(f"cannot be read: {error.strerror or error}", path=self.name) from error
            if not data:
                if not self._is_file:
                    self._ended = True
                return
            self._held += data

    def _wait(self) -> None:
        if self._is_file:
            self._stopped.wait(self._poll_seconds)
            shrunk = os.fstat(self._descriptor).st_size < self._start + len(self._held)
        else:
            select.select([self._descriptor], [], [], self._poll_seconds)
            shrunk = False
        self._ended |= shrunk or self._stopped.is_set()

    def release(self, position: int) -> None:
        """Nothing to do: only what is not settled is held."""

    def stop(self) -> None:
        """End the stream with what is there."""
        self._stopped.set()

    def close(self) -> None:
        """Close the file."""
        self._stopped.set()
        self._file.close()
