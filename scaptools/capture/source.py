"""Sources: where a capture's bytes come from, as windows of one long decompressed stream.

A source hands out *windows*: read-only byte arrays that start where the reader says, usually at the last block
boundary it could find. Files are memory-mapped and a window is a view; everything else (gzip, zstd, pipes, URLs) is
decoded into one fresh buffer per window, the next one being filled in the background. Compression is told by
content, never by suffix. Memory is bounded by the window's size, whatever the capture's.
"""

from __future__ import annotations

import mmap
import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeAlias, cast

import numpy as np

from scaptools.capture.compression import Decoder, Peeked, PlainDecoder, StreamDamage, decoder_for
from scaptools.capture.following import FollowedStream
from scaptools.capture.seekpoints import NO_SEEK_POINTS
from scaptools.errors import EmptyCaptureError, InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.capture.seekpoints import SeekPoints

    Bytes: TypeAlias = NDArray[np.uint8]

#: What `open_source` takes.
Opened: TypeAlias = "str | os.PathLike[str] | BinaryIO"

_MAGIC_BYTES = 4
_PAGE = mmap.ALLOCATIONGRANULARITY
#: Room kept in front of a freshly decoded buffer for the incomplete block before it.
_HEADROOM = 1 << 20
#: Bytes decoded at a time where nothing of them is wanted.
_SKIP_BYTES = 4 << 20


class Source(Protocol):
    """A decompressed byte stream that is read forwards in windows."""

    name: str
    compression: str | None
    #: Total size in decompressed bytes where it is known beforehand.
    size: int | None
    #: Where decoding can start; without any it starts at the beginning.
    seek_points: SeekPoints

    def window(self, start: int, length: int) -> tuple[Bytes, bool]:
        """At least the bytes ``[start, start + length)`` as far as they exist, and whether the stream ends there.

        ``start`` never goes back behind an earlier call's. Raises InputError where reading fails.
        """

    def release(self, position: int) -> None:
        """Say that windows before ``position`` are no longer worth keeping in memory."""

    @property
    def damage(self) -> StreamDamage | None:
        """What cut the compressed stream short, known once the last window was handed out."""

    def stop(self) -> None:
        """End the stream early, waking whoever waits for it to grow."""

    def close(self) -> None:
        """Release the file."""


class MappedFile:
    """An uncompressed file; windows are views of its mapping."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.name = name
        self.compression: str | None = None
        self.damage: StreamDamage | None = None
        self.seek_points = NO_SEEK_POINTS
        self.size: int | None = os.fstat(file.fileno()).st_size
        self._file = file
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._map.madvise(mmap.MADV_SEQUENTIAL)
        self._bytes = np.frombuffer(self._map, np.uint8)

    def window(self, start: int, length: int) -> tuple[Bytes, bool]:
        """A view of the mapping."""
        return self._bytes[start : start + length], start + length >= len(self._bytes)

    def release(self, position: int) -> None:
        """Give pages back to the system: resident ones count as this process's memory.

        Dropped pages come back when touched, so columns that still point there stay valid.
        """
        # From the beginning each time: a consumer that lags behind brings pages back that were dropped before.
        keep_from = position // _PAGE * _PAGE
        if keep_from:
            self._map.madvise(mmap.MADV_DONTNEED, 0, keep_from)

    def stop(self) -> None:
        """Nothing to do: nobody waits for this file."""

    def close(self) -> None:
        """Close the file; the mapping lives as long as views of it do."""
        self._file.close()


class DecodedStream:
    """A compressed file, a pipe or a URL; windows are buffers of their own, decoded one ahead."""

    def __init__(self, name: str, decoder: Decoder) -> None:
        self.name = name
        self.compression = decoder.compression
        self.size: int | None = None
        self._decoder = decoder
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="scap-decode")
        self._start = 0
        self._held: Bytes = np.empty(0, np.uint8)
        self._ahead: Future[tuple[Bytes, int]] | None = None
        self._ended = False
        self.seek_points = NO_SEEK_POINTS

    @property
    def damage(self) -> StreamDamage | None:
        """What cut the compressed stream short."""
        return self._decoder.damage

    def window(self, start: int, length: int) -> tuple[Bytes, bool]:
        """What is left of the window before, then newly decoded bytes; what lies between is decoded and forgotten."""
        if start > self._start + len(self._held):
            self._skip_to(start)
        held = self._held[start - self._start :]
        while len(held) < length and not self._ended:
            held = self._extend(held, length)
        self._start, self._held = start, held
        if not self._ended and self._ahead is None:
            self._ahead = self._executor.submit(self._decode, length)
        return held, self._ended

    def release(self, position: int) -> None:
        """Nothing to do: buffers go when the last column that points into them does."""

    def _skip_to(self, start: int) -> None:
        position = self._start + len(self._held)
        held = np.empty(0, np.uint8)
        point = self.seek_points.before(start)
        coming = 0 if self._ahead is None else self._ahead.result()[1]
        if point is not None and point.whole > position + coming and self._decoder.can_seek:
            position, self._ahead = point.whole, None
            self._decoder.seek(point)
            self._ended = False
        while position < start and not self._ended:
            held = self._extend(held[:0], _SKIP_BYTES)
            if position + len(held) > start:
                held = held[start - position :]
                position = start
            else:
                position += len(held)
                held = held[:0]
        self._start, self._held = start, held

    def _extend(self, held: Bytes, length: int) -> Bytes:
        ahead, self._ahead = self._ahead, None
        buffer, decoded = self._decode(length) if ahead is None else ahead.result()
        self._ended = _HEADROOM + decoded < len(buffer)
        if len(held) > _HEADROOM:
            return np.concatenate((held, buffer[_HEADROOM : _HEADROOM + decoded]))
        buffer[_HEADROOM - len(held) : _HEADROOM] = held
        return buffer[_HEADROOM - len(held) : _HEADROOM + decoded]

    def _decode(self, length: int) -> tuple[Bytes, int]:
        # A short fill is the end of the stream.
        buffer = np.empty(_HEADROOM + length, np.uint8)
        try:
            return buffer, self._decoder.fill(buffer.data[_HEADROOM:])
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}", path=self.name) from error

    def stop(self) -> None:
        """Nothing to do: a read that waits cannot be woken."""

    def close(self) -> None:
        """Stop decoding and close what lies below."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._decoder.close()


def open_source(capture: Opened, *, follow: bool = False) -> Source:
    """Open a path, an fsspec URL, ``-`` for standard input, or a binary file object.

    With ``follow`` the end of what is there is not the end: more is waited for. Raises InputError where it cannot be
    read and EmptyCaptureError where there is nothing in it.
    """
    name, file = _open_binary(capture)
    try:
        magic = _read_magic(file)
        if not magic:
            file.close()
            raise EmptyCaptureError("is empty", path=name, hint="nothing was captured, or the copy went wrong")
        decoder = decoder_for(magic, file, peeked=magic)
        if follow:
            if decoder is not None or not _has_descriptor(file):
                file.close()
                raise InputError("cannot be followed", path=name, hint="only uncompressed files and pipes can")
            return FollowedStream(name, file, magic)
        if decoder is None and _is_regular(file):
            return MappedFile(name, file)
        return DecodedStream(name, decoder or PlainDecoder(Peeked(file, magic)))
    except OSError as error:
        file.close()
        raise InputError(f"cannot be read: {error.strerror or error}", path=name) from error


def _open_binary(capture: Opened) -> tuple[str, BinaryIO]:
    if not isinstance(capture, str | os.PathLike):
        return str(getattr(capture, "name", "<stream>")), capture
    name = os.fspath(capture)
    if name == "-":
        return "<stdin>", sys.stdin.buffer
    if "://" in name:
        return name, _open_url(name)
    try:
        return name, Path(name).open("rb")
    except OSError as error:
        raise InputError(f"cannot be opened: {error.strerror or error}", path=name) from error


def _open_url(url: str) -> BinaryIO:
    try:
        import fsspec
    except ImportError as error:
        raise InputError(
            "is a URL", path=url, hint="reading URLs needs an extra: pip install 'scaptools[remote]'"
        ) from error
    try:
        return cast("BinaryIO", fsspec.open(url, "rb").open())
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"cannot be opened: {error}", path=url) from error


def _read_magic(file: BinaryIO) -> bytes:
    magic = b""
    while len(magic) < _MAGIC_BYTES and (more := file.read(_MAGIC_BYTES - len(magic))):
        magic += more
    return magic


def _has_descriptor(file: BinaryIO) -> bool:
    try:
        return file.fileno() >= 0
    except (OSError, AttributeError):
        return False


def _is_regular(file: BinaryIO) -> bool:
    try:
        return os.path.isfile(file.fileno())  # noqa: PTH113 - a descriptor, not a path
    except (OSError, AttributeError):
        return False
