"""Event types by what they mean for the state of the machine, as truth values by type id."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.table import event_table
from scap_formats.types import Direction, EventFlag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from scap_formats.table import EventType
    from scaptools.capture.batch import EventBatch

#: Calls that change attributes of threads and descriptors but are not marked so in upstream's table.
_UNMARKED = frozenset("getcwd getrlimit setrlimit prlimit".split())  # noqa: SIM905 - reads better
#: Calls that change counters, of which many happen.
_COUNTING = frozenset("brk mmap mmap2 munmap switch".split())  # noqa: SIM905
#: What concerns others than the thread it happens in.
_GLOBAL = frozenset(
    """
    container asyncevent useradded userdeleted groupadded groupdeleted cpu_hotplug prlimit k8s mesos
    """.split()  # noqa: SIM905
)
#: Calls that make a descriptor with a path.
_OPENING = frozenset("open creat openat openat2 open_by_handle_at".split())  # noqa: SIM905
#: Calls that make threads.
_CLONING = frozenset("clone clone3 fork vfork".split())  # noqa: SIM905
_EXECUTING = frozenset("execve execveat".split())  # noqa: SIM905
#: Calls whose descriptors are where others come from: copies, and directories paths start at.
_LINKING = frozenset("dup dup2 dup3 fcntl fchdir openat openat2 open_by_handle_at pidfd_getfd".split())  # noqa: SIM905


def _mask(wanted: Callable[[EventType], bool]) -> NDArray[np.bool_]:
    return np.array([wanted(event) for event in event_table().events])


def _named(names: Iterable[str]) -> NDArray[np.bool_]:
    known = frozenset(names)
    return _mask(lambda event: event.name in known)


@cache
def _state() -> NDArray[np.bool_]:
    marked = _mask(lambda event: bool(event.flags & EventFlag.MODIFIES_STATE))
    return marked | _named(_UNMARKED) | _named(_GLOBAL)


@cache
def _counting() -> NDArray[np.bool_]:
    return _named(_COUNTING)


@cache
def _everywhere() -> NDArray[np.bool_]:
    return _named(_GLOBAL)


@cache
def _opening() -> NDArray[np.bool_]:
    return _named(_OPENING)


@cache
def _kin() -> NDArray[np.bool_]:
    return _mask(lambda event: event.name in _CLONING | _EXECUTING and event.direction is Direction.EXIT)


@cache
def _linking() -> NDArray[np.bool_]:
    return _named(_LINKING)


@cache
def _apart() -> NDArray[np.bool_]:
    unpaired = _mask(lambda event: bool(event.flags & EventFlag.SKIPPARSERESET))
    return unpaired | _named(("switch", "container", "asyncevent", "pluginevent"))


def changes_state(batch: EventBatch) -> NDArray[np.bool_]:
    """Events that change what is known about threads and descriptors."""
    return _of(batch, _state())


def changes_counters(batch: EventBatch) -> NDArray[np.bool_]:
    """Events that change counters of memory and page faults."""
    return _of(batch, _counting())


def concerns_everybody(batch: EventBatch) -> NDArray[np.bool_]:
    """Events that change the state of others than their own thread."""
    return _of(batch, _everywhere())


def opens_paths(batch: EventBatch) -> NDArray[np.bool_]:
    """Events of calls that make a descriptor with a path."""
    return _of(batch, _opening())


def links_descriptors(batch: EventBatch) -> NDArray[np.bool_]:
    """Events of calls that derive something from a descriptor: a copy, a path."""
    return _of(batch, _linking())


def shows_kin(batch: EventBatch) -> NDArray[np.bool_]:
    """Exit events that say how threads and processes belong together."""
    return _of(batch, _kin())


def stands_apart(batch: EventBatch) -> NDArray[np.bool_]:
    """Events that have no part in the pairing of enter and exit events."""
    return _of(batch, _apart())


def is_cloning(event: EventType) -> bool:
    """Whether a type is of a call that makes threads."""
    return event.name in _CLONING


def _of(batch: EventBatch, of_type: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return of_type.take(batch.header("type"), mode="clip")
