"""Log files, wherever they come from: the contract between a place and the stream, and the local place."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from isal import igzip_lib, isal_zlib

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail.ahead import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN: Final = ".json"
_ZIPPED: Final = ".json.gz"
#: Most bytes a log file may unzip to; those AWS writes stay far below.
MAX_UNZIPPED: Final = 1 << 29
_CHUNK: Final = 1 << 16
#: The package's stubs declare the class as if it were an instance.
_UNZIP_ERROR: Final = cast("type[Exception]", igzip_lib.IsalError)
#: How many times smaller than its text a zipped file can be.
_MAX_RATIO: Final = 1032
#: Local files whose texts are in memory: the one being read and the one being unzipped meanwhile.
_AHEAD: Final = 2


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log file as it was read, still zipped if it is."""

    name: str
    data: bytes


class LogFiles(ABC):
    """Log files of one place, in the order they are read."""

    #: Files handed out so far.
    opened: int = 0
    #: What was passed over because it was no use.
    skipped: int = 0

    @property
    @abstractmethod
    def known(self) -> int:
        """Files there are to read, as far as is known."""

    @abstractmethod
    def __iter__(self) -> Iterator[LogFile | None]:
        """The files; None says that there is nothing right now. Raises PluginError."""

    def texts(self, *, plugin: str) -> Iterator[bytes | None]:
        """The texts of the files, empty for one that is damaged; None as above. Raises PluginError."""
        for file in self:
            yield None if file is None else text_of(file, plugin=plugin) or b""

    def close(self) -> None:  # noqa: B027 - most places hold nothing open
        """Release what the place holds; called once, also after a failure."""


class LocalFiles(LogFiles):
    """A file, or all log files below a directory: depth first, the names of each directory in byte order."""

    def __init__(self, path: str, *, plugin: str) -> None:
        """Lists the files, reads none. Raises PluginError where there is nothing to read."""
        self._plugin = plugin
        if not path:
            raise PluginError("missing input directory argument", plugin=plugin, hint="give a directory or a file")
        try:
            exists = Path(path).exists()
        except (OSError, ValueError):  # ValueError: text that is no file name
            exists = False
        if not exists:
            raise PluginError(f"cannot open {path}", plugin=plugin)
        self._paths = [name for name in _walk(path) if is_log_name(name)]
        if not self._paths:
            raise PluginError(
                f"no json files found in {path}", plugin=plugin, hint=f"log files end in {_PLAIN} or {_ZIPPED}"
            )

    @property
    def known(self) -> int:
        """Files found when the source was opened."""
        return len(self._paths)

    def __iter__(self) -> Iterator[LogFile]:
        """The files, each read when its turn comes. Raises PluginError where one cannot be read."""
        for path in self._paths:
            self.opened += 1
            yield self._read(path)

    def texts(self, *, plugin: str) -> Iterator[bytes | None]:
        """The texts of the files, of which the next is unzipped while one is looked at. Raises PluginError."""

        def text(path: str) -> bytes:
            return text_of(self._read(path), plugin=plugin) or b""

        with closing(in_order(text, self._paths, threads=1, ahead=_AHEAD)) as texts:
            for found in texts:
                self.opened += 1
                yield found

    def _read(self, path: str) -> LogFile:
        try:
            with open(path, "rb", opener=_open_regular) as file:
                return LogFile(path, file.read())
        except OSError as error:
            raise PluginError(f"cannot read {path}: {error.strerror or error}", plugin=self._plugin) from error


def _open_regular(path: str, flags: int) -> int:
    """Open without waiting for whoever should write into a pipe, and nothing but regular files."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("not a regular file")
    return descriptor


def _walk(root: str) -> Iterator[str]:
    """Everything below ``root`` that is no directory, or ``root`` itself.

    Links are not followed, unless ``root`` is one and ends in a slash.
    """
    if not Path(root).is_dir() or (Path(root).is_symlink() and not root.endswith("/")):
        yield root
        return
    waiting = [(root, True)]
    while waiting:
        path, is_directory = waiting.pop()
        if not is_directory:
            yield path
            continue
        try:
            with os.scandir(path) as entries:
                found = [(entry.name, entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError:  # a directory one may not read is passed over
            continue
        found.sort(key=lambda entry: os.fsencode(entry[0]), reverse=True)
        waiting.extend((path, is_directory) for _, path, is_directory in found)


def is_log_name(name: str) -> bool:
    """Whether a file of that name is read."""
    return name.endswith((_PLAIN, _ZIPPED))


def text_of(file: LogFile, *, plugin: str) -> bytes | None:
    """The text of a log file, None where it is zipped but does not unzip in full.

    Raises PluginError where it unzips to more than `MAX_UNZIPPED`.
    """
    if not file.name.endswith(_ZIPPED):
        return file.data
    whole = _single_member(file.data)
    if whole is not None:
        return whole
    parts: list[bytes] = []
    size = position = 0
    while position < len(file.data) or not parts:
        member = isal_zlib.decompressobj(wbits=31)
        while not member.eof:
            chunk = file.data[position : position + _CHUNK]
            if not chunk:
                return None
            position += len(chunk)
            try:
                part = member.decompress(chunk)
            except _UNZIP_ERROR:
                return None
            parts.append(part)
            size += len(part)
            if size > MAX_UNZIPPED:
                raise PluginError(f"{file.name} unzips to more than {MAX_UNZIPPED} bytes", plugin=plugin)
        position -= len(member.unused_data)
    return b"".join(parts)


def _single_member(data: bytes) -> bytes | None:
    """What data unzips to that is one member and tells its size truly, None for any other.

    The room is made once; growing it takes longer than unzipping.
    """
    size = int.from_bytes(data[-4:], "little")
    if size > min(len(data) * _MAX_RATIO, MAX_UNZIPPED):
        return None
    member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    try:
        text: bytes = member.decompress(data, size + 1)
    except _UNZIP_ERROR:
        return None
    return text if member.eof and not member.unused_data else None
