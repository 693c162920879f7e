"""Opening a source: the open text picks the place, the stream turns its files into events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from scaptools.plugins.cloudtrail.bucket import BUCKET_SCHEME, BucketFiles
from scaptools.plugins.cloudtrail.events import events_of
from scaptools.plugins.cloudtrail.files import LocalFiles, LogFiles
from scaptools.plugins.cloudtrail.messages import QUEUE_SCHEME, QueueFiles
from scaptools.plugins.contract import EventColumns, EventStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scaptools.plugins.cloudtrail.config import Config

Opener: TypeAlias = "Callable[[str, Config, str], LogFiles]"
#: A batch without events, which says that there is nothing right now.
_NOTHING: Final = EventColumns(b"", np.zeros(0, np.uint32), np.zeros(0, np.uint64))


def _open_local(params: str, config: Config, plugin: str) -> LogFiles:
    del config  # nothing in it is about local files
    return LocalFiles(params, plugin=plugin)


def _open_bucket(params: str, config: Config, plugin: str) -> LogFiles:
    return BucketFiles(params, config, plugin=plugin)


def _open_queue(params: str, config: Config, plugin: str) -> LogFiles:
    return QueueFiles(params, config, plugin=plugin)


#: What an open text begins with, and how such a text is opened; the first that fits.
MODES: Final[tuple[tuple[str, Opener], ...]] = (
    (BUCKET_SCHEME, _open_bucket),
    (QUEUE_SCHEME, _open_queue),
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

    def __iter__(self) -> Iterator[EventColumns]:
        """Batches of events of one file each. Raises PluginError after what precedes the fault has been handed out."""
        for text in self._files.texts(plugin=self._plugin):
            if text is None:
                yield _NOTHING
            else:
                yield from events_of(text, plugin=self._plugin)

    def progress(self) -> tuple[float, str] | None:
        """The share of the files that have been opened, and the same in words."""
        opened, known, skipped = self._files.opened, self._files.known, self._files.skipped
        share = opened / known if known else 0.0
        passed = f", {skipped} skipped" if skipped else ""
        return share, f"{share * 100:.2f}% - {opened}/{known} files{passed}"

    def close(self) -> None:
        """Release what the place of the files holds."""
        self._files.close()
