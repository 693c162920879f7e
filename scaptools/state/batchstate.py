"""The state seen by the events of one batch.

Everything is asked for by rows of the batch and answered as columns. Threads are answered as indices of versions
(`Thread`), `ABSENT` where there is none; what is wanted of a version is worked out once per version and then mapped.
"""

from __future__ import annotations

from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from scaptools.columns import ALL_ROWS, Coded, Numbers, Texts
from scaptools.state.counters import BatchCounters
from scaptools.state.runtimes import SWITCHES, RunTimes
from scaptools.state.thread import ThreadFlag
from scaptools.state.timeline import ABSENT, Timeline, as_int64

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows
    from scaptools.state.accounts import AccountTimeline
    from scaptools.state.calls import Calls
    from scaptools.state.containers import Container
    from scaptools.state.counters import KeptCounters
    from scaptools.state.fdstate import BatchDescriptors
    from scaptools.state.lifecycle import Lifecycle
    from scaptools.state.runtimes import KeptRunTimes
    from scaptools.state.thread import Thread

    Ints: TypeAlias = NDArray[np.int64]

T = TypeVar("T")


class BatchState:
    """What is known at each event of ``batch``; see the module's text."""

    def __init__(
        self,
        batch: EventBatch,
        lifecycle: Lifecycle,
        kept_counters: KeptCounters | None = None,
        kept_run_times: KeptRunTimes | None = None,
    ) -> None:
        self.batch = batch
        self._kept_counters = kept_counters
        self._kept_run_times = kept_run_times
        self._calls: Calls | None = None
        self._descriptors: BatchDescriptors | None = None
        self.versions = lifecycle.versions
        self._lifecycle = lifecycle
        self._timeline = Timeline(lifecycle.tids, lifecycle.positions, lifecycle.indices)
        self._cache: dict[Hashable, object] = {}

    def memo(self, key: Hashable, build: Callable[[], T]) -> T:
        """A value derived from this state, built once."""
        if key not in self._cache:
            self._cache[key] = build()
        return self._cache[key]  # type: ignore[return-value]

    @property
    def lifecycle(self) -> Lifecycle:
        """What happened to threads in the batch."""
        return self._lifecycle

    # Threads ------------------------------------------------------------------------------------------------------

    def index(self, rows: Rows) -> Ints:
        """Rows as an array of positions in the batch."""
        return np.arange(len(self.batch))[rows] if isinstance(rows, slice) else rows

    @property
    def thread_writes(self) -> tuple[list[int], list[int], list[int]]:
        """Thread ids, positions and versions (-1 for none any more) of everything that was written down of threads."""
        return self._lifecycle.tids, self._lifecycle.positions, self._lifecycle.indices

    def find(self, tids: Ints, positions: Ints) -> Ints:
        """The versions of threads at positions."""
        return self._timeline.find(tids, positions)

    @cached_property
    def _own(self) -> Ints:
        rows = self.index(ALL_ROWS)
        return self.find(self.batch.header("tid"), 2 * rows)

    def threads(self, rows: Rows) -> Ints:
        """The version of each event's thread."""
        if isinstance(rows, slice) or "_own" in self.__dict__ or 4 * len(rows) > len(self.batch):
            return self._own[rows]
        return self.find(self.batch.header("tid", rows), 2 * rows)

    def mains(self, rows: Rows) -> Ints:
        """The version of the main thread of each event's process."""
        return self.mains_of(self.threads(rows), 2 * self.index(rows))

    def mains_of(self, threads: Ints, positions: Ints) -> Ints:
        """The versions of the main threads of some versions at positions."""
        pids = self.numbers(_pid)
        is_main = (self.numbers(_tid) == pids) | ((self.numbers(_flags) & ThreadFlag.IS_MAIN) != 0)
        others = np.flatnonzero((threads != ABSENT) & ~is_main[threads])
        if not len(others):
            return threads
        mains = threads.copy()
        mains[others] = self.find(pids[threads[others]], positions[others])
        return mains

    def parents(self, rows: Rows) -> Ints:
        """The version of the thread at each event's thread's parent id."""
        return self.parents_of(self.threads(rows), 2 * self.index(rows))

    def parents_of(self, threads: Ints, positions: Ints) -> Ints:
        """The versions of the parents of some versions at positions."""
        known = threads != ABSENT
        if not len(self.versions):
            return threads
        return np.where(known, self.find(self.numbers(_ptid)[threads], positions), ABSENT)

    def ancestors(self, rows: Rows, generations: int) -> Ints:
        """The version of the ancestor so many generations up; 0 is the main thread itself."""
        key = ("ancestors", generations)
        if isinstance(rows, slice):
            return self.memo(key, lambda: self._ancestors(ALL_ROWS, generations))[rows]
        return self._ancestors(rows, generations)

    def _ancestors(self, rows: Rows, generations: int) -> Ints:
        if generations == 0:
            return self.mains(rows)
        return self.parents_of(self.ancestors(rows, generations - 1), 2 * self.index(rows))

    # What versions say --------------------------------------------------------------------------------------------

    def numbers(self, of: Callable[[Thread], int]) -> Ints:
        """A number of every version, shape ``(v,)``."""
        return self.memo(("numbers", of), lambda: as_int64(list(map(of, self.versions))))

    def flags(self, of: Callable[[Thread], bool]) -> NDArray[np.bool_]:
        """A truth of every version, shape ``(v,)``."""
        return self.memo(("flags", of), lambda: np.array([of(thread) for thread in self.versions], bool))

    def texts(self, of: Callable[[Thread], bytes | None]) -> Texts:
        """A text of every version, None for a missing one; shape ``(v,)``."""
        return self.memo(("texts", of), lambda: Texts.of(of(thread) for thread in self.versions))

    def text_column(self, threads: Ints, of: Callable[[Thread], bytes | None]) -> Coded:
        """A text of the given versions; missing where there is none."""
        return Coded(threads, self.texts(of))

    def number_column(
        self, threads: Ints, of: Callable[[Thread], int], missing: int | None = None, dtype: type = np.int64
    ) -> Numbers:
        """A number of the given versions; ``missing`` is a value that stands for none."""
        valid = threads != ABSENT
        if not len(self.versions):
            return Numbers(np.zeros(len(threads), dtype), valid)
        values = self.numbers(of)[threads]
        if missing is not None:
            valid &= values != missing
        return Numbers(values.astype(dtype), None if valid.all() else valid)

    def entries(self, threads: Ints) -> Ints:
        """The incarnations of versions, `ABSENT` for none."""
        if not len(self.versions):
            return threads
        return np.where(threads != ABSENT, self.numbers(_entry)[threads], ABSENT)

    # Calls and descriptors ----------------------------------------------------------------------------------------

    def attach(self, calls: Calls, descriptors: BatchDescriptors | None) -> None:
        """Give the state what the engine worked out besides."""
        self._calls, self._descriptors = calls, descriptors

    @property
    def calls(self) -> Calls:
        """Enter and exit events as calls. Raises LookupError where the engine was not told to pair them."""
        if self._calls is None:
            raise LookupError("calls are not among the needs the state was tracked with")
        return self._calls

    @property
    def descriptors(self) -> BatchDescriptors:
        """The descriptors of events. Raises LookupError where the engine was not told to track them."""
        if self._descriptors is None:
            raise LookupError("descriptors are not among the needs the state was tracked with")
        return self._descriptors

    def open_counts(self, rows: Rows) -> Numbers:
        """How many descriptors each event's process has open."""
        threads, positions = self.mains(rows), 2 * self.index(rows)
        counts = self.descriptors.open_counts(self.entries(threads), positions)
        return Numbers(counts.astype(np.uint64), self.threads(rows) != ABSENT)

    def latencies(self, rows: Rows) -> Ints:
        """The time in ns since each event's enter event, 0 for enter events; of a switch, the thread's latest one."""
        return self.memo("latencies", self._latencies)[rows]

    def _latencies(self) -> Ints:
        switches = self.batch.rows_of_type(SWITCHES[1])
        return self.calls.latencies(switches, self.entries(self.threads(switches)))

    # Counters -----------------------------------------------------------------------------------------------------

    @cached_property
    def all_counters(self) -> BatchCounters:
        """Memory and page faults over the batch. Raises LookupError where the engine was not told to."""
        if self._kept_counters is None:
            raise LookupError("counters are not among the needs the state was tracked with")
        return BatchCounters(self, self._kept_counters, self._lifecycle.counters)

    def counters(self, rows: Rows, name: str) -> Numbers:
        """One counter of each event's thread: an attribute of `Counters`."""
        return self.all_counters.column(rows, name)

    @cached_property
    def run_times(self) -> RunTimes:
        """How long threads ran. Raises LookupError where the engine was not told to track counters."""
        if self._kept_run_times is None:
            raise LookupError("run times are not among the needs the state was tracked with")
        return RunTimes(self, self._kept_run_times)

    # Accounts -----------------------------------------------------------------------------------------------------

    @property
    def accounts(self) -> AccountTimeline:
        """The users over the batch."""
        return self._lifecycle.users

    @property
    def group_accounts(self) -> AccountTimeline:
        """The groups over the batch."""
        return self._lifecycle.groups

    def user_texts(self, attribute: str) -> Texts:
        """An attribute of all users that occur, as `accounts` numbers them."""
        return self.memo(("users", attribute), lambda: self.accounts.texts(attribute))

    def group_texts(self) -> Texts:
        """The names of all groups that occur, as `group_accounts` numbers them."""
        return self.memo("groups", lambda: self.group_accounts.texts("name"))

    def users(self, rows: Rows, of: Callable[[Thread], int], attribute: str) -> Coded:
        """An attribute of the users whose ids ``of`` reads from each event's thread; missing for unknown ones."""
        return Coded(self.accounts.find(self, rows, of), self.user_texts(attribute))

    def groups(self, rows: Rows, of: Callable[[Thread], int]) -> Coded:
        """The names of the groups whose ids ``of`` reads from each event's thread; missing for unknown ones."""
        return Coded(self.group_accounts.find(self, rows, of), self.group_texts())

    # Containers ---------------------------------------------------------------------------------------------------

    @cached_property
    def containers(self) -> list[Container]:
        """Every description of a container seen so far, in the order in which they came."""
        return [container for _, container in self._lifecycle.container_writes]

    @cached_property
    def _container_codes(self) -> dict[bytes, int]:
        return {identity: code for code, identity in enumerate({c.id: None for c in self.containers})}

    @cached_property
    def _container_timeline(self) -> Timeline:
        codes = self._container_codes
        writes = self._lifecycle.container_writes
        return Timeline(
            [codes[container.id] for _, container in writes],
            [position for position, _ in writes],
            np.arange(len(writes)),
        )

    def container_of(self, rows: Rows) -> Ints:
        """The index in ``containers`` of what is known about each event's container, `ABSENT` where nothing is."""
        threads = self.threads(rows)
        if not len(self.containers) or not len(self.versions):
            return np.full(len(threads), ABSENT)
        codes = self._container_codes
        of_version = self.memo(
            "container codes",
            lambda: np.array([codes.get(thread.container, ABSENT) for thread in self.versions], np.int64),
        )
        return self._container_timeline.find(
            np.where(threads != ABSENT, of_version[threads], ABSENT), 2 * self.index(rows)
        )


_tid, _pid, _ptid, _entry, _flags = map(attrgetter, ("tid", "pid", "ptid", "entry", "flags"))
