"""Event types that matter for the lives of threads, and where they keep what is needed of them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from scap_formats.table import event_table
from scap_formats.types import Direction, EventClass, EventFlag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scap_formats.table import EventType

#: Numbers an execve sets where the event has them, and whether they are signed.
EXECVE_NUMBERS = {
    "tty": True,
    "vpgid": True,
    "pgid": True,
    "loginuid": True,
    "uid": False,
    "gid": False,
    "cap_inheritable": False,
    "cap_permitted": False,
    "cap_effective": False,
    "exe_ino": False,
    "exe_ino_ctime": False,
    "exe_ino_mtime": False,
}
#: For execve exits: where the program's path is, in the exit event itself or else in its enter event.
EXECVE_FILENAMES = {289: (30, 0), 293: (30, 0), 331: (30, 1)}
#: For exits that change an id: the attribute, and where the new id is in the exit and in the enter event.
IDENTITY_CHANGES = {
    199: ("uid", 1, 0),
    201: ("gid", 1, 0),
    193: ("uid", 2, 1),
    195: ("gid", 2, 1),
    427: ("uid", 2, 9),
    429: ("gid", 2, 9),
}
#: For exits about resource limits: where the resource and the process are in the exit and in the enter event.
RLIMIT_ARGUMENTS = {141: ((3, 0), None), 143: ((3, 0), None), 145: ((6, 1), (5, 0))}
USER_ADDED, USER_DELETED, GROUP_ADDED, GROUP_DELETED = 354, 356, 358, 360
PROCEXITS = (16, 186)


@cache
def enter_reading_types() -> frozenset[int]:
    """Those of `lifecycle_types` whose enter event matters."""
    return frozenset({97, *IDENTITY_CHANGES, *RLIMIT_ARGUMENTS, *EXECVE_FILENAMES}) - {427, 429}


@cache
def touching_exempt() -> frozenset[int]:
    """The event types of an unknown thread that do not make it known."""
    exempt = {event.id for event in event_table().events if _leaves_unknown(event)}
    return frozenset(exempt | set(clone_layouts()) | {_SWITCH})


_SWITCH = 152


def _leaves_unknown(event: EventType) -> bool:
    outside = {EventClass.PLUGIN, EventClass.METAEVENT, EventClass.ITER, EventClass.NONE}
    return bool(event.flags & EventFlag.SKIPPARSERESET) or event.event_class in outside


@cache
def _layouts(names: frozenset[str]) -> Mapping[int, Mapping[str, int]]:
    """Where the parameters of the exits of some system calls are, by type and parameter name."""
    return {
        event.id: {param.name: index for index, param in enumerate(event.params)}
        for event in event_table().events
        if event.name in names and event.direction is Direction.EXIT
    }


def clone_layouts() -> Mapping[int, Mapping[str, int]]:
    """Where exits of calls that make threads have their parameters, by type and parameter name."""
    return _layouts(frozenset({"clone", "clone3", "fork", "vfork"}))


def execve_layouts() -> Mapping[int, Mapping[str, int]]:
    """Where exits of calls that run a program have their parameters, by type and parameter name."""
    return _layouts(frozenset({"execve", "execveat"}))
