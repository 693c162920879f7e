"""Table exports: the rows of a capture on their way to files.

A file holds one table. Where a capture turns out to have events of several sources each gets a file of its own, named
by the source. A directory becomes a Parquet dataset with a partition for each source and day (UTC).
"""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from scaptools.errors import ExportError, OutputError
from scaptools.export.tablefiles import TABLE_FORMATS, TableEncoder, TableFile
from scaptools.fields.plugin import SYSCALL_SOURCE
from scaptools.shares import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from types import TracebackType

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.export.tables import TableChoice
    from scaptools.shares import Portion, Share

#: Files of a dataset that are open at a time.
_OPEN_PARTS = 16
_DAY_NS = 86_400 * 10**9


class Placed(NamedTuple):
    """Which file some rows go to: that of an event source, in a dataset of a day."""

    source: str
    day: str | None
    rows: int


class TableExport:
    """One export under way: events in, files out. ``rows`` counts what was written by file name.

    Encoding and writing are done in a thread, so that the next batch can be worked on meanwhile. As a context manager
    it puts the files in place at the end of its body, unless that raises. ``part`` is what the files of a dataset are
    called where others write to it too.
    """

    def __init__(self, target: str, format_: str, choice: TableChoice, *, part: str | None = None) -> None:
        self.rows: dict[str, int] = {}
        self._choice = choice
        self._thread = ThreadPoolExecutor(1, "tables")
        self._pending: Future[None] | None = None
        self._format = TABLE_FORMATS[format_]
        self._encoders: dict[str, TableEncoder] = {}
        self._files: _Files
        if is_directory(target):
            self._files = Dataset(target, format_, self._new_file, part)
        else:
            self._files = PlainFiles(target, self._new_file)

    def add(self, batch: EventBatch, rows: NDArray[np.intp]) -> None:
        """Write some events of a batch, rows ascending. Raises OutputError and ExportError."""
        gathered = self._gathered(batch, rows)
        self._settle()

        def write() -> None:
            for placed, values in gathered:
                self._put(placed, self._encoder(placed.source).encode(values))

        self._pending = self._thread.submit(write)

    def share_out(self, batches: Callable[[Share], Iterable[tuple[EventBatch, NDArray[np.intp]]]], count: int) -> None:
        """Write the events of a whole pass with so many processes; ``batches`` makes the pass for a share of it.

        Every process encodes its batches, and this one writes what they made. Raises OutputError and ExportError.
        """

        def work(share: Share) -> Generator[Iterable[Portion], None, None]:
            for batch, rows in batches(share):
                yield self._portions(batch, rows)

        portions = in_order(work, count)
        for head in portions:
            self._put(Placed(*pickle.loads(head)), next(portions))  # noqa: S301 - from a fork of this process

    def _portions(self, batch: EventBatch, rows: NDArray[np.intp]) -> Iterator[Portion]:
        for placed, values in self._gathered(batch, rows):
            yield pickle.dumps(tuple(placed))
            yield self._encoder(placed.source).encode(values)

    def _gathered(self, batch: EventBatch, rows: NDArray[np.intp]) -> list[tuple[Placed, Any]]:
        """What files some events go to, and what is needed of the batch to encode them."""
        gathered = []
        for source, of_source in self._choice.split(batch, rows) if len(rows) else ():
            for day, wanted in self._files.days(of_source, batch):
                gathered.append((Placed(source, day, len(wanted)), self._encoder(source).gather(batch, wanted)))
        return gathered

    def _put(self, placed: Placed, encoded: Portion) -> None:
        file = self._files.place(placed)
        file.put(encoded)
        self.rows[file.writer.name] = self.rows.get(file.writer.name, 0) + placed.rows

    def _encoder(self, source: str) -> TableEncoder:
        if source not in self._encoders:
            self._encoders[source] = self._format.encoder(self._choice.columns(source))
        return self._encoders[source]

    def _new_file(self, target: Any, source: str) -> TableFile:
        return self._format.file(target, self._encoder(source))

    def _settle(self) -> None:
        """Wait for the batch before. Raises what writing it raised."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._settle()
                empty = self._choice.source or SYSCALL_SOURCE
                self.rows |= dict.fromkeys(self._files.complete(empty), 0) if not self.rows else {}
                renamed = self._files.close()
                self.rows = {renamed.get(name, name): count for name, count in self.rows.items()}
        finally:
            self._thread.shutdown(cancel_futures=True)
            self._files.discard()


def is_directory(target: str) -> bool:
    """Whether a target is a directory, there or wanted by a slash at its end."""
    return target.endswith("/") or (target != "-" and Path(target).is_dir())


def claim_directory(target: str) -> None:
    """Make a directory, or make sure that it is empty. Raises OutputError."""
    root = Path(target)
    try:
        root.mkdir(parents=True, exist_ok=True)
        taken = any(root.iterdir())
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", path=target) from error
    if taken:
        raise OutputError("is not empty", path=target, hint="name a new directory")


class _Files(ABC):
    """The open files of an export."""

    def __init__(self, target: str, make: Callable[[Any, str], TableFile]) -> None:
        self._target = target
        self._make = make
        self._open: OrderedDict[Any, TableFile] = OrderedDict()

    def days(self, rows: NDArray[np.intp], batch: EventBatch) -> Iterator[tuple[str | None, NDArray[np.intp]]]:  # noqa: ARG002 - only a dataset goes by time
        """Some rows of a source by day, where that matters."""
        yield None, rows

    @abstractmethod
    def place(self, placed: Placed) -> TableFile:
        """The file some rows go to."""

    def complete(self, source: str) -> list[str]:  # noqa: ARG002 - a dataset of nothing has no files
        """Open a file where there has been nothing to write; its name."""
        return []

    def close(self) -> dict[str, str]:
        """Put all files in place; those that end up under another name. Raises OutputError."""
        while self._open:
            self._open.popitem()[1].close()
        return {}

    def discard(self) -> None:
        """Give up files that are still open."""
        while self._open:
            self._open.popitem()[1].writer.discard()


class PlainFiles(_Files):
    """A file for every source, the target itself where there is one source only."""

    def place(self, placed: Placed) -> TableFile:
        """All rows of a source go to its file."""
        source = placed.source
        if source not in self._open:
            if self._open and self._target == "-":
                raise ExportError(
                    f"there are events of {next(iter(self._open))} and {source}",
                    path="<stdout>",
                    hint="choose with --source, or name the --fields of one table",
                )
            self._open[source] = self._make(self._named(source) if self._open else self._target, source)
        return self._open[source]

    def complete(self, source: str) -> list[str]:
        """Make the target an empty table."""
        self._open[source] = self._make(self._target, source)
        return [self._open[source].writer.name]

    def close(self) -> dict[str, str]:
        """Put all files in place; of several the first is named by its source too."""
        sources = list(self._open)
        super().close()
        if len(sources) < 2:
            return {}
        first = self._named(sources[0])
        try:
            Path(self._target).replace(first)
        except OSError as error:
            raise OutputError(f"cannot be finished: {error.strerror or error}", path=first) from error
        return {self._target: first}

    def _named(self, source: str) -> str:
        path = Path(self._target)
        return str(path.with_name(f"{path.stem}.{source}{path.suffix}"))


class Dataset(_Files):
    """A directory with files in ``source=NAME/date=YYYY-MM-DD``; a day that comes up again later has several."""

    def __init__(
        self, target: str, suffix: str, make: Callable[[Any, str], TableFile], part: str | None = None
    ) -> None:
        super().__init__(target, make)
        self._suffix = suffix
        self._part_name = part or "part"
        self._parts: Counter[tuple[str, str]] = Counter()
        if part is None:
            claim_directory(target)

    def days(self, rows: NDArray[np.intp], batch: EventBatch) -> Iterator[tuple[str | None, NDArray[np.intp]]]:
        """Rows go by the day of the event."""
        days = batch.header("ts", rows) // np.uint64(_DAY_NS)
        for day in np.unique(days).astype("datetime64[D]"):
            yield str(day), rows[days == day.astype(np.int64)]

    def place(self, placed: Placed) -> TableFile:
        """The file of a source and a day."""
        key = placed.source, placed.day or ""
        if key not in self._open:
            if len(self._open) >= _OPEN_PARTS:
                self._open.popitem(last=False)[1].close()
            folder = Path(self._target) / f"source={placed.source}" / f"date={placed.day}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"cannot be written: {error.strerror or error}", path=str(folder)) from error
            path = folder / f"{self._part_name}-{self._parts[key]}.{self._suffix}"
            self._parts[key] += 1
            self._open[key] = self._make(path, placed.source)
        self._open.move_to_end(key)
        return self._open[key]
