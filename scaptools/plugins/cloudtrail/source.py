"""Opening a source: the open text picks the place, the stream turns its files into events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail.events import events_of
from scaptools.plugins.cloudtrail.files import LocalFiles, LogFiles, text_of
from scaptools.plugins.contract import EventStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scaptools.plugins.cloudtrail.config import Config
    from scaptools.plugins.contract import SourceEvent

Opener: TypeAlias = "Callable[[str, Config, str], LogFiles]"
#: Most events of one batch.
_BATCH: Final = 128


def _open_local(params: str, config: Config, plugin: str) -> LogFiles:
    del config  # nothing in it is about local files
    return LocalFiles(params, plugin=plugin)


def _refuse_remote(params: str, config: Config, plugin: str) -> LogFiles:
    del config
    raise PluginError(f"cannot open {params}: this build reads local paths only", plugin=plugin)


#: What an open text begins with, and how such a text is opened; the first that fits.
MODES: Final[tuple[tuple[str, Opener], ...]] = (
    ("s3://", _refuse_remote),
    ("sqs://", _refuse_remote),
    ("", _open_local),
)


def open_stream(params: str, config: Config, *, plugin: str) -> CloudTrailStream:
    """Open what ``params`` names. Raises PluginError."""
    opener = next(opener for prefix, opener in MODES if params.startswith(prefix))
    return CloudTrailStream(opener(params, config, plugin), plugin=plugin)


class CloudTrailStream(EventStream):
    """The events of some log files, in the order of the files."""

    def __init__(self, files: LogFiles, *, plugin: str) -> None:
        self._files = files
        self._plugin = plugin

    def __iter__(self) -> Iterator[list[SourceEvent]]:
        """Batches of at most 128 events. Raises PluginError after what precedes the fault has been handed out."""
        batch: list[SourceEvent] = []
        try:
            for event in self._events():
                if event is not None:
                    batch.append(event)
                if event is None or len(batch) == _BATCH:
                    yield batch
                    batch = []
        except PluginError:
            if batch:
                yield batch
            raise
        if batch:
            yield batch

    def _events(self) -> Iterator[SourceEvent | None]:
        """Every event; None where there is nothing right now."""
        for file in self._files:
            if file is None:
                yield None
                continue
            text = text_of(file, plugin=self._plugin)
            if text is not None:
                yield from events_of(text, plugin=self._plugin)

    def progress(self) -> tuple[float, str] | None:
        """The share of the files that have been opened, and the same in words."""
        opened, known = self._files.opened, self._files.known
        share = opened / known if known else 0.0
        return share, f"{share * 100:.2f}% - {opened}/{known} files"

    def close(self) -> None:
        """Release what the place of the files holds."""
        self._files.close()
