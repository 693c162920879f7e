"""Audit logs: files of one JSON value a line, read once, as events.

A value is an event, a list of events (of kind ``EventList``, or an array, which may hold arrays), or passed over; so is
a list one of whose elements is none. An event needs a ``stageTimestamp``. It is recorded as compact JSON.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail.timestamps import parse_time
from scaptools.plugins.contract import EventStream, SourceEvent
from scaptools.plugins.jsontext import Documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: Bytes read in one go.
_PIECE: Final = 1 << 22
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_EVENT: Final = b"Event"
_LIST: Final = b"EventList"


class AuditLogs(EventStream):
    """The events of a file, or of the files right in a directory, the one that was changed first before the others."""

    def __init__(self, params: str, *, max_event: int, max_line: int, plugin: str) -> None:
        """Lists the files, reads none. Raises PluginError where there is nothing to read."""
        path = params.strip()
        scheme = _SCHEME.match(path)
        if scheme is not None:
            raise PluginError(
                f'scheme "{scheme[1]}" is not supported', plugin=plugin, hint="give the path of a file or a directory"
            )
        if not path:
            raise PluginError("cannot open an empty path", plugin=plugin, hint="give the path of a file or a directory")
        self._plugin = plugin
        self._max_event, self._max_line = max_event, max_line
        self._closed = False
        self._opened = 0
        try:
            self._paths = [Path(path)]
            if self._paths[0].is_dir():
                entries = [(entry.stat(), entry) for entry in self._paths[0].iterdir()]
                entries = [(status, entry) for status, entry in entries if stat.S_ISREG(status.st_mode)]
                entries.sort(key=lambda pair: (pair[0].st_mtime_ns, str(pair[1])))
                self._paths = [entry for _, entry in entries]
            elif not self._paths[0].is_file():
                raise PluginError(f"cannot open {path}: no such file or directory", plugin=plugin)
        except (OSError, ValueError) as error:  # ValueError: text that is no file name
            raise PluginError(f"cannot open {path}: {error}", plugin=plugin) from error

    def __iter__(self) -> Iterator[list[SourceEvent]]:
        """Batches of events. Raises PluginError where a file cannot be read or a line is too long."""
        for path in self._paths:
            self._opened += 1
            for lines in self._pieces(path):
                if self._closed:
                    return
                yield events_of(lines, limit=self._max_event)

    def _pieces(self, path: Path) -> Iterator[bytes]:
        """The file in pieces of whole lines."""
        kept = b""
        try:
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    lines, newline, rest = (kept + piece).rpartition(b"\n")
                    if newline:
                        yield lines
                    kept = rest
                    if len(kept) > self._max_line:
                        raise PluginError(f"{path} has a line of more than {self._max_line} bytes", plugin=self._plugin)
        except OSError as error:
            raise PluginError(f"cannot read {path}: {error.strerror or error}", plugin=self._plugin) from error
        if kept:
            yield kept

    def progress(self) -> tuple[float, str] | None:
        """The share of the files that have been opened, and the same in words."""
        known = len(self._paths)
        return (self._opened / known if known else 0.0), f"{self._opened}/{known} files"

    def close(self) -> None:
        """Read nothing more."""
        self._closed = True


def events_of(lines: bytes, *, limit: int) -> list[SourceEvent]:
    """The events of some lines; those of more than ``limit`` bytes are left out."""
    ends = np.append(np.flatnonzero(np.frombuffer(lines, np.uint8) == 0x0A), len(lines)).astype(np.int64)
    starts = np.append(0, ends[:-1] + 1)
    buffer = pa.py_buffer(lines)
    spans = [span for found in _recognised(buffer, starts, ends) for span in found or ()]
    if not spans:
        return []
    first, last = np.array(spans, np.int64).T
    documents = Documents(buffer, first, last)
    times = documents.path(b"stageTimestamp")
    texts = documents.strings(times.where(documents.is_string(times))).to_pylist()
    root = documents.root
    events = []
    for text, payload in zip(texts, documents.sources(root.start, root.end, root.present).to_pylist(), strict=True):
        time = None if text is None else parse_time(text)
        if time is not None and len(payload) <= limit:
            events.append(SourceEvent(payload, time))
    return events


def _recognised(
    buffer: pa.Buffer, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> list[list[tuple[int, int]] | None]:
    """Where the events of each value lie, None for a value that is neither an event nor a list of them."""
    documents = Documents(buffer, starts, ends)
    root = documents.root
    kinds = documents.path(b"kind")
    named = documents.strings(kinds.where(documents.is_string(kinds) & documents.is_object(root))).to_pylist()
    found: list[list[tuple[int, int]] | None] = [None] * len(documents)
    for row, kind in enumerate(named):
        if kind == _EVENT:
            found[row] = [(int(root.start[row]), int(root.end[row]))]
    listed = documents.is_array(root)
    items = documents.path(b"items").where(np.array([kind == _LIST for kind in named], bool))
    for lists in (root.where(listed), items):
        for row in np.flatnonzero(documents.is_array(lists)).tolist():
            found[row] = []
        rows, inner = documents.elements(lists)
        if not len(rows):
            continue
        for row, spans in zip(rows.tolist(), _recognised(buffer, inner.start, inner.end), strict=True):
            so_far = found[row]
            found[row] = None if so_far is None or spans is None else so_far + spans
    return found
