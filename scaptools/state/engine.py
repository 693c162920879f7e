"""The engine: state carried along a capture, batch by batch.

`track` gives every batch its `BatchState`; `state_of` finds it again. What has to be carried for later batches
depends on what will be asked, so the engine is told beforehand.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Protocol

import numpy as np

from scaptools.state.attached import attach, state_of
from scaptools.state.batchstate import BatchState
from scaptools.state.calls import Calls
from scaptools.state.carried import Carried
from scaptools.state.containers import met_container
from scaptools.state.counters import KeptCounters
from scaptools.state.fdstate import BatchDescriptors
from scaptools.state.happenings import awaited_enters, find_happenings, subjects
from scaptools.state.initial import listed_state
from scaptools.state.lifecycle import Lifecycle, Population
from scaptools.state.listedfds import listed_tables
from scaptools.state.needs import ALL_NEEDS, COUNTERS, FDS, PAIRING
from scaptools.state.pairing import OpenEnters, Pairing, keep_enters, pairing_types
from scaptools.state.paths import PathNode, known
from scaptools.state.runtimes import KeptRunTimes
from scaptools.state.tables import Tables
from scaptools.state.thread import Thread, ThreadFlag

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.section import Section
    from scaptools.state.initial import Listed

__all__ = ["ALL_NEEDS", "COUNTERS", "FDS", "PAIRING", "Batches", "StateEngine", "state_of", "track", "with_state"]


class Batches(Protocol):
    """Something that yields batches, a capture above all."""

    def batches(self) -> Iterable[EventBatch]:
        """The batches in capture order."""
        ...


class StateEngine:
    """State after the batches seen so far; `advance` takes in the next one.

    ``needs`` is a subset of `ALL_NEEDS`: what is not in it cannot be asked of the batches' states.
    """

    def __init__(self, needs: Collection[str] = ALL_NEEDS) -> None:
        self.needs = frozenset(needs)
        self._section: Section | None = None
        self._population = Population()
        self._enters = OpenEnters()
        self._counters: KeptCounters | None = None
        self._run_times: KeptRunTimes | None = None
        self._tables = Tables()

    @property
    def section(self) -> Section | None:
        """The section the engine stands in, None before the first batch."""
        return self._section

    def carried(self) -> Carried:
        """What the engine carries; it goes on using the same objects."""
        return Carried(self._population, self._enters, self._tables, self._counters, self._run_times)

    def resume(self, section: Section, carried: Carried) -> None:
        """Stand where another engine stood that carried this within a section; it has to have had the same needs."""
        self._section = section
        self._population, self._enters, self._tables = carried.population, carried.enters, carried.tables
        self._counters, self._run_times = carried.counters, carried.run_times

    def advance(self, batch: EventBatch) -> BatchState:
        """The state of the next batch of the capture; the engine then stands behind it."""
        if batch.section is not self._section:
            self._start(batch.section)
        # A batch holds its state; would the state hold it too, only the collector freed them, which counts objects, not
        # the megabytes these few hold.
        batch = weakref.proxy(batch)
        pairs_all = bool(self.needs & {FDS, PAIRING})
        if pairs_all:
            looked_at = np.flatnonzero(pairing_types()[batch.header("type")])
        else:
            looked_at = subjects(batch, self._enters)
        pairing = Pairing(batch, looked_at, self._enters)
        happenings = find_happenings(batch, self._population.threads, pairing)
        lifecycle = Lifecycle(self._population, batch.byteorder)
        lifecycle.run(happenings)
        state = BatchState(batch, lifecycle, self._counters, self._run_times)
        if self._counters is not None:
            alive = [thread.entry for thread in self._population.threads.values()]
            self._counters = state.all_counters.keep(np.array(alive, np.int64))
            self._run_times = state.run_times.keep(set(alive))
        entries = state.entries(state.threads(pairing.order))
        if pairs_all:
            enters = self._advance_calls(state, lifecycle, Calls(pairing, entries))
        else:
            enters = keep_enters(pairing, entries=entries, wanted=awaited_enters())
        # Only those of threads that are still there are any use.
        at_the_end = state.entries(state.find(enters.tids, np.full(len(enters), 2 * len(batch) + 1)))
        self._enters = enters.take(np.flatnonzero(at_the_end == enters.entries))
        return state

    def _advance_calls(self, state: BatchState, lifecycle: Lifecycle, calls: Calls) -> OpenEnters:
        if FDS not in self.needs:
            state.attach(calls, None)
            return calls.keep(None)
        descriptors = BatchDescriptors(state, lifecycle, calls, self._tables)
        state.attach(calls, descriptors)
        descriptors.keep(self._tables)
        self._forget_nodes(descriptors)
        return calls.keep(descriptors.remembered.sorted_fds)

    def _forget_nodes(self, descriptors: BatchDescriptors) -> None:
        """Replace paths that were worked out by their bytes, so that threads do not keep what they came from."""
        if not descriptors.settle_nodes():
            return
        threads = self._population.threads
        for tid, thread in threads.items():
            if isinstance(thread.cwd, PathNode) or isinstance(thread.exepath, PathNode):
                threads[tid] = thread._replace(cwd=known(thread.cwd), exepath=known(thread.exepath))

    def _start(self, section: Section) -> None:
        """Forget everything and take in what a section lists."""
        self._section = section
        self._enters = OpenEnters()
        self._counters = self._run_times = None
        listed = listed_state(section, self._population.next_entry)
        population = Population(next_entry=self._population.next_entry + listed.entries)
        population.accounts = listed.accounts
        self._population = population
        _settle(population, listed)
        self._tables = listed_tables(listed) if FDS in self.needs else Tables()
        if COUNTERS in self.needs:
            self._counters = KeptCounters.of(listed.counters)
            self._run_times = KeptRunTimes()


def _settle(population: Population, listed: Listed) -> None:
    """Make listed threads a population: count children, share descriptor tables, add missing main threads."""
    threads = population.threads
    threads.update(listed.threads)
    for thread in threads.values():
        population.members[thread.pid] += 1
        if thread.container and thread.container not in population.containers:
            container = met_container(thread.cgroups)
            if container is not None:
                population.containers[container.id] = container
    for thread in list(threads.values()):
        if thread.is_main:
            continue
        if thread.flags & ThreadFlag.THREAD:
            main = threads.get(thread.pid)
            if main is None:
                entry = population.next_entry
                population.next_entry += 1
                main = Thread(entry, entry, thread.pid, thread.pid, children=population.members[thread.pid])
                population.members[thread.pid] += 1
            threads[main.tid] = main._replace(children=main.children + 1)
        main = threads.get(thread.pid)
        if main is not None and thread.flags & ThreadFlag.FILES:
            threads[thread.tid] = thread._replace(table=main.entry)


def track(capture: Batches, needs: Collection[str] = ALL_NEEDS) -> Iterator[EventBatch]:
    """The batches of a capture, each with its state attached (`state_of`)."""
    return with_state(capture.batches(), needs)


def with_state(batches: Iterable[EventBatch], needs: Collection[str] = ALL_NEEDS) -> Iterator[EventBatch]:
    """The batches, which have to be those of one capture in order, each with its state attached."""
    engine = StateEngine(needs)
    for batch in batches:
        attach(batch, engine.advance(batch))
        yield batch
