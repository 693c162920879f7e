"""The plugin contract: what a plugin is, wherever it comes from.

A plugin is a set of capabilities. `SourcePlugin` produces events for one event source; `ExtractorPlugin` computes
fields from the payloads of one or more sources. A class may be both. Adapters (Python classes found by entry point,
shared libraries) present themselves as these classes; the rest of the program sees nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, overload

from scaptools.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from scap_formats.types import ParamType
    from scaptools.columns import Column, Texts
    from scaptools.plugins.blocks import EventBlocks
    from scaptools.plugins.shared.payloads import WholeEvents
    from scaptools.plugins.whole import WholeChoice

#: Timestamp of an event whose source leaves it to the recorder.
TIMESTAMP_UNSET = 2**64 - 1


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """Who a plugin is; ``id`` and ``source`` are 0 and empty for a plugin that only extracts."""

    name: str
    version: str
    description: str
    contact: str = ""
    id: int = 0
    source: str = ""


#: What a payload must hold one of for a value to contain a text; None where nothing can be said.
Marks: TypeAlias = "Callable[[bytes], frozenset[bytes] | None]"


class ArgumentRule(Enum):
    """What may stand in the brackets after a field's name."""

    NONE = "none"
    OPTIONAL_INDEX = "optional index"
    REQUIRED_INDEX = "required index"
    OPTIONAL_KEY = "optional key"
    REQUIRED_KEY = "required key"
    OPTIONAL_EITHER = "optional key or index"
    REQUIRED_EITHER = "required key or index"

    @property
    def required(self) -> bool:
        """Whether the field cannot be used without an argument."""
        return self in {ArgumentRule.REQUIRED_INDEX, ArgumentRule.REQUIRED_KEY, ArgumentRule.REQUIRED_EITHER}

    @property
    def is_index(self) -> bool:
        """Whether the argument must be an unsigned decimal number."""
        return self in {ArgumentRule.OPTIONAL_INDEX, ArgumentRule.REQUIRED_INDEX}


@dataclass(frozen=True, slots=True)
class PluginField:
    """The declaration of one field a plugin extracts.

    Payloads without any of the ``marks`` of a text need not be parsed where the field's value has to contain it.
    """

    name: str
    type: ParamType
    description: str
    argument: ArgumentRule = ArgumentRule.NONE
    is_list: bool = False
    properties: frozenset[str] = field(default_factory=frozenset)
    marks: Marks | None = None


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """One event of a source: opaque payload and time in ns since the epoch, or `TIMESTAMP_UNSET`."""

    payload: bytes
    timestamp_ns: int = TIMESTAMP_UNSET


@dataclass(frozen=True, slots=True)
class EventColumns(Sequence[SourceEvent]):
    """Many events of a source: joined payloads, their lengths (uint32) and times (uint64), both of shape ``(n,)``."""

    data: bytes
    lengths: NDArray[Any]
    timestamps: NDArray[Any]

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> SourceEvent: ...

    @overload
    def __getitem__(self, index: slice) -> EventColumns: ...

    def __getitem__(self, index: int | slice) -> SourceEvent | EventColumns:
        """One event, or those of a slice without a step."""
        first, last, step = index.indices(len(self)) if isinstance(index, slice) else (*_place(index, len(self)), 1)
        if step != 1:
            raise ValueError("columns of events have slices without a step only")
        last = max(first, last)
        start = int(self.lengths[:first].sum(dtype="u8"))
        lengths = self.lengths[first:last]
        data = self.data[start : start + int(lengths.sum(dtype="u8"))]
        if isinstance(index, slice):
            return EventColumns(data, lengths, self.timestamps[first:last])
        return SourceEvent(data, int(self.timestamps[first]))


def _place(index: int, count: int) -> tuple[int, int]:
    at = index + count if index < 0 else index
    if not 0 <= at < count:
        raise IndexError(index)
    return at, at + 1


@dataclass(frozen=True, slots=True)
class ScapEvents:
    """Many complete scap events: header with the number of parameters, lengths, parameters; and how long each is."""

    data: bytes
    lengths: NDArray[Any]

    def __len__(self) -> int:
        return len(self.lengths)

    def first(self, count: int) -> ScapEvents:
        """The same without what follows the first ``count`` events."""
        lengths = self.lengths[:count]
        return ScapEvents(self.data[: int(lengths.sum(dtype="u8"))], lengths)


@dataclass(frozen=True, slots=True)
class Payloads:
    """The payloads of ``n`` events, as a column.

    ``data`` is an Arrow ``binary``/``large_binary`` array without nulls, ``timestamps`` uint64 ns, ``numbers`` the
    event numbers and ``ids`` the plugin ids they carry, all of shape ``(n,)``; without ``ids`` they are all the
    reading plugin's own.
    """

    data: pa.Array
    timestamps: NDArray[Any]
    numbers: NDArray[Any]
    ids: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.data)


class Plugin(ABC):
    """What every plugin has. ``config`` is the decoded init configuration (a JSON object)."""

    info: ClassVar[PluginInfo]
    #: JSON schema of the init configuration, None where anything goes.
    config_schema: ClassVar[dict[str, Any] | None] = None
    #: Whether forks of the process can go on using the plugin, each for itself.
    survives_fork: ClassVar[bool] = True

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        self.config = config or {}


#: What a stream hands over: payloads one by one or in columns, or complete events.
StreamBatch: TypeAlias = Sequence[SourceEvent] | ScapEvents


class EventStream(ABC):
    """An opened source: an iterator of batches that ends when the source does."""

    @abstractmethod
    def __iter__(self) -> Iterator[StreamBatch]:
        """Batches in order; an empty batch means nothing is there yet. Raises PluginError on failure."""

    def recorded(self) -> Iterator[StreamBatch | EventBlocks]:
        """The same for whoever only wants to write them down, as blocks where that is less work."""
        return iter(self)

    def preface(self) -> StreamBatch:
        """Events that belong in front of everything else that is recorded at the same time."""
        return ()

    def progress(self) -> tuple[float, str] | None:
        """Done fraction 0..1 and a text for people, None where the source has no end."""
        return None

    def close(self) -> None:  # noqa: B027 - most streams hold nothing that needs closing
        """Release what the stream holds; called once, also after a failure."""


class SourcePlugin(Plugin):
    """Capability: event sourcing. ``info.id`` and ``info.source`` are set."""

    #: Whether it has something to add to other sources rather than being one; it ends when they do.
    follows: ClassVar[bool] = False

    def follow(self, sources: Sequence[SourcePlugin]) -> None:
        """Choose which of some sources, which are about to be opened, events are added to.

        Only plugins that follow are told. Raises PluginError where none of them will do.
        """
        del sources

    @abstractmethod
    def open(self, params: str) -> EventStream:
        """Start a stream; ``params`` is the free text the user gave. Raises PluginError."""

    def event_text(self, payload: bytes) -> str:
        """A line that describes one event to people (``evt.plugininfo``)."""
        return payload.decode("utf-8", "replace")

    def event_texts(self, payloads: Payloads) -> Texts:
        """The `event_text` of many events of this source, as bytes, none missing."""
        from scaptools.columns import Texts

        return Texts.of([self.event_text(payload).encode("utf-8", "replace") for payload in payloads.data.to_pylist()])


class ExtractorPlugin(Plugin):
    """Capability: field extraction, whole columns at a time."""

    fields: ClassVar[tuple[PluginField, ...]]
    #: Event sources it reads; empty means its own source, or every source when it has none.
    extract_sources: ClassVar[tuple[str, ...]] = ()
    #: Set by the host: the event source of a plugin id.
    source_name: Callable[[int], str] | None = None
    #: The complete events it reads, through `prepare_events`; None where it reads the payloads of plugin events.
    whole_events: WholeChoice | None = None

    @abstractmethod
    def prepare(self, payloads: Payloads) -> Any:
        """Work shared by all fields of these payloads; called once per set of payloads, kept while they are in use."""

    def prepare_events(self, events: WholeEvents) -> Any:
        """`prepare` of complete events. Raises PluginError where only payloads are read."""
        raise PluginError(f"does not read complete events, {len(events)} of which it was given", plugin=self.info.name)

    @abstractmethod
    def extract(self, prepared: Any, name: str, argument: str | None) -> Column:
        """The column of one declared field, as many rows as there were payloads; never raises on payload content."""
