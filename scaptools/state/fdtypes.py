"""Which event types are about a descriptor, and where they tell it.

sysdig 0.29.3 and the newest libraries differ in which events have a descriptor. Events with an enter event follow the
former, events of captures without enter events the latter.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.table import event_table
from scap_formats.types import EventFlag, ParamType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scaptools.state.calls import Calls

    Mask = NDArray[np.bool_]

CLOSE, SOCKET, GETSOCKOPT, FCNTL, COPY_FILE_RANGE = 5, 19, 47, 151, 333
#: Exits that make two descriptors.
PAIR_EXITS = (43, 61, 393)
#: Exits whose result is a copy of the descriptor they are given.
COPY_EXITS = frozenset({125, 363, 365, 367, FCNTL})
#: Exits whose result is a new descriptor, opens of paths left out.
MAKING_EXITS = frozenset(
    {27, 57, 247, 249, 389, *COPY_EXITS, SOCKET, 63, 397, 127, 399, 137, 139, 395, 321, 339, 369, 375, 377, 405}
    | {407, 409}
)
#: The fcntl commands that copy a descriptor, as events number them.
_COPYING_COMMANDS = (1, 26)
#: Where fcntl events have their command, in the exit and in the enter event.
_COMMAND_INDICES = (2, 1)

#: Calls that use a descriptor in 0.29.3, by name; their first enter parameter is it.
_USING = frozenset(
    """
    close read write bind connect listen send sendto recv recvfrom shutdown sendmsg recvmsg fstat fstat64 lseek llseek
    ioctl fchdir pread pwrite readv writev preadv pwritev dup fcntl splice sendfile getdents getdents64 setns flock
    copy_file_range
    """.split()  # noqa: SIM905 - as a list it would be a page long
)
#: Calls of which only the exit event does.
_USING_AT_EXIT = frozenset({45, 47})
_CREATING = frozenset(
    """
    open creat openat openat2 socket accept socketpair pipe eventfd signalfd timerfd_create inotify_init bpf userfaultfd
    """.split()  # noqa: SIM905
)
#: Where exit events tell their descriptor, by call; calls not here tell it in their first parameter of that type.
_EXIT_INDICES = {"sendfile": 2, "splice": 2, "copy_file_range": 1, "symlinkat": 2}
_RESULT_NAMES = frozenset({"res", "fd", "res_or_fd"})


@cache
def old_fd_types() -> Mask:
    """Event types that have descriptor fields in 0.29.3, by type id."""
    table = event_table()
    mask = np.zeros(len(table.events), bool)
    for event in table.events[: table.old_event_max]:
        mask[event.id] = event.name in _USING or event.name in _CREATING or event.id in _USING_AT_EXIT
    return mask


@cache
def new_fd_types() -> Mask:
    """Event types that have descriptor fields in the newest libraries, by type id."""
    any_fd = EventFlag.CREATES_FD | EventFlag.USES_FD | EventFlag.DESTROYS_FD
    return np.array([bool(event.flags & any_fd) for event in event_table().events])


@cache
def enter_fd_types() -> frozenset[int]:
    """Enter types whose first parameter is the descriptor of the call."""
    return frozenset(
        event.id
        for event in event_table().events
        if event.id % 2 == 0
        and event.params
        and event.params[0].type == ParamType.FD
        and (event.name in _USING or (event.id >= event_table().old_event_max and event.flags & EventFlag.USES_FD))
    )


@cache
def exit_fd_indices() -> Mapping[int, int]:
    """For exit types that use a descriptor, the parameter that tells it in newer captures."""
    indices = {}
    for event in event_table().events:
        if event.id % 2 == 0 or not event.flags & EventFlag.USES_FD:
            continue
        found = [
            index
            for index, param in enumerate(event.params)
            if param.type == ParamType.FD and (index > 0 or param.name not in _RESULT_NAMES)
        ]
        if found:
            indices[event.id] = _EXIT_INDICES.get(event.name, found[0])
    return indices


def copying_fcntls(calls: Calls) -> Mask:
    """Which of all fcntl exits copy a descriptor."""
    command = calls.numbers(FCNTL, *_COMMAND_INDICES)
    return np.asarray(np.isin(command.values, _COPYING_COMMANDS) & command.validity())
