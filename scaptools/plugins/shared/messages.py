"""What two processes say to each other about a plugin: JSON objects on a socket, arrays in memory they share."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import NDArray

K = TypeVar("K", bound="Hashable")

_LENGTH: Final = struct.Struct("<I")
#: Longest message; whatever is longer does not come from us.
_LONGEST: Final = 1 << 28
_MOST_FILES: Final = 8


class ClosedError(Exception):
    """The other side is gone."""


class Channel:
    """One end of a socket. Raises ClosedError once the other end is closed."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._files: list[int] = []

    def send(self, message: Mapping[str, Any], files: Sequence[int] = ()) -> None:
        """Send a message, with copies of open files."""
        data = json.dumps(message, separators=(",", ":")).encode()
        try:
            socket.send_fds(self.end, [_LENGTH.pack(len(data))], files)
            self.end.sendall(data)
        except OSError as error:
            raise ClosedError from error

    def receive(self) -> tuple[dict[str, Any], list[int]]:
        """The next message and the files that came with it. Raises TimeoutError where the socket has a time limit."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > _LONGEST:
            raise ClosedError
        try:
            message = json.loads(self._exactly(length))
        except ValueError as error:
            raise ClosedError from error
        if not isinstance(message, dict):
            raise ClosedError
        files, self._files = self._files, []
        return message, files

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            try:
                part, files, _, _ = socket.recv_fds(self.end, count - len(data), _MOST_FILES)
            except TimeoutError:
                raise
            except OSError as error:
                raise ClosedError from error
            if not part:
                raise ClosedError
            self._files += files
            data += part
        return bytes(data)

    def close(self) -> None:
        """Close this end."""
        self.end.close()


def write_arrays(file: int, arrays: Mapping[K, NDArray[Any]]) -> dict[K, Any]:
    """Put arrays into a file in memory; the description `read_arrays` needs."""
    import numpy as np

    described: dict[K, Any] = {}
    offset = 0
    for name, array in arrays.items():
        described[name] = [array.dtype.str, len(array), offset]
        data = np.ascontiguousarray(array).view(np.uint8).data if array.nbytes else memoryview(b"")
        while data:
            wrote = os.pwrite(file, data, offset)
            data, offset = data[wrote:], offset + wrote
        offset += -offset % 8
    if os.fstat(file).st_size < offset:
        os.ftruncate(file, offset)
    return described


def read_arrays(memory: Any, described: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The arrays of `write_arrays`, over the memory they lie in (a map or a copy of it)."""
    import numpy as np

    return {
        name: np.frombuffer(memory, np.dtype(dtype), count, offset) if count else np.zeros(0, np.dtype(dtype))
        for name, (dtype, count, offset) in described.items()
    }


def extent(described: Mapping[str, Any]) -> int:
    """How many bytes the arrays of a description take."""
    import numpy as np

    return max((offset + np.dtype(dtype).itemsize * count for dtype, count, offset in described.values()), default=0)
