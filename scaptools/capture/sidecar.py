"""Sidecar files: arrays and blobs that belong to one capture, and lie beside it.

A sidecar names its capture by size and by a fingerprint of its bytes, and the release that wrote it; whoever asks for
that of another capture or release gets none. Blobs come first, as they are made; then the arrays, aligned, so that
they are mapped and not read; last a header in JSON that says where everything is.

Nothing here needs numpy before an array is asked for: what a header says costs no start-up.
"""

from __future__ import annotations

import json
import mmap
import os
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from scaptools._version import __version__
from scaptools.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from numpy.typing import NDArray

SUFFIX = ".scapidx"

_MAGIC = b"SCAPIDX\n"
_FORMAT = 2
_ALIGNMENT = 64
#: The end of a sidecar: the length of its header, and the magic once more.
_LENGTH_BYTES = 8
_END_BYTES = _LENGTH_BYTES + len(_MAGIC)
_SAMPLES = 32
_SAMPLE_BYTES = 4096


def sidecar_path(capture: Path) -> Path:
    """Where the sidecar of a capture lies: beside it."""
    return capture.with_name(capture.name + SUFFIX)


def has_sidecar(capture: str | os.PathLike[str]) -> bool:
    """Whether a sidecar lies beside a capture, fitting or not."""
    name = os.fspath(capture)
    return "://" not in name and sidecar_path(Path(name)).is_file()


def fingerprint(capture: Path) -> dict[str, Any]:
    """The size of a file and a hash of stretches all over it. Raises InputError."""
    digest = blake2b(digest_size=16)
    try:
        with capture.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            for place in range(_SAMPLES):
                offset = max(size - _SAMPLE_BYTES, 0) * place // (_SAMPLES - 1)
                digest.update(os.pread(file.fileno(), _SAMPLE_BYTES, offset))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=str(capture)) from error
    return {"size": size, "hash": digest.hexdigest()}


class Sidecar:
    """An open sidecar that fits its capture; ``header`` is what its writer said about it."""

    def __init__(self, data: memoryview, header: Mapping[str, Any]) -> None:
        self._data = data
        self.header = header["about"]
        self._arrays: Mapping[str, Any] = header["arrays"]

    @classmethod
    def open(cls, capture: Path) -> Self | None:
        """The sidecar of a capture, memory-mapped; None where there is none that fits."""
        try:
            with sidecar_path(capture).open("rb", buffering=0) as file:
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            if data[: len(_MAGIC)] != _MAGIC or data[-len(_MAGIC) :] != _MAGIC:
                return None
            end = len(data) - _END_BYTES
            length = int.from_bytes(data[end : end + _LENGTH_BYTES], "little")
            header = json.loads(bytes(data[end - length : end]))
            good = header["format"] == _FORMAT and header["release"] == __version__
            return cls(data, header) if good and header["capture"] == fingerprint(capture) else None
        except (OSError, ValueError, LookupError, TypeError, InputError):
            return None

    def array(self, name: str, dtype: Any) -> NDArray[Any]:
        """An array as it lies in the file. Raises ValueError and LookupError where it cannot be there."""
        import numpy as np

        place, shape = self._arrays[name]
        count = 1
        for extent in shape:
            count *= extent
        return np.frombuffer(self._data, dtype, count, place).reshape(shape)

    def blob(self, place: int, size: int) -> memoryview:
        """A stretch of bytes as it lies in the file."""
        return self._data[place : place + size]


class SidecarWriter:
    """Writes the sidecar of a capture, which comes to be in one step; left by an error it leaves nothing."""

    def __init__(self, capture: Path) -> None:
        self.path = sidecar_path(capture)
        self._capture = capture
        self._partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        try:
            self._file = self._partial.open("wb")
        except OSError as error:
            raise self._failed(error) from error
        self._place = 0
        self.blob(_MAGIC)

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(f"cannot be written: {error.strerror or error}", path=str(self.path))

    def blob(self, data: bytes | memoryview) -> int:
        """Put a stretch of bytes into the file; its place. Raises OutputError."""
        place = self._place
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failed(error) from error
        self._place += len(data)
        return place

    def finish(self, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> None:
        """Write arrays and header, and put the file in place. Raises OutputError and InputError."""
        places = {}
        for name, array in arrays.items():
            self.blob(bytes(-self._place % _ALIGNMENT))
            places[name] = self.blob(array.tobytes()), array.shape
        header = {
            "format": _FORMAT,
            "release": __version__,
            "capture": fingerprint(self._capture),
            "about": about,
            "arrays": places,
        }
        text = json.dumps(header).encode()
        self.blob(text + len(text).to_bytes(_LENGTH_BYTES, "little") + _MAGIC)
        try:
            self._file.close()
            self._partial.replace(self.path)
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        self._partial.unlink(missing_ok=True)
