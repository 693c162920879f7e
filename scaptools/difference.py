"""Comparison of two captures: which events are in one only, and which differ in their arguments.

Events are the same where time, thread, type and arguments are; numbers and CPUs are left aside, and so is what a
capture says beside its events. Both captures are read side by side along time, so that only stretches of equal time
are in memory; events of equal time may come in any order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from scap_formats.blocks import TRAILER_SIZE
from scap_formats.table import event_table
from scaptools.capture.parameters import gather_binary
from scaptools.fields.paramtext.clock import Clock
from scaptools.output.lines import field_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.catalog import Catalog

#: Kinds of differences, and how each is marked.
SIGNS = {"removed": "-", "added": "+", "changed": "!"}
_CLOCK = Clock("dTt.nZ", utc=True)
#: Characters shown of a value that has changed, and how many of them are in front of the first that differs.
_SHOWN, _LEAD = 100, 20


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """An event as it is shown: ``evt.num``, ns since the epoch, thread, ``>`` or ``<``, type and arguments."""

    number: int
    time_ns: int
    thread: int
    direction: str
    type: str
    args: str

    @property
    def time(self) -> str:
        """The time as RFC 3339 has it."""
        text: bytes = _CLOCK.texts(np.array([self.time_ns], np.uint64))[0].as_py()
        return text.decode()


@dataclass(frozen=True, slots=True)
class EventDifference:
    """An event of one capture only, or one whose arguments are others in the other.

    ``changes`` are names of arguments with their text before and after, None where there is no such argument.
    """

    before: SeenEvent | None
    after: SeenEvent | None
    changes: tuple[tuple[str, str | None, str | None], ...] = ()

    @property
    def kind(self) -> str:
        """``removed``, ``added`` or ``changed``."""
        return "removed" if self.after is None else "added" if self.before is None else "changed"

    @property
    def event(self) -> SeenEvent:
        """The event, as it was where it has changed."""
        event = self.before or self.after
        if event is None:
            raise ValueError("a difference between nothing and nothing")
        return event

    def lines(self) -> Iterator[str]:
        """The difference for people: each line with its sign first, blanks aside: - was, + is, ! has changed."""
        event = self.event
        head = f"{SIGNS[self.kind]} {event.time} {event.thread} {event.direction} {event.type}"
        if self.kind != "changed":
            yield f"{head} {event.args}".rstrip()
            return
        yield head
        for name, before, after in self.changes:
            yield f"    {name}:"
            for kind, value in (("removed", before), ("added", after)):
                if value is not None:
                    yield f"      {SIGNS[kind]} {_around(value, before or '', after or '')}"


class CaptureComparison:
    """Two captures being compared; ``same``, ``counts`` and ``events`` grow while `differences` is read."""

    def __init__(self, before: Iterable[EventBatch], after: Iterable[EventBatch], catalog: Catalog) -> None:
        """``catalog`` shows the arguments; what is known about threads and descriptors does not count."""
        self._sides = _Side(before), _Side(after)
        self._show = _Display(catalog)
        self.same = 0
        #: How many differences there were of each kind.
        self.counts: Counter[str] = Counter()

    @property
    def events(self) -> tuple[int, int]:
        """How many events were read of each."""
        return self._sides[0].count, self._sides[1].count

    def differences(self) -> Iterator[EventDifference]:
        """The differences, by time. Raises CaptureError."""
        while reading := [side for side in self._sides if not side.ended]:
            min(reading, key=lambda side: side.reach).read()
            reading = [side for side in self._sides if not side.ended]
            bound = min(side.reach for side in reading) if reading else None
            before, after = (side.until(bound) for side in self._sides)
            for difference in self._compared(before, after):
                self.counts[difference.kind] += 1
                yield difference

    def _compared(self, before: _Stretch, after: _Stretch) -> list[EventDifference]:
        if before.says().equals(after.says()):
            self.same += before.count
            return []
        left, right = _unmatched(before.says(), after.says())
        self.same += before.count - len(left)
        waiting: defaultdict[tuple[int, int, int], list[int]] = defaultdict(list)
        for row, key in zip(right[::-1].tolist(), after.keys(right[::-1]), strict=True):
            waiting[key].append(row)
        pairs: list[tuple[int, int]] = []
        alone: list[int] = []
        for row, key in zip(left.tolist(), before.keys(left), strict=True):
            if waiting[key]:
                pairs.append((row, waiting[key].pop()))
            else:
                alone.append(row)
        added = sorted(row for rows in waiting.values() for row in rows)
        found = [EventDifference(event, None) for event in self._show.events(before, alone)]
        found += [EventDifference(None, event) for event in self._show.events(after, added)]
        found += self._changed(before, after, pairs)
        return sorted(found, key=lambda difference: difference.event.time_ns)

    def _changed(self, before: _Stretch, after: _Stretch, pairs: list[tuple[int, int]]) -> Iterator[EventDifference]:
        """Differences between events that belong together; those that say the same in other bytes have none."""
        sides = [(before, [row for row, _ in pairs]), (after, [row for _, row in pairs])]
        arguments = [self._show.arguments(stretch, rows) for stretch, rows in sides]
        seen = [self._show.events(stretch, rows) for stretch, rows in sides]
        for old, new, event, other in zip(*arguments, *seen, strict=True):
            changes = tuple(_changes(old, new))
            if changes:
                yield EventDifference(event, other, changes)
            else:
                self.same += 1


class _Side:
    """One capture on its way: batches that were read and not yet compared in full."""

    def __init__(self, batches: Iterable[EventBatch]) -> None:
        self._batches = iter(batches)
        self._parts: list[tuple[EventBatch, NDArray[np.uint64], int]] = []
        #: Time up to which it was read, the latest so far.
        self.reach = 0
        self.ended = False
        self.count = 0

    def read(self) -> None:
        """Read on."""
        batch = next(self._batches, None)
        if batch is None:
            self.ended = True
        elif len(batch):
            # a time before the one in front of it counts as that, so that stretches are of events in a row
            times = np.maximum.accumulate(np.maximum(batch.header("ts").astype(np.uint64), np.uint64(self.reach)))
            self.reach = int(times[-1])
            self.count += len(batch)
            self._parts.append((batch, times, 0))

    def until(self, bound: int | None) -> _Stretch:
        """The events before a time, all of them without one, which are not kept any longer."""
        parts: list[tuple[EventBatch, NDArray[np.intp]]] = []
        left = []
        for batch, times, first in self._parts:
            last = len(batch) if bound is None else int(np.searchsorted(times, np.uint64(bound)))
            if last > first:
                parts.append((batch, np.arange(first, last)))
            if last < len(batch):
                left.append((batch, times, last))
        self._parts = left
        return _Stretch(parts)


class _Stretch:
    """Some events in a row, of one batch or several; rows count through."""

    def __init__(self, parts: list[tuple[EventBatch, NDArray[np.intp]]]) -> None:
        self._parts = parts
        self._bounds = np.cumsum([0, *(len(rows) for _, rows in parts)])
        self._says: pa.Array | None = None

    @property
    def count(self) -> int:
        """How many events there are."""
        return int(self._bounds[-1])

    def says(self) -> pa.Array:
        """Each event from its time on, as it was recorded."""
        if self._says is None:
            empty = pa.array([], pa.large_binary())
            self._says = pa.concat_arrays([empty, *(_recorded(batch, rows) for batch, rows in self._parts)])
        return self._says

    def keys(self, rows: NDArray[np.intp]) -> list[tuple[int, int, int]]:
        """What events belong together by: time, thread, and a number for the type's name and direction."""
        found = np.zeros((len(rows), 3), object)
        for at, batch, inner in self.split(rows):
            found[at, 0] = batch.header("ts", inner)
            found[at, 1] = batch.header("tid", inner)
            found[at, 2] = _labels()[batch.header("type", inner)]
        return [(time, thread, label) for time, thread, label in found.tolist()]

    def split(self, rows: Any) -> Iterator[tuple[NDArray[np.intp], EventBatch, NDArray[np.intp]]]:
        """Rows batch by batch: where they stand in ``rows``, the batch, and which of its rows they are."""
        rows = np.asarray(rows, np.intp)
        of_part = np.searchsorted(self._bounds, rows, "right") - 1
        for part in np.unique(of_part).tolist():
            at = np.flatnonzero(of_part == part)
            batch, own = self._parts[part]
            yield at, batch, own[rows[at] - self._bounds[part]]


class _Display:
    """Events and their arguments as text."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def events(self, stretch: _Stretch, rows: Sequence[int]) -> list[SeenEvent]:
        """Some events, in the order asked for."""
        found: dict[int, SeenEvent] = {}
        for at, batch, inner in stretch.split(rows):
            columns = (
                batch.numbers(inner).tolist(),
                batch.header("ts", inner).tolist(),
                batch.header("tid", inner).tolist(),
                *(self._texts(batch, inner, name) for name in ("evt.dir", "evt.type", "evt.args")),
            )
            for place, number, time, thread, direction, kind, args in zip(at.tolist(), *columns, strict=True):
                found[place] = SeenEvent(number, time, thread, direction or "", kind or "", (args or "").rstrip())
        return [found[place] for place in range(len(rows))]

    def arguments(self, stretch: _Stretch, rows: Sequence[int]) -> list[_Arguments]:
        """The arguments of some events, in the order asked for."""
        found: dict[int, _Arguments] = {}
        for at, batch, inner in stretch.split(rows):
            types = batch.header("type", inner)
            for event_type in np.unique(types).tolist():
                chosen = np.flatnonzero(types == event_type)
                table = batch.parameters(event_type, inner[chosen])
                for place in at[chosen].tolist():
                    found[place] = _Arguments((event_type, batch.byteorder), {})
                for index, param in enumerate(event_table().events[event_type].params):
                    raw = table.column(index).bytes().to_pylist()
                    texts = self._texts(batch, inner[chosen], f"evt.arg.{param.name}")
                    for place, value, text in zip(at[chosen].tolist(), raw, texts, strict=True):
                        if value is not None:
                            found[place].values[param.name] = value, text or ""
        return [found[place] for place in range(len(rows))]

    def _texts(self, batch: EventBatch, rows: NDArray[np.intp], name: str) -> list[str | None]:
        field = self._catalog.parse(name)
        texts = field_text(field.column(batch, rows), field, self._catalog.style).to_arrow().to_pylist()
        return [text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text for text in texts]


@dataclass(frozen=True, slots=True)
class _Arguments:
    """The arguments of an event by name, each as it was recorded and as text; ``form`` tells how they are recorded."""

    form: tuple[int, str]
    values: dict[str, tuple[bytes, str]]


def _changes(old: _Arguments, new: _Arguments) -> Iterator[tuple[str, str | None, str | None]]:
    # another generation of the type may have other widths
    exact = old.form == new.form
    for name in dict.fromkeys([*old.values, *new.values]):
        before, after = old.values.get(name), new.values.get(name)
        if before is None or after is None:
            yield name, None if before is None else before[1], None if after is None else after[1]
        elif before[1] != after[1]:
            yield name, before[1], after[1]
        elif exact and before[0] != after[0]:
            yield name, before[0].hex(), after[0].hex()


def _around(value: str, before: str, after: str) -> str:
    """A value for people: on one line, of a long one what is around the first difference."""
    if len(value) > _SHOWN:
        pairs = enumerate(zip(before, after, strict=False))
        first = next((at for at, (one, other) in pairs if one != other), min(len(before), len(after)))
        start = max(0, min(first - _LEAD, len(value) - _SHOWN))
        end = start + _SHOWN
        value = ("..." if start else "") + value[start:end] + ("..." if end < len(value) else "")
    return value.replace("\n", "\\n")


def _unmatched(before: pa.Array, after: pa.Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows on both sides that have no equal on the other, each standing for one only."""
    codes = pa.concat_arrays([before, after]).dictionary_encode().indices.to_numpy()
    sides = codes[: len(before)], codes[len(before) :]
    counts = [np.bincount(side, minlength=len(codes)) for side in sides]
    left, right = (
        np.flatnonzero(_ranks(side) >= other[side]) for side, other in zip(sides, reversed(counts), strict=True)
    )
    return left, right


def _ranks(codes: NDArray[Any]) -> NDArray[np.intp]:
    """How many equal ones each has in front of it."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    ranks = np.zeros(len(codes), np.intp)
    ranks[order] = np.arange(len(codes)) - np.searchsorted(ordered, ordered)
    return ranks


def _recorded(batch: EventBatch, rows: NDArray[np.intp]) -> pa.Array:
    starts = batch.header_starts(rows)
    room = batch.offsets[rows] + batch.lengths[rows] - TRAILER_SIZE - starts
    lengths = np.minimum(batch.header("length", rows).astype(np.int64), room)
    return gather_binary(batch.data, starts, lengths, np.ones(len(rows), bool)).cast(pa.large_binary())


@cache
def _labels() -> NDArray[np.int64]:
    """For each event type the number of the first that has its name and direction."""
    first: dict[tuple[str, Any], int] = {}
    events = event_table().events
    return np.array([first.setdefault((event.name, event.direction), event.id) for event in events])
