"""Captures of what follows an alert: the action ``capture`` of rules.

A capture begins with the event that set off the alert and ends with the first event at or behind the deadline, which
later alerts put off. It has the lists its section began with and every event, of whatever source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from scaptools.capture.writer import CaptureWriter
from scaptools.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.section import Section
    from scaptools.rules.compiler import CompiledRule
    from scaptools.rules.engine import Matches

_MS = 1_000_000
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """The keys of ``capture`` in Falco's configuration; sizes are before compression, 0 is no limit."""

    path_prefix: str = "/tmp/falco"  # noqa: S108 - Falco's default
    all_rules: bool = False
    default_duration_ms: int = 5000
    max_file_size_mb: int = 0


class Follower(Protocol):
    """Looks at every batch and what it set off."""

    def take(self, batch: EventBatch, matches: Matches) -> None:
        """Take the next batch."""

    def end(self) -> None:
        """The events of a capture have ended."""


class EventCapture:
    """Writes captures next to a run; ``paths`` are those written so far.

    The first failure ends all writing, but not the run: it is told to ``notify`` and kept in ``error``.
    """

    def __init__(self, settings: CaptureSettings, rules: Sequence[CompiledRule], notify: Callable[[str], None]) -> None:
        self.paths: list[str] = []
        self.error: OutputError | None = None
        self._settings = settings
        self._notify = notify
        self._durations = np.array([_duration_ns(rule, settings) for rule in rules], np.int64)
        self._open: _File | None = None

    def take(self, batch: EventBatch, matches: Matches) -> None:
        """See `Follower.take`."""
        if self.error is not None:
            return
        try:
            self._take(batch, matches)
        except OutputError as error:
            self._fail(error)

    def end(self) -> None:
        """See `Follower.end`."""
        file, self._open = self._open, None
        if file is not None:
            try:
                file.writer.close()
            except OutputError as error:
                self._fail(error)

    def _fail(self, error: OutputError) -> None:
        file, self._open, self.error = self._open, None, error
        if file is not None:
            file.writer.discard()
        self._notify(f"{error}; no more events are captured")

    def _take(self, batch: EventBatch, matches: Matches) -> None:
        durations = self._durations[matches.rules]
        triggers = matches.rows[durations >= 0]
        if self._open is not None and self._open.section is not batch.section:
            self.end()
        if self._open is None and not len(triggers):
            return
        times = batch.header("ts").astype(np.int64)  # those before 1970 lie behind all others as recorded
        deadlines = times[triggers] + durations[durations >= 0]
        row = 0
        while row < len(batch):
            if self._open is None:
                following = triggers[triggers >= row]
                if not len(following):
                    return
                row = int(following[0])
                self._open = self._begun(batch, row)
            file = self._open
            last = file.last(times, row, triggers, deadlines)
            end = len(batch) if last is None else last + 1
            row = file.write(batch, row, end, self._settings.max_file_size_mb * _MEGABYTE)
            if row < end:
                self._notify(f"{file.writer.name}: the limit of {self._settings.max_file_size_mb} MB is reached")
            if row < end or last is not None:
                self.end()

    def _begun(self, batch: EventBatch, row: int) -> _File:
        rows = np.array([row])
        time, number = batch.header("ts", rows)[0], batch.numbers(rows)[0]
        path = f"{self._settings.path_prefix}_{time:020d}_{number:020d}.scap"
        # it grows where it is: what was written before a crash stays
        file = _File(CaptureWriter(path, compression="gzip", atomic=False), batch.section)
        self.paths.append(path)
        file.writer.metadata(batch.section)
        return file


@dataclass(slots=True)
class _File:
    """A capture under way."""

    writer: CaptureWriter
    section: Section
    deadline: int = 0
    is_empty: bool = True

    def last(
        self, times: NDArray[np.int64], start: int, triggers: NDArray[np.intp], deadlines: NDArray[np.int64]
    ) -> int | None:
        """The row from ``start`` on that is the last one to be written, None where it is not in this batch."""
        row = start
        while True:
            late = np.flatnonzero(times[row:] >= self.deadline)
            last = row + int(late[0]) if len(late) else len(times) - 1
            put_off = max(deadlines[(triggers >= start) & (triggers <= last)].tolist(), default=0)
            if put_off <= self.deadline:
                return last if len(late) else None
            self.deadline, row = put_off, last

    def write(self, batch: EventBatch, start: int, end: int, limit: int) -> int:
        """Write some rows, as many as the limit lets, but at least one to every file; the row behind the last one."""
        if limit:
            sizes = np.cumsum(batch.lengths[start:end])
            fits = int(np.searchsorted(sizes, limit - self.writer.bytes_written, "right"))
            end = start + max(fits, int(self.is_empty))
        self.is_empty = False
        self.writer.write([batch.raw_blocks(slice(start, end))])
        return end


def _duration_ns(rule: CompiledRule, settings: CaptureSettings) -> int:
    """How long after an alert of a rule events are written, -1 where they are not."""
    if not (settings.all_rules or rule.definition.capture):
        return -1
    return (rule.definition.capture_duration_ms or settings.default_duration_ms) * _MS
