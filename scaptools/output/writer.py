"""Writers: where printed events go, at once or by way of a thread of their own."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any, Protocol, Self

from scaptools.output.renderer import Renderer

if TYPE_CHECKING:
    from types import TracebackType
    from typing import BinaryIO

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows

__all__ = ["BackgroundOutput", "Output", "RenderedOutput", "Renderer"]

#: How long an abandoned thread is waited for.
_PATIENCE_SECONDS = 1.0


class Output(Protocol):
    """Takes events in capture order."""

    def write(self, batch: EventBatch, rows: Rows) -> None:
        """Take the given events of a batch, rows ascending."""

    def close(self) -> None:
        """Finish; whatever was taken has been written when this returns."""


class RenderedOutput:
    """Writes events to a binary file as a renderer prints them; the file stays open."""

    def __init__(self, renderer: Renderer, file: BinaryIO) -> None:
        self._renderer = renderer
        self._file = file

    def write(self, batch: EventBatch, rows: Rows) -> None:
        """Print and write the given events. Raises OSError where the file does."""
        self.put(self.gather(batch, rows))

    def gather(self, batch: EventBatch, rows: Rows) -> Any:
        """The first half of writing: take what is needed from the batch."""
        return self._renderer.gather(batch, rows)

    def put(self, gathered: Any) -> None:
        """The second half of writing, which no longer looks at the batch. Raises OSError where the file does."""
        for portion in self._renderer.print(gathered):
            write_all(self._file, portion)

    def close(self) -> None:
        """Flush the file. Raises OSError where the file does."""
        self._file.flush()


def write_all(file: BinaryIO, portion: bytes | memoryview) -> None:
    """Write all of it to a file, which may be unbuffered and takes what it can at a time. Raises OSError."""
    rest = memoryview(portion)
    while rest:
        rest = rest[file.write(rest) :]


class BackgroundOutput:
    """Lets another output print and write in a thread while the caller reads on.

    The caller's thread takes what is needed from the batches; at most ``ahead`` of them wait to be written, in order.
    What the other output raises is raised once by the next call here, and events given after that are dropped. As a
    context manager it closes at the end of its body, unless that raises: then waiting events are dropped and the
    other output is left alone.
    """

    def __init__(self, output: RenderedOutput, *, ahead: int = 1) -> None:
        self._output = output
        # Entries are tuples, so that anything can be gathered.
        self._waiting: queue.Queue[tuple[Any] | None] = queue.Queue(ahead)
        self._error: BaseException | None = None
        self._dropping = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif not self._closed:
            self._closed = True
            self._dropping.set()
            self._waiting.put(None)
            # A write to a pipe nobody reads may never end.
            self._thread.join(_PATIENCE_SECONDS)

    def write(self, batch: EventBatch, rows: Rows) -> None:
        """Take the given events; waits while too many are waiting. Raises what the other output raised."""
        if not self._dropping.is_set():
            self._waiting.put((self._output.gather(batch, rows),))
        self._raise()

    def close(self) -> None:
        """Wait until everything is written and close the other output; a second call does nothing.

        Raises what the other output raised.
        """
        if self._closed:
            return
        self._closed = True
        self._waiting.put(None)
        self._thread.join()
        self._raise()
        if not self._dropping.is_set():
            self._output.close()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self) -> None:
        while (entry := self._waiting.get()) is not None:
            if self._dropping.is_set():
                continue
            try:
                self._output.put(*entry)
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                self._error = error
                self._dropping.set()
