"""Shared libraries as plugins of the contract.

Every library gets a class of its own, because what it declares is known only once it has been asked. The class has the
capabilities of the contract the library has.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from scap_formats.table import plugin_registry
from scaptools.columns import Column, Lists, Numbers, Texts
from scaptools.errors import PluginError
from scaptools.plugins.contract import (
    EventColumns,
    EventStream,
    ExtractorPlugin,
    Payloads,
    Plugin,
    ScapEvents,
    SourcePlugin,
)
from scaptools.plugins.jsontext.texts import edges_of
from scaptools.plugins.shared.calls import PayloadColumns
from scaptools.plugins.shared.child import ChildSession, Limits
from scaptools.plugins.shared.extraction import NUMBER_TYPES, Extracted, FieldRequest
from scaptools.plugins.shared.session import LocalSession, Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scap_formats.types import ParamType
    from scaptools.plugins.contract import StreamBatch
    from scaptools.plugins.shared.declaration import Declaration, OpenParameter


class LibraryPlugin(Plugin):
    """A plugin in a shared library; ``config`` is JSON, or any text for plugins that want something else."""

    path: ClassVar[str]
    declaration: ClassVar[Declaration]

    def __init__(self, config: dict[str, Any] | str | None = None, *, session: Session) -> None:
        super().__init__(config if isinstance(config, dict) else None)
        self.session = session
        try:
            session.init(config if isinstance(config, str) else json.dumps(config) if config else "")
        except BaseException:
            session.end()
            raise

    def end(self) -> None:
        """Give up the plugin and its process; nothing may be asked of it afterwards."""
        self.session.end()

    def __del__(self) -> None:
        session = getattr(self, "session", None)
        if session is not None:
            with contextlib.suppress(PluginError, OSError):
                session.end()


class LibrarySource(LibraryPlugin, SourcePlugin):
    """A library that produces events."""

    def open(self, params: str) -> LibraryStream:
        """Start a stream. Raises PluginError."""
        return LibraryStream(self.session, params)

    def open_parameters(self) -> tuple[OpenParameter, ...]:
        """What the plugin suggests to open. Raises PluginError."""
        return self.session.open_parameters()

    def event_text(self, payload: bytes) -> str:
        """The plugin's own line about an event, else the payload's beginning."""
        data = np.frombuffer(payload, np.uint8)
        single = np.zeros(1, np.uint64)
        ids = np.full(1, self.info.id, np.uint32)
        text = self.session.event_text(PayloadColumns(data, np.array([0, len(data)], np.int64), single, single, ids))
        if text:
            return text
        if self.declaration.api[0] == 0:
            return "<NA>"
        start = payload[:_SHOWN_BYTES].decode("latin-1")
        if not (start.isascii() and start.isprintable()):
            return f"datalen={len(payload)} data=<binary>"
        return f"datalen={len(payload)} data={start}{'...' if len(payload) > _SHOWN_BYTES else ''}"


_SHOWN_BYTES: Final = 50


class LibraryExtractor(LibraryPlugin, ExtractorPlugin):
    """A library that extracts fields."""

    def prepare(self, payloads: Payloads) -> Any:
        """The payloads as the plugin takes them."""
        edges, data = edges_of(payloads.data)
        data, edges = data[int(edges[0]) : int(edges[-1])], (edges - edges[0]).astype(np.int64)
        ids = np.full(len(payloads), self.info.id, np.uint32) if payloads.ids is None else payloads.ids
        numbers, times = payloads.numbers.astype(np.uint64), payloads.timestamps.astype(np.uint64)
        names = {number: self._source_of(number) for number in np.unique(ids).tolist()}
        return self.session.prepare(PayloadColumns(data, edges, times, numbers, ids), names)

    def _source_of(self, number: int) -> str:
        if number == self.info.id:
            return self.info.source
        if self.source_name is not None:
            return self.source_name(number)
        registered = plugin_registry().get(number)
        return (registered.source or "") if registered is not None else ""

    def extract(self, prepared: Any, name: str, argument: str | None) -> Column:
        """The column of one field. Raises PluginError where the argument does not fit, or the plugin fails."""
        request = FieldRequest.of(self.fields, name, argument, plugin=self.info.name)
        return column_of(request, self.session.extract(prepared, request))


class LibrarySourceExtractor(LibrarySource, LibraryExtractor):
    """A library that produces events and extracts fields."""


def column_of(request: FieldRequest, extracted: Extracted) -> Column:
    """What a plugin gave as a column: no value where it gave none."""
    counts = extracted.counts
    valid = counts > 0
    if request.is_list:
        offsets = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        return Lists(offsets, _values(request.type, extracted, None), None if valid.all() else valid)
    return _values(request.type, extracted, None if valid.all() else valid)


def _values(type_: ParamType, extracted: Extracted, valid: Any) -> Numbers | Texts:
    """The values one after the other, spread to the rows that have one where ``valid`` is given."""
    if type_ in NUMBER_TYPES:
        if valid is None:
            return Numbers(extracted.numbers)
        numbers = np.zeros(len(valid), NUMBER_TYPES[type_])
        numbers[valid] = extracted.numbers
        return Numbers(numbers, valid)
    import pyarrow as pa

    lengths = extracted.lengths
    bitmap = None
    if valid is not None:
        lengths = np.zeros(len(valid), np.uint32)
        lengths[valid] = extracted.lengths
        bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    large = int(lengths.sum(dtype=np.int64)) >= _LARGE
    offsets = np.zeros(len(lengths) + 1, np.int64 if large else np.int32)
    np.cumsum(lengths, out=offsets[1:])
    buffers = [bitmap, pa.py_buffer(offsets), pa.py_buffer(extracted.texts)]
    return Texts(pa.Array.from_buffers(pa.large_binary() if large else pa.binary(), len(lengths), buffers))


#: Bytes from which on an Arrow array needs 64-bit offsets.
_LARGE: Final = 1 << 31


class LibraryStream(EventStream):
    """The events of a library's source."""

    def __init__(self, session: Session, params: str) -> None:
        self._session = session
        self._raw = not session.declaration.info.id
        self._progress: tuple[float, str] | None = None
        self._stream: int | None = session.open(params)

    def __iter__(self) -> Iterator[StreamBatch]:
        """See `EventStream`; what a plugin gave before it failed comes before its error."""
        while self._stream is not None:
            content, filled = self._session.next_events(self._stream)
            self._progress = filled.progress or self._progress
            if self._raw:
                yield ScapEvents(content.data, content.lengths)
            else:
                yield EventColumns(content.data, content.lengths, content.timestamps)
            if filled.asynchronous:
                lengths = np.fromiter(map(len, filled.asynchronous), np.uint32, len(filled.asynchronous))
                yield ScapEvents(b"".join(filled.asynchronous), lengths)
            if filled.error is not None:
                raise PluginError(filled.error, plugin=self._session.declaration.info.name)
            if filled.ended:
                return

    def progress(self) -> tuple[float, str] | None:
        """What the plugin said when it was last asked, None where it does not say."""
        return self._progress

    def close(self) -> None:
        """Close the stream; a plugin that fails in doing so has given all it had to give."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(PluginError):
                self._session.close(stream)


_BASES: Final[dict[tuple[bool, bool], type[LibraryPlugin]]] = {
    (True, True): LibrarySourceExtractor,
    (True, False): LibrarySource,
    (False, True): LibraryExtractor,
    (False, False): LibraryPlugin,
}


def load_library(
    path: str,
    config: dict[str, Any] | str | None = None,
    *,
    in_process: bool = False,
    limits: Limits | None = None,
) -> LibraryPlugin:
    """Load a shared library and make a plugin of it, in a process of its own or in this one.

    Raises PluginError where it is no plugin, declares what cannot be, or refuses its configuration.
    """
    session: Session = LocalSession(path) if in_process else ChildSession(path, limits)
    declaration = session.declaration
    base = _BASES["sourcing" in declaration.capabilities, "extraction" in declaration.capabilities]
    attributes = {
        "__doc__": declaration.info.description,
        "__module__": __name__,
        "path": path,
        "declaration": declaration,
        "info": declaration.info,
        "config_schema": declaration.schema,
        "fields": declaration.fields,
        "extract_sources": declaration.extract_sources,
    }
    plugin: LibraryPlugin = type(base.__name__, (base,), attributes)(config, session=session)
    return plugin
