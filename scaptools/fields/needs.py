"""Needs: what state has to be kept along a capture for the fields in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from scaptools.state.needs import ALL_NEEDS, COUNTERS, FDS, PAIRING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from scaptools.capture.batch import EventBatch

__all__ = ["ALL_NEEDS", "FieldInUse", "needs_of", "with_state"]


class FieldInUse(Protocol):
    """What tells about a field's needs."""

    @property
    def name(self) -> str:
        """The field as it is written."""

    @property
    def remembers(self) -> bool:
        """Whether values depend on which events were asked about before."""


#: What needs more of the state than its threads, by the start of a field's name; longer starts count first.
_NEEDS: Mapping[str, frozenset[str]] = {
    "fd": frozenset({FDS}),
    "fs.": frozenset({FDS}),
    "evt.": frozenset({FDS}),
    "syslog.": frozenset({FDS}),
    "evt.latency": frozenset({PAIRING}),
    "evt.wait_latency": frozenset({PAIRING}),
    "proc.cwd": frozenset({FDS}),
    "proc.exepath": frozenset({FDS}),
    "proc.aexepath": frozenset({FDS}),
    "proc.pexepath": frozenset({FDS}),
    "proc.std": frozenset({FDS}),
    "proc.fd": frozenset({FDS}),
    "proc.vm": frozenset({COUNTERS}),
    "thread.vm": frozenset({COUNTERS}),
    "thread.pf": frozenset({COUNTERS}),
    "thread.exectime": frozenset({COUNTERS}),
    "thread.totexectime": frozenset({COUNTERS}),
    "thread.cpu": frozenset({COUNTERS}),
}
#: Classes of fields that read threads; of all others only what `_NEEDS` names reads any state.
_STATE_CLASSES = ("proc.", "thread.", "user.", "group.", "container.", "k8s.", "fd", "fs.", "syslog.")
#: Fields of the event that read no state, though others of their class do.
_STATELESS_EVENTS = frozenset(
    """
    evt.num evt.time evt.time.s evt.time.iso8601 evt.datetime evt.datetime.s evt.rawtime evt.rawtime.s evt.rawtime.ns
    evt.reltime evt.reltime.s evt.reltime.ns evt.deltatime evt.deltatime.s evt.deltatime.ns evt.outputtime evt.dir
    evt.type evt.type.is evt.cpu evt.failed evt.count evt.count.exit evt.count.error evt.count.error.memory evt.around
    evt.is_io evt.is_io_read evt.is_io_write evt.io_dir evt.is_wait evt.is_async evt.asynctype evt.source evt.hostname
    evt.is_open_read evt.is_open_write evt.is_open_exec evt.is_open_create evt.pluginname evt.plugininfo evt.rawarg
    evt.res evt.rawres evt.buffer thread.tid
    """.split()  # noqa: SIM905 - as a list it would be a page long
)


def needs_of(fields: Iterable[FieldInUse]) -> frozenset[str] | None:
    """What of the state must be kept so that these fields can be asked; None where no state is needed at all.

    Names may have arguments behind them.
    """
    needs: set[str] | None = None
    for used in fields:
        bare = used.name.partition("[")[0]
        if bare in _STATELESS_EVENTS or not bare.startswith((*_STATE_CLASSES, "evt.")):
            continue
        prefix = max((start for start in _NEEDS if bare.startswith(start)), key=len, default="")
        needs = (needs or set()) | _NEEDS.get(prefix, frozenset())
    return None if needs is None else frozenset(needs)


def with_state(batches: Iterable[EventBatch], needs: frozenset[str] | None) -> Iterator[EventBatch]:
    """The batches, with state attached where there is a need."""
    if needs is None:
        return iter(batches)
    from scaptools.state.engine import with_state as tracked

    return tracked(batches, needs)
