"""Table exports: the rows of a capture on their way to files.

A file holds one table. Where a capture turns out to have events of several sources each gets a file of its own, named
by the source. A directory becomes a Parquet dataset with a partition for each source and day (UTC).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from scaptools.errors import ExportError, OutputError
from scaptools.export.tablefiles import TABLE_FORMATS, TableFile
from scaptools.fields.plugin import SYSCALL_SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.export.tables import TableChoice

#: Files of a dataset that are open at a time.
_OPEN_PARTS = 16
_DAY_NS = 86_400 * 10**9


class TableExport:
    """One export under way: events in, files out. ``rows`` counts what was written by file name.

    Writing is done in a thread, so that the next batch can be worked on meanwhile. As a context manager it puts the
    files in place at the end of its body, unless that raises. ``part`` is what the files of a dataset are called where
    others write to it too.
    """

    def __init__(self, target: str, format_: str, choice: TableChoice, *, part: str | None = None) -> None:
        self.rows: dict[str, int] = {}
        self._choice = choice
        self._thread = ThreadPoolExecutor(1, "tables")
        self._pending: Future[None] | None = None
        make = TABLE_FORMATS[format_]
        self._files: _Files
        if is_directory(target):
            self._files = Dataset(target, make, choice, part)
        else:
            self._files = PlainFiles(target, make, choice)

    def add(self, batch: EventBatch, rows: NDArray[np.intp]) -> None:
        """Write some events of a batch, rows ascending. Raises OutputError and ExportError."""
        self._settle()
        work: list[tuple[TableFile, Any]] = []
        for source, of_source in self._choice.split(batch, rows):
            for file, wanted in self._files.place(source, of_source, batch.header("ts", of_source)):
                work.append((file, file.gather(batch, wanted)))
                self.rows[file.writer.name] = self.rows.get(file.writer.name, 0) + len(wanted)
        self._pending = self._thread.submit(_put_all, work)

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
                self.rows |= dict.fromkeys(self._files.complete(), 0) if not self.rows else {}
                renamed = self._files.close()
                self.rows = {renamed.get(name, name): count for name, count in self.rows.items()}
        finally:
            self._thread.shutdown(cancel_futures=True)
            self._files.discard()


def _put_all(work: list[tuple[TableFile, Any]]) -> None:
    for file, gathered in work:
        file.put(gathered)


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

    def __init__(self, target: str, make: type[TableFile], choice: TableChoice) -> None:
        self._target = target
        self._make = make
        self._choice = choice
        self._open: OrderedDict[Any, TableFile] = OrderedDict()

    @abstractmethod
    def place(
        self, source: str, rows: NDArray[np.intp], times: NDArray[np.uint64]
    ) -> Iterator[tuple[TableFile, NDArray[np.intp]]]:
        """Which of the rows of a source, with their times, go to which file."""

    def complete(self) -> list[str]:
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

    def place(
        self,
        source: str,
        rows: NDArray[np.intp],
        times: NDArray[np.uint64],  # noqa: ARG002 - of all kinds of files only a dataset goes by time
    ) -> Iterator[tuple[TableFile, NDArray[np.intp]]]:
        """All rows of a source go to its file."""
        if source not in self._open:
            if self._open and self._target == "-":
                raise ExportError(
                    f"there are events of {next(iter(self._open))} and {source}",
                    path="<stdout>",
                    hint="choose with --source, or name the --fields of one table",
                )
            name = self._named(source) if self._open else self._target
            self._open[source] = self._make(name, self._choice.columns(source))
        yield self._open[source], rows

    def complete(self) -> list[str]:
        """Make the target an empty table."""
        source = self._choice.source or SYSCALL_SOURCE
        self._open[source] = self._make(self._target, self._choice.columns(source))
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

    def __init__(self, target: str, make: type[TableFile], choice: TableChoice, part: str | None = None) -> None:
        super().__init__(target, make, choice)
        self._part_name = part or "part"
        self._parts: Counter[tuple[str, str]] = Counter()
        if part is None:
            claim_directory(target)

    def place(
        self, source: str, rows: NDArray[np.intp], times: NDArray[np.uint64]
    ) -> Iterator[tuple[TableFile, NDArray[np.intp]]]:
        """Rows go by the day of the event."""
        days = times // np.uint64(_DAY_NS)
        for day in np.unique(days).astype("datetime64[D]"):
            yield self._part(source, str(day)), rows[days == day.astype(np.int64)]

    def _part(self, source: str, day: str) -> TableFile:
        key = source, day
        if key not in self._open:
            if len(self._open) >= _OPEN_PARTS:
                self._open.popitem(last=False)[1].close()
            folder = Path(self._target) / f"source={source}" / f"date={day}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"cannot be written: {error.strerror or error}", path=str(folder)) from error
            suffix = next(name for name, kind in TABLE_FORMATS.items() if kind is self._make)
            path = folder / f"{self._part_name}-{self._parts[key]}.{suffix}"
            self._parts[key] += 1
            self._open[key] = self._make(path, self._choice.columns(source))
        self._open.move_to_end(key)
        return self._open[key]
