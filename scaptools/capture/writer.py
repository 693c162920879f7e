"""The writer: captures out, block by block, compressed or not.

Blocks are written as they come, untouched where they were read from another capture. Nothing but events may follow
the first event: libscap refuses a file that has metadata behind them.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, Protocol, Self, TypeAlias, cast

from scaptools.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from scaptools.capture.section import Section

Piece: TypeAlias = "bytes | bytearray | memoryview"
Compressed: TypeAlias = Literal["gzip", "zstd"]

#: The block that starts a section of the newest format; here as it is so that a recording need not build it.
NEWEST_HEADER: Final = bytes.fromhex("0a0d0d0a1c0000004d3c2b1a01000200ffffffffffffffff1c000000")
#: Decompressed bytes after which a new gzip member begins.
_MEMBER_BYTES = 8 << 20
#: Bytes of another file copied at a time.
_COPIED_BYTES = 4 << 20


class _Sink(Protocol):
    def write(self, data: Piece, /) -> object: ...

    def flush(self) -> object: ...

    def close(self) -> None: ...


class CaptureWriter:
    """Writes one capture to a path, ``-`` for standard output, or a binary file object.

    ``atomic`` puts the finished file in place in one step and leaves nothing behind after a failure; without it the
    file grows where it is, which is what a recording wants: what was written before a crash stays readable.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | BinaryIO,
        *,
        compression: Compressed | None = None,
        atomic: bool = True,
    ) -> None:
        self.name = "<stdout>" if target == "-" else str(target)
        self._final: Path | None = None
        self._partial: Path | None = None
        self._owned = True
        self._file = self._open(target, atomic=atomic)
        self._sink: _Sink = self._file if compression is None else _compressor(self._file, compression)
        self.bytes_written = 0

    def _open(self, target: str | os.PathLike[str] | BinaryIO, *, atomic: bool) -> BinaryIO:
        if not isinstance(target, str | os.PathLike):
            self._owned = False
            return target
        if target == "-":
            self._owned = False
            return sys.stdout.buffer
        path = Path(target)
        special = path.exists() and not path.is_file()
        if atomic and not special:
            self._final = path
            self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
            path = self._partial
        try:
            return path.open("wb")
        except OSError as error:
            raise OutputError(f"cannot be written: {error.strerror or error}", path=self.name) from error

    def write(self, pieces: Iterable[Piece]) -> None:
        """Write blocks, or pieces that make up whole blocks. Raises OutputError."""
        parts = list(pieces)
        # One piece, which is how much data comes, is not copied.
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        try:
            self._sink.write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(
                f"writing failed after {self.bytes_written} bytes: {error.strerror or error}", path=self.name
            ) from error
        self.bytes_written += len(data)

    def copy_from(self, file: BinaryIO, start: int, size: int) -> None:
        """Write a stretch of another file; the system copies it where it can. Raises OutputError."""
        end = start + size
        if self._sink is self._file and self._partial is not None and hasattr(os, "copy_file_range"):
            self.flush()
            with contextlib.suppress(OSError):  # not between these file systems; then as usual
                while start < end and (
                    copied := os.copy_file_range(file.fileno(), self._file.fileno(), end - start, start)
                ):
                    start += copied
                    self.bytes_written += copied
        while start < end and (data := os.pread(file.fileno(), min(end - start, _COPIED_BYTES), start)):
            self.write([data])
            start += len(data)

    def flush(self) -> None:
        """Have everything so far in the file, where others see it. Raises OutputError."""
        try:
            self._sink.flush()
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(
                f"writing failed after {self.bytes_written} bytes: {error.strerror or error}", path=self.name
            ) from error

    def section_header(self) -> None:
        """Start a section of the newest format."""
        self.write([NEWEST_HEADER])

    def metadata(self, section: Section) -> None:
        """Copy a section's header and metadata blocks."""
        self.write([section.header.raw, *(block.raw for block in section.blocks)])

    def start_section(self, preamble: Callable[[], Sequence[Piece]]) -> None:
        """Write what comes before the events of a section."""
        self.write(preamble())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    def close(self) -> None:
        """Finish the file and put it in place. Raises OutputError."""
        try:
            if self._sink is not self._file:
                self._sink.close()
            self._file.flush()
            if self._owned:
                self._file.close()
            if self._partial is not None and self._final is not None:
                self._partial.replace(self._final)
        except BrokenPipeError:
            raise
        except OSError as error:
            self.discard()
            raise OutputError(f"cannot be finished: {error.strerror or error}", path=self.name) from error

    def discard(self) -> None:
        """Give up an unfinished file; one that grows in place keeps what was written."""
        if self._partial is None:
            with contextlib.suppress(OSError):
                if self._sink is not self._file:
                    self._sink.close()
                self._file.flush()
        if self._owned:
            with contextlib.suppress(OSError):
                self._file.close()
        if self._partial is not None:
            self._partial.unlink(missing_ok=True)


class _GzipMembers:
    """A gzip stream of several members, so that a reader with an index can start in the middle."""

    def __init__(self, file: BinaryIO) -> None:
        from isal import igzip

        self._open = igzip.open
        self._file = file
        self._member = self._new_member()
        self._size = 0

    def _new_member(self) -> _Sink:
        return cast("_Sink", self._open(self._file, "wb"))  # type: ignore[no-untyped-call]

    def write(self, data: Piece) -> None:
        """Compress whole blocks."""
        if self._size >= _MEMBER_BYTES:
            self._member.close()
            self._member, self._size = self._new_member(), 0
        self._member.write(data)
        self._size += len(data)

    def flush(self) -> None:
        """Have what was written in the file."""
        self._member.flush()

    def close(self) -> None:
        """End the last member; the file stays open."""
        self._member.close()


def _compressor(file: BinaryIO, compression: Compressed) -> _Sink:
    if compression == "gzip":
        return _GzipMembers(file)
    import zstandard

    return cast("_Sink", zstandard.ZstdCompressor().stream_writer(file, closefd=False))
