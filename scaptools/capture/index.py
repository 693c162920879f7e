"""The index: a sidecar that says what is in each stretch of a capture, so that a query reads only what it needs.

A capture is described in chunks of a few megabytes: where they lie, how many events they hold, of which types, from
when to when, and of which threads. A chunk that holds anything but sound events is never left out. The sidecar names
the capture it belongs to by size and by a fingerprint of its bytes; any other capture ignores it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from scap_formats.table import event_table
from scaptools.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from scaptools.capture.reader import CaptureReader
    from scaptools.capture.source import Opened

SUFFIX = ".scapidx"
#: Decompressed bytes of a chunk: what a query reads at least.
CHUNK_BYTES = 4 << 20

_MAGIC = b"SCAPIDX\n"
_VERSION = 1
_ALIGNMENT = 64
_SAMPLES = 32
_SAMPLE_BYTES = 4096
_CHUNK = np.dtype(
    [
        ("start", "<u8"),
        ("length", "<u8"),
        ("first_number", "<u8"),
        ("events", "<u8"),
        ("unknown_events", "<u8"),
        ("first_ts", "<u8"),
        ("last_ts", "<u8"),
        ("first_tid", "<u8"),
        ("tids", "<u8"),
        ("plain", "?"),
    ]
)


@dataclass(frozen=True, slots=True)
class EventSelection:
    """What a query can be interested in at all; None is no restriction.

    ``types`` are event type numbers, ``tids`` thread numbers, ``times`` the first and last time in ns.
    """

    types: Collection[int] | None = None
    tids: Collection[int] | None = None
    times: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class CaptureIndex:
    """What is in each chunk of a capture.

    ``chunks`` has one record a chunk; ``types`` has a row of bits a chunk, one per event type (shape ``(n, width)``,
    uint8); ``tids`` the distinct threads of each chunk, one chunk after the other; ``seek_points`` pairs of compressed
    and decompressed offsets from which a compressed capture can be read.
    """

    chunks: NDArray[Any]
    types: NDArray[np.uint8]
    tids: NDArray[np.int64]
    seek_points: NDArray[np.int64]

    def needed(self, selection: EventSelection) -> NDArray[np.bool_]:
        """Which chunks can hold events of interest, or something else than events; shape ``(n,)``."""
        chunks = self.chunks
        wanted = chunks["events"] > 0
        if selection.types is not None:
            bits = np.zeros(self.types.shape[1] * 8, bool)
            bits[[number for number in selection.types if number < len(bits)]] = True
            wanted &= (self.types & np.packbits(bits)).any(axis=1)
        if selection.times is not None:
            first, last = (min(max(bound, 0), 2**64 - 1) for bound in selection.times)
            wanted &= (chunks["first_ts"] <= np.uint64(last)) & (chunks["last_ts"] >= np.uint64(first))
        if selection.tids is not None:
            hits = np.concatenate(([0], np.cumsum(np.isin(self.tids, list(selection.tids)))))
            ends = (chunks["first_tid"] + chunks["tids"]).astype(np.int64)
            wanted &= hits[ends] > hits[chunks["first_tid"].astype(np.int64)]
        return np.asarray(wanted | ~chunks["plain"])

    def save(self, capture: Path) -> Path:
        """Write the sidecar of a capture, in one step; its path. Raises OutputError and InputError."""
        target = sidecar_path(capture)
        arrays = {"chunks": self.chunks, "types": self.types, "tids": self.tids, "seek_points": self.seek_points}
        header: dict[str, Any] = {"version": _VERSION, "capture": fingerprint(capture), "arrays": {}}
        position = 0
        for name, array in arrays.items():
            header["arrays"][name] = {"offset": position, "shape": array.shape}
            position += array.nbytes + -array.nbytes % _ALIGNMENT
        text = json.dumps(header).encode()
        text += b" " * (-(len(_MAGIC) + len(text) + 1) % _ALIGNMENT) + b"\n"
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            with partial.open("wb") as file:
                file.write(_MAGIC + text)
                for array in arrays.values():
                    file.write(array.tobytes())
                    file.write(bytes(-array.nbytes % _ALIGNMENT))
            partial.replace(target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise OutputError(f"cannot be written: {error.strerror or error}", path=str(target)) from error
        return target

    @classmethod
    def load(cls, capture: Path) -> Self | None:
        """The index of a capture from its sidecar, memory-mapped; None where there is none that fits."""
        path = sidecar_path(capture)
        try:
            with path.open("rb") as file:
                if file.read(len(_MAGIC)) != _MAGIC:
                    return None
                text = file.readline()
                header = json.loads(text)
                base = len(_MAGIC) + len(text)
            if header["version"] != _VERSION or header["capture"] != fingerprint(capture):
                return None
            return cls(
                **{
                    name: _mapped(path, dtype, base + header["arrays"][name]["offset"], header["arrays"][name]["shape"])
                    for name, dtype in _DTYPES.items()
                }
            )
        except (OSError, ValueError, KeyError, TypeError, InputError):
            return None


_DTYPES: dict[str, np.dtype[Any]] = {
    "chunks": _CHUNK,
    "types": np.dtype(np.uint8),
    "tids": np.dtype("<i8"),
    "seek_points": np.dtype("<i8"),
}


def _mapped(path: Path, dtype: np.dtype[Any], offset: int, shape: list[int]) -> NDArray[Any]:
    size = int(np.prod(shape))
    if not size:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset, tuple(shape))


def sidecar_path(capture: Path) -> Path:
    """Where the index of a capture lies: beside it."""
    return capture.with_name(capture.name + SUFFIX)


def fingerprint(capture: Path) -> dict[str, Any]:
    """The size of a file and a hash of stretches all over it. Raises InputError."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with capture.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for place in range(_SAMPLES):
                file.seek(max(size - _SAMPLE_BYTES, 0) * place // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE_BYTES))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=str(capture)) from error
    return {"size": size, "hash": digest.hexdigest()}


def find_index(opened: Opened) -> CaptureIndex | None:
    """The index of a capture that is a plain path, None for any other source or where no sidecar fits."""
    if not isinstance(opened, str | os.PathLike) or "://" in os.fspath(opened):
        return None
    path = Path(opened)
    return CaptureIndex.load(path) if sidecar_path(path).is_file() else None


def build_index(reader: CaptureReader) -> CaptureIndex:
    """Index a capture in one pass; ``reader`` should have windows of `CHUNK_BYTES`."""
    width = (len(event_table().events) + 7) // 8
    records: list[tuple[Any, ...]] = []
    types: list[NDArray[np.uint8]] = []
    tids: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    number, tid_count = 1, 0
    for window in reader.windows():
        before = len(reader.sections), len(reader.damage)
        unknown = reader.unknown_events
        batches = list(reader.batches_of(window, number))
        present = np.zeros(width * 8, bool)
        threads, first, last = np.empty(0, np.int64), 2**64 - 1, 0
        for batch in batches:
            present[batch.types_present()] = True
            times = batch.header("ts")
            first, last = min(first, int(times.min())), max(last, int(times.max()))
            tid = batch.header("tid")
            # Events of one thread come in runs; sorting one of each run is much less.
            threads = np.union1d(threads, tid[np.append(True, tid[1:] != tid[:-1])])
        events = sum(map(len, batches))
        unknown = reader.unknown_events - unknown
        only_events = events + unknown == len(window.scan.types) and before == (
            len(reader.sections),
            len(reader.damage),
        )
        chunk = (window.start, window.scan.consumed, number, events, unknown, first, last, tid_count, len(threads))
        records.append((*chunk, only_events))
        types.append(np.packbits(present))
        tids.append(threads)
        number += events
        tid_count += len(threads)
    chunks = np.array(records, _CHUNK)
    if reader.damage:
        # Where the intact blocks of a damaged capture are depends on where reading begins.
        chunks["plain"] = False
    return CaptureIndex(
        chunks,
        np.array(types, np.uint8).reshape(len(types), width),
        np.concatenate(tids),
        np.array(reader.seek_points, np.int64).reshape(-1, 2),
    )
