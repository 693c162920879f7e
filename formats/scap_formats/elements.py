"""Fields of variable size and lists, as Construct declarations.

Missing values are None; bytes nothing accounts for are kept, so that what was parsed builds to the same bytes.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

from construct import (
    ConstructError,
    Container,
    FormatFieldError,
    ListContainer,
    StreamError,
    StringError,
    Subconstruct,
)

from scap_formats.record import Leaf, checked, read_part, write_part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scap_formats.codec import Schema

ALIGNMENT = 4


def remaining(stream: io.BytesIO) -> int:
    """Count the unread bytes of a stream."""
    position = stream.tell()
    end = stream.seek(0, io.SEEK_END)
    stream.seek(position)
    return end - position


class LengthBytes(Leaf):
    """Bytes after their count."""

    def __init__(self, length: Schema) -> None:
        super().__init__()
        self._packer = struct.Struct(length.fmtstr)

    def _parse(self, stream: io.BytesIO, _context: Container, path: str) -> bytes:
        head = stream.read(self._packer.size)
        if len(head) != self._packer.size:
            raise StreamError("the bytes end inside a length", path=path)
        (count,) = self._packer.unpack(head)
        data = stream.read(count)
        if len(data) != count:
            raise StreamError(f"{count} bytes expected, {len(data)} left", path=path)
        return data

    def _build(self, obj: bytes, stream: io.BytesIO, _context: Container, path: str) -> bytes:
        data = checked(obj, path)
        try:
            stream.write(self._packer.pack(len(data)))
        except struct.error as error:
            raise StringError(f"{len(data)} bytes are too long", path=path) from error
        stream.write(data)
        return obj


class Alignment(Leaf):
    """Bytes up to the next multiple of 4 of the stream; None where they are exactly NULs, else the bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.flagbuildnone = True

    def _parse(self, stream: io.BytesIO, _context: Container, _path: str) -> bytes | None:
        count = -stream.tell() % ALIGNMENT
        data = stream.read(count)
        return None if data == bytes(count) else data

    def _build(self, obj: bytes | None, stream: io.BytesIO, _context: Container, path: str) -> bytes | None:
        stream.write(bytes(-stream.tell() % ALIGNMENT) if obj is None else checked(obj, path))
        return obj


class Rest(Leaf):
    """Whatever bytes are left; none when building without a value."""

    def __init__(self) -> None:
        super().__init__()
        self.flagbuildnone = True

    def _parse(self, stream: io.BytesIO, _context: Container, _path: str) -> bytes:
        return stream.read()

    def _build(self, obj: bytes | None, stream: io.BytesIO, _context: Container, path: str) -> bytes | None:
        stream.write(b"" if obj is None else checked(obj, path))
        return obj


class PaddedBytes(Leaf):
    """A fixed number of bytes without the NULs at their end."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def _parse(self, stream: io.BytesIO, _context: Container, path: str) -> bytes:
        data = stream.read(self.size)
        if len(data) != self.size:
            raise StreamError(f"{self.size} bytes expected, {len(data)} left", path=path)
        return data.rstrip(b"\0")

    def _build(self, obj: bytes, stream: io.BytesIO, _context: Container, path: str) -> bytes:
        data = checked(obj, path)
        if len(data) > self.size:
            raise StringError(f"{len(data)} bytes are more than {self.size}", path=path)
        stream.write(data.ljust(self.size, b"\0"))
        return obj


class UnknownKind(Leaf):
    """Stands where a number selects the layout and no layout belongs to it."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.flagbuildnone = True

    def _parse(self, _stream: io.BytesIO, _context: Container, path: str) -> None:
        raise StreamError(f"unknown {self.what}", path=path)

    def _build(self, _obj: Any, _stream: io.BytesIO, _context: Container, path: str) -> None:
        raise FormatFieldError(f"unknown {self.what}", path=path)


class EntryList(Subconstruct):  # type: ignore[misc]
    """Entries for as long as at least 4 bytes remain, each after its length where ``length`` is given.

    ``counts_itself`` says whether the length includes its own bytes. An entry with a length sees its own bytes only.
    """

    def __init__(self, entry: Schema, *, length: Schema | None = None, counts_itself: bool = False) -> None:
        super().__init__(entry)
        self._packer = None if length is None else struct.Struct(length.fmtstr)
        self._own_size = self._packer.size if self._packer and counts_itself else 0

    def _parse(self, stream: io.BytesIO, context: Container, path: str) -> ListContainer:
        entries = ListContainer()
        for entry, where in self._sources(stream, path):
            try:
                entries.append(read_part(self.subcon, entry, context, where))
            except ConstructError:
                if entry is not stream:  # the outer position is what an error is reported at
                    stream.seek(-remaining(entry), io.SEEK_CUR)
                raise
        return entries

    def _sources(self, stream: io.BytesIO, path: str) -> Iterator[tuple[io.BytesIO, str]]:
        """Yield a stream for every entry, and where it is."""
        index = 0
        while remaining(stream) >= ALIGNMENT:
            where = f"{path} -> [{index}]"
            if self._packer is None:
                yield stream, where
            else:
                start = stream.tell()
                size = self._packer.unpack(stream.read(self._packer.size))[0] - self._own_size
                data = stream.read(max(size, 0))
                if size < 0 or len(data) != size:
                    stream.seek(start)
                    raise StreamError(f"an entry of {size} bytes, {len(data)} left", path=where)
                yield io.BytesIO(data), where
            index += 1

    def _build(self, obj: Any, stream: io.BytesIO, context: Container, path: str) -> Any:
        for index, value in enumerate(obj):
            entry = io.BytesIO()
            write_part(self.subcon, value, entry, context, f"{path} -> [{index}]")
            data = entry.getvalue()
            if self._packer is not None:
                stream.write(self._packer.pack(len(data) + self._own_size))
            stream.write(data)
        return obj


class OptionList(Subconstruct):  # type: ignore[misc]
    """Complete entries up to one with code 0, which is kept, or to the first that does not fit."""

    def __init__(self, option: Schema) -> None:
        super().__init__(option)
        self.flagbuildnone = True

    def _parse(self, stream: io.BytesIO, context: Container, path: str) -> ListContainer:
        options = ListContainer()
        while remaining(stream):
            start = stream.tell()
            try:
                option = read_part(self.subcon, stream, context, path)
            except ConstructError:
                stream.seek(start)  # no option: left to the field that takes what is left
                break
            options.append(option)
            if option.code == 0:
                break
        return options

    def _build(self, obj: Any, stream: io.BytesIO, context: Container, path: str) -> Any:
        for option in obj or ():
            write_part(self.subcon, option, stream, context, path)
        return obj
