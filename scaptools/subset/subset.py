"""Subsets: some events of a capture with what their process and descriptor fields depend on.

Three passes: `choose` takes the wanted events, `survey` finds out what they depend on, `write` writes both. Events
that are there for the state only are marked so; sysdig and this program do not show them.

A sanitized subset has no processes, environments, descriptors, users and buffers beyond what the wanted events need.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.blocks import BlockKind
from scap_formats.types import EventFlag
from scaptools.errors import CorruptedError
from scaptools.subset import eventtypes
from scaptools.subset.blocks import rewritten
from scaptools.subset.kinship import Kinship, signed
from scaptools.subset.metadata import Needed, Removed, cleaned
from scaptools.subset.numbers import DESCRIPTORS, GROUPS, USERS, listed_descriptors, numbers_in
from scaptools.subset.predecessors import Predecessors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from scap_formats.table import EventType
    from scaptools.capture.batch import EventBatch
    from scaptools.capture.rotation import RotatingWriter
    from scaptools.capture.section import Section
    from scaptools.capture.writer import CaptureWriter

    Ints = NDArray[np.int64]

#: Standard input, output and error, which fields of processes look at.
_STANDARD_FDS = frozenset({0, 1, 2})
_BUFFER_FLAGS = EventFlag.READS_FROM_FD | EventFlag.WRITES_TO_FD
_BUFFERS = frozenset({"data", "msgcontrol"})
#: Parameters that are data wherever they are.
_DATA = frozenset({"img", "value_bytebuf"})
_ENVIRONMENT = "env"
_UID_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class SubsetOptions:
    """What is written beside the wanted events.

    ``state`` keeps what their fields depend on; ``sanitized`` removes everything else, ``buffers`` and
    ``environments`` excepted where they are to stay.
    """

    state: bool = True
    sanitized: bool = False
    buffers: bool = False
    environments: bool = False


@dataclass(slots=True)
class _Mentions:
    """Numbers that threads mention in events: pairs of thread and number."""

    pairs: set[tuple[int, int]] = field(default_factory=set)

    def add(self, batch: EventBatch, found: tuple[Ints, Ints]) -> None:
        rows, numbers = found
        table = np.unique(np.column_stack([batch.header("tid")[rows], numbers]), axis=0)
        self.pairs.update(map(tuple, table.tolist()))

    def of(self, tids: set[int]) -> set[int]:
        """What some threads mention."""
        return {number for tid, number in self.pairs if tid in tids}


class Subset:
    """The events of one capture that are to be written."""

    def __init__(self, options: SubsetOptions) -> None:
        self._options = options
        self._chosen: list[Ints] = []
        self._tids: set[int] = set()
        self._fds: set[int] = set(_STANDARD_FDS)
        self._kinship = Kinship()
        self._before = Predecessors()
        self._extra: list[Ints] = []
        self._uses = {kind: _Mentions() for kind in ("fds", "uids", "gids")}
        self._openings: list[NDArray[np.int64]] = []
        self.chosen_count = 0
        self.state_count = 0
        self.removed = Removed()

    def choose(self, batch: EventBatch, rows: Ints) -> None:
        """First pass: these events are wanted; batches come in order."""
        self._chosen.append(rows + batch.first_number)
        self.chosen_count += len(rows)
        self._tids.update(np.unique(batch.header("tid", rows)).tolist())

    # Second pass --------------------------------------------------------------------------------------------------

    def survey(self, batches: Iterable[EventBatch]) -> None:
        """Second pass, over all events: find what the wanted ones depend on."""
        if not (self._options.state or self._options.sanitized):
            return
        chosen = _joined(self._chosen)
        own = None if self._options.sanitized else np.array(sorted(self._tids), np.int64)
        carried: dict[int, set[int]] = {}
        for batch in self._until_last(batches, chosen):
            self._kinship.add_batch(batch)
            before = self._before.of(batch, own)
            rows = _rows_in(batch, chosen)
            self._extra.append(before[rows][before[rows] > 0])
            if self._options.sanitized:
                self._survey_use(batch, rows, before, carried)

    def _survey_use(self, batch: EventBatch, rows: Ints, before: Ints, carried: dict[int, set[int]]) -> None:
        """What is needed of lists: descriptors, users, and the calls that open descriptors."""
        in_batch = before[rows] - batch.first_number
        previous = in_batch[in_batch >= 0]
        self._fds.update(numbers_in(batch, _ascending(rows, previous), DESCRIPTORS)[1].tolist())
        self._fds.update(listed_descriptors(batch, _ascending(rows, previous)))
        threads = batch.header("tid")
        for tid in np.unique(threads[rows[in_batch < 0]]).tolist():
            self._fds.update(carried.get(tid, ()))
        self._uses["fds"].add(
            batch, numbers_in(batch, np.flatnonzero(eventtypes.links_descriptors(batch)), DESCRIPTORS)
        )
        changing = np.flatnonzero(eventtypes.changes_state(batch))
        self._uses["uids"].add(batch, numbers_in(batch, changing, USERS))
        self._uses["gids"].add(batch, numbers_in(batch, changing, GROUPS))
        opening = np.flatnonzero(eventtypes.opens_paths(batch))
        opened_rows, opened = numbers_in(batch, opening, DESCRIPTORS)
        columns = threads[opened_rows], opened, opened_rows + batch.first_number, before[opened_rows]
        self._openings.append(np.stack(columns).astype(np.int64))
        _, latest = np.unique(threads[::-1], return_index=True)
        latest = np.sort(len(batch) - 1 - latest)
        at, numbers = numbers_in(batch, latest, DESCRIPTORS)
        carried.update((tid, set()) for tid in threads[latest].tolist())
        for tid, number in zip(threads[at].tolist(), numbers.tolist(), strict=True):
            carried[tid].add(number)

    # Third pass ---------------------------------------------------------------------------------------------------

    def write(self, batches: Iterable[EventBatch], writer: CaptureWriter | RotatingWriter) -> None:
        """Third pass: write the wanted events and what they need. Raises OutputError."""
        chosen = _joined(self._chosen)
        keeper = _Keeper(self) if self._options.state or self._options.sanitized else None
        section = None
        for batch in self._until_last(batches, chosen):
            if batch.section is not section:
                section = batch.section
                self._write_metadata(section, keeper, writer)
            wanted = _rows_in(batch, chosen)
            rows = keeper.rows(batch, wanted) if keeper is not None and self._options.state else wanted
            state_only = np.ones(len(rows), bool)
            state_only[np.searchsorted(rows, wanted)] = False
            self.state_count += len(rows) - len(wanted)
            data, emptied = rewritten(batch, rows, state_only, self._emptied if self._options.sanitized else None)
            self.removed.parameters_emptied += emptied
            writer.write([data])

    def _write_metadata(self, section: Section, keeper: _Keeper | None, writer: CaptureWriter | RotatingWriter) -> None:
        if not self._options.sanitized or keeper is None:
            writer.metadata(section)
            return
        blocks, removed = cleaned(section, keeper.needed(section))
        self.removed.add(removed)
        writer.start_section(lambda: blocks)

    def _until_last(self, batches: Iterable[EventBatch], chosen: Ints) -> Iterator[EventBatch]:
        """The batches up to the last wanted event."""
        last = int(chosen[-1]) if len(chosen) else 0
        section = None
        for batch in batches:
            if batch.first_number > last:
                return
            if batch.section is not section:
                section = batch.section
                self._kinship.add_section(section)
            yield batch

    def _emptied(self, event: EventType) -> Sequence[int]:
        """The parameters of a type that go."""
        return [index for index, param in enumerate(event.params) if self._goes(event, param.name)]

    def _goes(self, event: EventType, name: str) -> bool:
        if name == _ENVIRONMENT:
            return not self._options.environments
        is_buffer = name in _DATA or (name in _BUFFERS and bool(event.flags & _BUFFER_FLAGS))
        return is_buffer and not self._options.buffers

    # What the keeper asks -----------------------------------------------------------------------------------------

    def related(self) -> tuple[Ints, Ints]:
        """The threads the wanted events depend on, and those in the processes of the wanted events."""
        return self._kinship.closure(self._tids), self._kinship.processes(self._tids)

    def needed_numbers(self, kind: str, tids: set[int]) -> set[int]:
        """Descriptors, users or groups that threads mention."""
        return self._uses[kind].of(tids)

    def extra_events(self, tids: Ints, fds: Ints) -> Ints:
        """The numbers of events that are needed beside those that change state, ascending."""
        extra = np.sort(_joined(self._extra))
        if not self._options.sanitized:
            return extra
        opened = np.concatenate(self._openings, axis=1) if self._openings else np.zeros((4, 0), np.int64)
        of_use = np.isin(opened[0], tids) & np.isin(opened[1], fds)
        return np.sort(np.concatenate([extra, opened[2:, of_use].ravel()]))

    @property
    def used_fds(self) -> set[int]:
        """The descriptors wanted events mention."""
        return self._fds

    @property
    def options(self) -> SubsetOptions:
        """What was asked for."""
        return self._options


class _Keeper:
    """Decides about events and lists once everything is known."""

    def __init__(self, subset: Subset) -> None:
        self._subset = subset
        self._related, self._own = subset.related()
        self._tids = set(self._related.tolist())
        self._fds = subset.used_fds | subset.needed_numbers("fds", self._tids)
        self._extra = subset.extra_events(self._related, np.array(sorted(self._fds), np.int64))

    def rows(self, batch: EventBatch, wanted: Ints) -> Ints:
        """The rows of a batch to be written, ascending."""
        threads = batch.header("tid")
        keep = eventtypes.changes_state(batch) & np.isin(threads, self._related)
        keep |= eventtypes.changes_counters(batch) & np.isin(threads, self._own)
        if self._subset.options.sanitized:
            keep &= ~eventtypes.opens_paths(batch)
        keep |= eventtypes.concerns_everybody(batch)
        keep[_rows_in(batch, self._extra)] = True
        keep[wanted] = True
        return np.flatnonzero(keep)

    def needed(self, section: Section) -> Needed:
        """What of a section's lists is needed."""
        uids, gids = (self._subset.needed_numbers(kind, self._tids) for kind in ("uids", "gids"))
        for entry in _entries(section, BlockKind.PROCESSES):
            if signed(entry.tid) in self._tids:
                uids |= {entry.uid, entry.loginuid & _UID_MASK}
                gids.add(entry.gid)
        return Needed(self._tids, self._fds, uids, gids, self._subset.options.environments)


def _entries(section: Section, kind: BlockKind) -> Iterator[Any]:
    for block in section.of_kind(kind):
        try:
            yield from block.parse().entries
        except CorruptedError:
            continue


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _ascending(*rows: Ints) -> Ints:
    return np.unique(np.concatenate(rows))


def _rows_in(batch: EventBatch, numbers: Ints) -> Ints:
    """The rows of a batch that have one of some ascending event numbers."""
    first, last = np.searchsorted(numbers, [batch.first_number, batch.first_number + len(batch)])
    return numbers[first:last] - batch.first_number
