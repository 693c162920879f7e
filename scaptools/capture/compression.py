"""Decoders: gzip, zstd and plain streams behind one ``fill``, tolerant of damage.

Several gzip members or zstd frames read as one stream, wherever their boundaries fall. A stream that is cut or
damaged gives everything before the fault; the fault itself is kept for the reader to report.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, BinaryIO, ClassVar, cast

if TYPE_CHECKING:
    from isal.igzip_lib import IgzipDecompressor

    from scaptools.capture.seekpoints import SeekPoint

#: Bytes asked for at a time.
CHUNK_BYTES = 1 << 20
#: Bytes given to and taken from a decoder at a time: few enough to be still in the processor's cache when they are
#: copied.
_INPUT_BYTES, _OUTPUT_BYTES = 1 << 17, 1 << 18
#: The checksum and the length that end a gzip member.
_TRAILER_BYTES = 8


@dataclass(frozen=True, slots=True)
class StreamDamage:
    """Why a compressed stream ended early, and how many compressed bytes had been read by then."""

    reason: str
    compressed_offset: int


class Peeked:
    """A binary file whose first bytes were read already."""

    def __init__(self, file: BinaryIO, peeked: bytes = b"") -> None:
        self._file = file
        self._peeked = peeked
        self.offset = 0

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, empty at the end; never more than one read of the file below."""
        size = CHUNK_BYTES if size < 0 else size
        if self._peeked:
            data, self._peeked = self._peeked[:size], self._peeked[size:]
        else:
            data = self._file.read(size)
        self.offset += len(data)
        return data

    @property
    def can_seek(self) -> bool:
        """Whether reading can go on elsewhere."""
        try:
            return self._file.seekable()
        except (AttributeError, ValueError):
            return False

    def seek(self, offset: int) -> None:
        """Go on reading at an offset."""
        self._file.seek(offset)
        self._peeked, self.offset = b"", offset

    def close(self) -> None:
        """Close the file below."""
        self._file.close()


class Decoder(ABC):
    """Decompressed bytes of one stream, forwards."""

    compression: ClassVar[str | None] = None
    magic: ClassVar[bytes] = b""

    def __init__(self, file: Peeked) -> None:
        self.file = file
        self.damage: StreamDamage | None = None

    @property
    def can_seek(self) -> bool:
        """Whether decoding can go on at another of its seek points."""
        return False

    def seek(self, point: SeekPoint) -> None:
        """Go on decoding at a seek point of the stream."""
        raise NotImplementedError

    @abstractmethod
    def read(self, size: int) -> bytes:
        """Up to ``size`` decompressed bytes, empty only at the end; damage ends the stream and is kept."""

    def fill(self, target: memoryview) -> int:
        """Decode until ``target`` is full or the stream ends; the number of bytes put there."""
        filled = 0
        while filled < len(target):
            piece = memoryview(self.read(len(target) - filled))
            if not piece:
                break
            target[filled : filled + len(piece)] = piece
            filled += len(piece)
        return filled

    def cut(self, reason: str) -> None:
        """Note that the stream ends here because of ``reason``."""
        self.damage = StreamDamage(reason, self.file.offset)

    def close(self) -> None:
        """Close the file below."""
        self.file.close()


class PlainDecoder(Decoder):
    """A stream that is not compressed: a pipe, a URL."""

    def read(self, size: int) -> bytes:
        """Whatever the file gives."""
        return self.file.read(min(size, CHUNK_BYTES))


class GzipDecoder(Decoder):
    """Any number of gzip members; bytes after the last one that are no gzip header are ignored."""

    compression = "gzip"
    magic = b"\x1f\x8b"

    def __init__(self, file: Peeked) -> None:
        super().__init__(file)
        from isal import igzip_lib

        self._library = igzip_lib
        # The library's own type hints take its error class for an instance.
        self._errors: tuple[type[Exception], ...] = (igzip_lib.IsalError, EOFError, ValueError)  # type: ignore[assignment]
        self._member = self._new_member()
        self._pending = b""
        self._ended = False
        #: Bytes between the end of the deflate stream and that of its member, which its decoder does not take itself.
        self._trailer = 0

    @property
    def can_seek(self) -> bool:
        """With a point at hand it can, if the file can."""
        return self.file.can_seek

    def seek(self, point: SeekPoint) -> None:
        """Go on decoding at the beginning of a member or of a block inside one."""
        self.file.seek(point.first_byte)
        self._ended = False
        if point.raw:
            library = self._library
            self._member = library.IgzipDecompressor(flag=library.DECOMP_DEFLATE, zdict=point.window)
            self._trailer = _TRAILER_BYTES
            self._pending = point.opening(self.file.read(1)[0])
        else:
            self._member, self._trailer, self._pending = self._new_member(), 0, b""

    def _new_member(self) -> IgzipDecompressor:
        return self._library.IgzipDecompressor(flag=self._library.DECOMP_GZIP)

    def read(self, size: int) -> bytes:
        """Decoded bytes across members."""
        while not self._ended:
            member = self._member
            if member.eof:
                self._next_member(member.unused_data)
                continue
            data = self._pending or (self.file.read(_INPUT_BYTES) if member.needs_input else b"")
            self._pending = b""
            if not data and member.needs_input:
                self._ended = True
                self.cut("the gzip stream ends before its last member does")
                break
            try:
                output = member.decompress(data, min(size, _OUTPUT_BYTES))
            except self._errors as error:
                self._ended = True
                self.cut(f"the gzip stream is damaged ({error})")
                break
            if output:
                return output
        return b""

    def _next_member(self, rest: bytes) -> None:
        trailer, self._trailer = self._trailer, 0
        while len(rest) < trailer + len(self.magic) and (more := self.file.read(CHUNK_BYTES)):
            rest += more
        if len(rest) < trailer:
            self.cut("the gzip stream ends before its last member does")
        if rest[trailer:].startswith(self.magic):
            self._member = self._new_member()
            self._pending = rest[trailer:]
        else:
            self._ended = True


class ZstdDecoder(Decoder):
    """Any number of zstd frames."""

    compression = "zstd"
    magic = b"\x28\xb5\x2f\xfd"

    def __init__(self, file: Peeked) -> None:
        super().__init__(file)
        import zstandard

        self._error = zstandard.ZstdError
        self._reader = zstandard.ZstdDecompressor().stream_reader(cast("IO[bytes]", file), read_across_frames=True)

    def read(self, size: int) -> bytes:
        """Decoded bytes across frames."""
        if self.damage:
            return b""
        try:
            return self._reader.read(min(size, 4 * CHUNK_BYTES))
        except self._error as error:
            self.cut(f"the zstd stream is damaged ({error})")
            return b""


DECODERS: tuple[type[Decoder], ...] = (GzipDecoder, ZstdDecoder)


def decoder_for(magic: bytes, file: BinaryIO, *, peeked: bytes = b"") -> Decoder | None:
    """The decoder whose magic the first bytes carry, None for a stream that is not compressed."""
    for decoder in DECODERS:
        if magic.startswith(decoder.magic):
            return decoder(Peeked(file, peeked))
    return None
