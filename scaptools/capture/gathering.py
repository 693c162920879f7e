"""Gathering seek points: one pass over a gzip file with zlib, which tells where its blocks begin.

The decoder that reads captures is faster and does not tell; zlib itself is called here, through cffi. Where the
system has none there are no points.
"""

from __future__ import annotations

import mmap
from functools import cache
from typing import TYPE_CHECKING, Any

from scaptools.capture.seekpoints import SeekPoint

if TYPE_CHECKING:
    import threading
    from pathlib import Path

#: Decompressed bytes between points: what is decoded in vain at most before a wanted stretch.
POINT_BYTES = 4 << 20

_LIBRARIES = ("libz.so.1", "libz.so", "libz.dylib", "libz.1.dylib")
_DECLARATIONS = """
typedef struct {
    const unsigned char *next_in; unsigned int avail_in; unsigned long total_in;
    unsigned char *next_out; unsigned int avail_out; unsigned long total_out;
    const char *msg; void *state; void *zalloc; void *zfree; void *opaque;
    int data_type; unsigned long adler; unsigned long reserved;
} z_stream;
const char *zlibVersion(void);
int inflateInit2_(z_stream *stream, int bits, const char *version, int size);
int inflate(z_stream *stream, int flush);
int inflateGetDictionary(z_stream *stream, unsigned char *dictionary, unsigned int *length);
int inflateReset(z_stream *stream);
int inflateEnd(z_stream *stream);
"""
_GZIP_ONLY = 16 + 15
_BLOCK = 5
_OK, _STREAM_END, _BUF_ERROR = 0, 1, -5
#: What ``data_type`` says: the unused bits of the last byte, that the last block is at hand, that a block has ended.
_UNUSED_BITS, _LAST_BLOCK, _AT_BOUNDARY = 7, 64, 128
_WINDOW_BYTES = 1 << 15
_OUTPUT_BYTES = 1 << 17
_INPUT_BYTES = 1 << 20
_MAGIC = b"\x1f\x8b"


@cache
def _zlib() -> tuple[Any, Any] | None:
    from cffi import FFI

    ffi = FFI()
    ffi.cdef(_DECLARATIONS)
    for name in _LIBRARIES:
        try:
            return ffi, ffi.dlopen(name)
        except OSError:
            continue
    return None


def gather_seek_points(path: Path, stop: threading.Event, distance: int = POINT_BYTES) -> list[SeekPoint]:
    """The points of a gzip file, ``distance`` decompressed bytes apart or somewhat more, up to its end or damage.

    Once ``stop`` is set the pass ends with what there is. Raises OSError where the file cannot be read.
    """
    found = _zlib()
    if found is None:
        return []
    ffi, zlib = found
    stream = ffi.new("z_stream *")
    if zlib.inflateInit2_(stream, _GZIP_ONLY, zlib.zlibVersion(), ffi.sizeof("z_stream")) != _OK:
        return []
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Pass(ffi, zlib, stream, memoryview(data), distance).run(stop)
    finally:
        zlib.inflateEnd(stream)


class _Pass:
    def __init__(self, ffi: Any, zlib: Any, stream: Any, data: memoryview, distance: int) -> None:
        self._ffi, self._zlib, self._stream = ffi, zlib, stream
        self._data = data
        self._distance = distance
        self._output = ffi.new("unsigned char[]", _OUTPUT_BYTES)
        self._whole = 0
        self._points: list[SeekPoint] = []

    def run(self, stop: threading.Event) -> list[SeekPoint]:
        """Decode to the end, noting points on the way."""
        try:
            at = 0
            while at < len(self._data) and not stop.is_set():
                with self._data[at : at + _INPUT_BYTES] as chunk:
                    used = self._inflate(chunk, at)
                if not used:
                    break
                at += used
        finally:
            self._data.release()
        return self._points

    def _inflate(self, chunk: memoryview, at: int) -> int:
        """Decode a chunk of the file; how many bytes of it are settled, 0 where nothing that follows can be."""
        stream, ffi = self._stream, self._ffi
        with ffi.from_buffer(chunk) as source:
            stream.next_in, stream.avail_in = ffi.cast("const unsigned char *", source), len(chunk)
            while stream.avail_in:
                stream.next_out, stream.avail_out = self._output, _OUTPUT_BYTES
                status = self._zlib.inflate(stream, _BLOCK)
                self._whole += _OUTPUT_BYTES - stream.avail_out
                place = at + len(chunk) - stream.avail_in
                if status == _STREAM_END:
                    if bytes(self._data[place : place + len(_MAGIC)]) != _MAGIC:
                        return 0
                    self._zlib.inflateReset(stream)
                    self._note(SeekPoint(place, self._whole))
                elif status not in {_OK, _BUF_ERROR}:
                    return 0
                elif stream.data_type & (_AT_BOUNDARY | _LAST_BLOCK) == _AT_BOUNDARY and self._is_due:
                    self._note(SeekPoint(place, self._whole, stream.data_type & _UNUSED_BITS, self._window(), raw=True))
        return len(chunk)

    @property
    def _is_due(self) -> bool:
        return self._whole - (self._points[-1].whole if self._points else 0) >= self._distance

    def _note(self, point: SeekPoint) -> None:
        if self._is_due:
            self._points.append(point)

    def _window(self) -> bytes:
        window, length = self._ffi.new("unsigned char[]", _WINDOW_BYTES), self._ffi.new("unsigned int *")
        self._zlib.inflateGetDictionary(self._stream, window, length)
        return bytes(self._ffi.buffer(window, length[0]))
