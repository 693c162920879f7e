"""Shared libraries as plugins of the contract.

Every library gets a class of its own, because what it declares is known only once it has been asked. The class has the
capabilities of the contract the library has.
"""

from __future__ import annotations

import contextlib
import json
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

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
from scaptools.plugins.shared.child import ChildSession, Limits
from scaptools.plugins.shared.extraction import FieldRequest
from scaptools.plugins.shared.filling import gives_blocks
from scaptools.plugins.shared.payloads import PayloadColumns, WholeEvents
from scaptools.plugins.shared.session import LocalSession, Session
from scaptools.plugins.shared.team import Part, Team, useful_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scaptools.columns import Column
    from scaptools.plugins.blocks import EventBlocks
    from scaptools.plugins.contract import StreamBatch
    from scaptools.plugins.shared.declaration import Declaration, OpenParameter
    from scaptools.plugins.shared.session import Filled
    from scaptools.plugins.whole import WholeChoice


class LibraryPlugin(Plugin):
    """A plugin in a shared library; ``config`` is JSON, or any text for plugins that want something else."""

    path: ClassVar[str]
    declaration: ClassVar[Declaration]
    survives_fork = False

    def __init__(self, config: dict[str, Any] | str | None = None, *, session: Session) -> None:
        super().__init__(config if isinstance(config, dict) else None)
        self.session = session
        self._config = config if isinstance(config, str) else json.dumps(config) if config else ""
        #: Which complete events it parses, and which it extracts from; None for none.
        self.parses: WholeChoice | None = None
        self.extracts: WholeChoice | None = None
        try:
            self._initialise()
        except BaseException:
            session.end()
            raise

    def _initialise(self) -> None:
        self.initialised = self.session.init(self._config)
        if self.declaration.api[0] < EVENTS_SINCE:
            return
        from scaptools.plugins.whole import WholeChoice

        if "parsing" in self.declaration.capabilities:
            self.parses = WholeChoice.of(self.initialised.parse_types, self.declaration.parse_sources)
        if "extraction" in self.declaration.capabilities:
            self.extracts = WholeChoice.of(self.initialised.extract_types, self.declaration.extract_sources)

    @property
    def keeps_state(self) -> bool:
        """Whether what it gives depends on events it saw before, or on what others saw."""
        return self.initialised.uses_tables or bool(self.declaration.capabilities & {"parsing", "capture listening"})

    def release(self) -> None:
        """Give up what the plugin knows; `renew` makes it as it was at first."""
        self.session.release()

    def renew(self) -> None:
        """Initialise the plugin again."""
        self._initialise()

    def end(self) -> None:
        """Give up the plugin and its process; nothing may be asked of it afterwards."""
        self.session.end()

    def __del__(self) -> None:
        if hasattr(self, "session"):
            with contextlib.suppress(PluginError, OSError):
                self.end()


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
        import numpy as np

        data = np.frombuffer(payload, np.uint8)
        single = np.zeros(1, np.uint64)
        starts, sizes = np.zeros(1, np.int64), np.full(1, len(data), np.int64)
        ids = np.full(1, self.info.id, np.uint32)
        text = self.session.event_text(PayloadColumns(data, starts, sizes, single, single, ids))
        if text:
            return text
        if self.declaration.api[0] == 0:
            return "<NA>"
        start = payload[:_SHOWN_BYTES].decode("latin-1")
        if not (start.isascii() and start.isprintable()):
            return f"datalen={len(payload)} data=<binary>"
        return f"datalen={len(payload)} data={start}{'...' if len(payload) > _SHOWN_BYTES else ''}"


_SHOWN_BYTES: Final = 50


class LibraryFollower(LibraryPlugin, SourcePlugin):
    """A library that adds asynchronous events to the stream of a source, which it is not."""

    follows = True
    #: The plugin id of the source its events are added to, 0 for that of system calls.
    source_id = 0

    def follow(self, sources: Sequence[SourcePlugin]) -> None:
        """See `SourcePlugin.follow`: the first source it may add to, that of system calls if nothing else is read."""
        accepted = self.declaration.async_sources
        names = [source.info.source or SYSCALL_SOURCE for source in sources] or [SYSCALL_SOURCE]
        fitting = [number for number, name in enumerate(names) if not accepted or name in accepted]
        if not fitting:
            known = ", ".join(accepted)
            raise PluginError(
                f"adds events to the source {known} only, but what is read is {', '.join(names)}", plugin=self.info.name
            )
        self.source_id = sources[fitting[0]].info.id if sources else 0

    def open(self, params: str) -> LibraryStream:
        """Start a stream; it has no end. Raises PluginError."""
        return LibraryStream(self.session, params, self.source_id)


def _further_session(path: str, limits: Limits, config: str) -> Session:
    """Another process with the same plugin, initialised alike. Raises PluginError."""
    session = ChildSession(path, limits)
    try:
        session.init(config)
    except BaseException:
        session.end()
        raise
    return session


class LibraryExtractor(LibraryPlugin, ExtractorPlugin):
    """A library that extracts fields."""

    _team: Team | None = None

    def _initialise(self) -> None:
        super()._initialise()
        if self.extracts is not None and not self.extracts.only_payloads:
            self.whole_events = self.extracts

    def prepare_events(self, events: WholeEvents) -> Any:
        """Complete events as the plugin takes them."""
        return (Part(self.session, self.session.prepare_events(events)),)

    def prepare(self, payloads: Payloads) -> Any:
        """The payloads as the plugin takes them."""
        import numpy as np

        ids = np.full(len(payloads), self.info.id, np.uint32) if payloads.ids is None else payloads.ids
        names = {number: self._source_of(number) for number in np.unique(ids).tolist()}
        return self.team.prepare(PayloadColumns.of(payloads, ids), names)

    @property
    def team(self) -> Team:
        """The processes that extract: more than one only where each can do so on its own."""
        if self._team is None:
            session = self.session
            # What makes others must not refer to this, or a plugin would be freed late and its process end late.
            if self.keeps_state or not isinstance(session, ChildSession):
                self._team = Team(session, lambda: session, 1)
            else:
                another = partial(_further_session, self.path, session.limits, self._config)
                self._team = Team(session, another, useful_size())
        return self._team

    def end(self) -> None:
        """See `LibraryPlugin.end`."""
        if self._team is not None:
            self._team.end()
        super().end()

    def _source_of(self, number: int) -> str:
        if number == self.info.id:
            return self.info.source
        if self.source_name is not None:
            return self.source_name(number)
        from scap_formats.table import plugin_registry

        registered = plugin_registry().get(number)
        return (registered.source or "") if registered is not None else ""

    def extract(self, prepared: Any, name: str, argument: str | None) -> Column:
        """The column of one field. Raises PluginError where the argument does not fit, or the plugin fails."""
        from scaptools.plugins.shared.values import column_of

        request = FieldRequest.of(self.fields, name, argument, plugin=self.info.name)
        return column_of(request, self.team.extract(prepared, request))


class LibrarySourceExtractor(LibrarySource, LibraryExtractor):
    """A library that produces events and extracts fields."""


class LibraryStream(EventStream):
    """The events of a library's source."""

    def __init__(self, session: Session, params: str, source_id: int = 0) -> None:
        self._session = session
        self._raw = not session.declaration.info.id
        self._progress: tuple[float, str] | None = None
        opened = session.open(params, source_id)
        self._told = opened.told
        self._stream: int | None = opened.stream

    def preface(self) -> StreamBatch:
        """See `EventStream.preface`."""
        return _whole(self._told) if self._told else ()

    def __iter__(self) -> Iterator[StreamBatch]:
        """See `EventStream`; what a plugin gave before it failed comes before its error."""
        while self._stream is not None:
            content, filled = self._session.next_events(self._stream)
            self._progress = filled.progress or self._progress
            if self._raw:
                yield ScapEvents(content.data, content.lengths)
            else:
                yield EventColumns(content.data, content.lengths, content.timestamps)
            yield from self._beside(filled)
            if filled.ended:
                return

    def recorded(self) -> Iterator[StreamBatch | EventBlocks]:
        """See `EventStream.recorded`."""
        if not gives_blocks(self._session.declaration):
            yield from self
            return
        while self._stream is not None:
            blocks, filled = self._session.next_blocks(self._stream)
            self._progress = filled.progress or self._progress
            yield blocks
            del blocks
            yield from self._beside(filled)
            if filled.ended:
                return

    def _beside(self, filled: Filled) -> Iterator[StreamBatch]:
        """What came along with a slot of events: events from outside the stream, an error."""
        if filled.asynchronous:
            yield _whole(filled.asynchronous)
        if filled.error is not None:
            raise PluginError(filled.error, plugin=self._session.declaration.info.name)

    def progress(self) -> tuple[float, str] | None:
        """What the plugin said when it was last asked, None where it does not say."""
        return self._progress

    def close(self) -> None:
        """Close the stream; a plugin that fails in doing so has given all it had to give."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(PluginError):
                self._session.close(stream)


def _whole(events: Sequence[bytes]) -> ScapEvents:
    import numpy as np

    return ScapEvents(b"".join(events), np.fromiter(map(len, events), np.uint32, len(events)))


class LibraryFollowerExtractor(LibraryFollower, LibraryExtractor):
    """A library that adds asynchronous events and extracts fields."""


#: The class of a library by what it can: what it produces, and whether it extracts.
_BASES: Final[dict[tuple[str, bool], type[LibraryPlugin]]] = {
    ("sourcing", True): LibrarySourceExtractor,
    ("sourcing", False): LibrarySource,
    ("async", True): LibraryFollowerExtractor,
    ("async", False): LibraryFollower,
    ("", True): LibraryExtractor,
    ("", False): LibraryPlugin,
}
#: What the source of a plugin is called that stands for the system.
SYSCALL_SOURCE: Final = "syscall"
#: Since this generation events are complete ones.
EVENTS_SINCE: Final = 3


def load_library(
    path: str,
    config: dict[str, Any] | str | None = None,
    *,
    in_process: bool = False,
    limits: Limits | None = None,
    beside: LibraryPlugin | None = None,
) -> LibraryPlugin:
    """Load a shared library and make a plugin of it, in a process of its own or in this one.

    Plugins that share state tables have to be in one process: a plugin is loaded into that of ``beside``. Raises
    PluginError where it is no plugin, declares what cannot be, or refuses its configuration.
    """
    session: Session
    if in_process:
        session = LocalSession(path)
    else:
        neighbour = None if beside is None else beside.session
        session = ChildSession(path, limits, neighbour if isinstance(neighbour, ChildSession) else None)
    declaration = session.declaration
    produces = next((kind for kind in ("sourcing", "async") if kind in declaration.capabilities), "")
    base = _BASES[produces, "extraction" in declaration.capabilities]
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
