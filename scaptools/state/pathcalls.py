"""Path arguments: which parameters of which events name a path, and from where.

Tables say, by event type, which parameter is the path and which one the directory it starts from.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scap_formats.table import event_table
from scaptools.columns import Texts
from scaptools.state.names import resolve_paths
from scaptools.state.opens import AT_FDCWD, OPEN_EXITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scaptools.state.batchstate import BatchState

    Ints = NDArray[np.int64]

#: The result that tells that an open failed, where others only tell why.
_NO_FD = -1


class PathArgument(NamedTuple):
    """A path parameter: its index, that of its directory if there is one, and what must hold of the result.

    ``succeeded`` is None where failed calls count too, else whether the result must be 0, or an open's descriptor.
    ``of_descriptor`` is set where the path is not told but is that of the event's descriptor.
    """

    path: int
    directory: int | None = None
    succeeded: str | None = None
    of_descriptor: bool = False
    unknown: bytes | None = None

    def resolve(
        self, state: BatchState, event_type: int, wanted: Ints, *, unknown: bytes, raw: bool
    ) -> tuple[Ints, Texts]:
        """The events that have the path, as indices among all of the type, out of ``wanted``; and the paths."""
        import pyarrow as pa
        import pyarrow.compute as pc

        calls = state.calls
        enter_only = event_type % 2 == 0
        if self.succeeded is not None and not enter_only:
            result = calls.numbers(event_type, 0, None)
            good = result.values == 0 if self.succeeded == "zero" else result.values != _NO_FD
            wanted = wanted[(good & result.validity())[wanted]]
        rows = state.batch.rows_of_type(event_type)[wanted]
        if self.of_descriptor:
            values = state.descriptors.of_events(rows).values
            there = values >= 0
            taken = state.descriptors.names.take(pa.array(values[there]))
            return wanted[there], Texts(taken)
        told = calls.strings(event_type, self.path, None).take(pa.array(wanted))
        there = pc.is_valid(told).to_numpy(zero_copy_only=False)
        texts = Texts(told.filter(pa.array(there)))
        wanted, rows = wanted[there], rows[there]
        if raw:
            return wanted, texts
        directories = None
        if self.directory is not None:
            numbers = calls.numbers(event_type, self.directory, None)
            directories = np.where(numbers.validity(), numbers.values, AT_FDCWD)[wanted]
        start = unknown if self.unknown is None else self.unknown
        resolved = resolve_paths(state, rows, texts, directories, unknown=start)
        return wanted, resolved


#: By use and by side: (call, whether its exit tells it, path parameter, directory parameter).
_ABSPATH = {
    "src": (
        *(("renameat", 1, 2, 1), ("renameat2", 1, 2, 1), ("symlinkat", 1, 3, 2), ("openat", 1, 2, 1)),
        *(("openat2", 1, 2, 1), ("linkat", 1, 2, 1), ("unlinkat", 1, 2, 1), ("mkdirat", 1, 2, 1)),
        *(("fchmodat", 1, 2, 1), ("fchownat", 1, 2, 1), ("open_by_handle_at", 1, 3, None)),
        *(("openat", 0, 1, 0), ("linkat", 0, 1, 0), ("unlinkat", 0, 1, 0)),
    ),
    "dst": (("renameat", 1, 4, 3), ("renameat2", 1, 4, 3), ("linkat", 1, 4, 3), ("linkat", 0, 3, 2)),
}
#: Old calls whose enter events tell the paths.
_OLD_ENTERS = frozenset({102, 106, 110})
#: For fs.path.*: the parameter by name, then that of the directory.
_FS_PATHS: Mapping[str, Mapping[str, tuple[str, str | None]]] = {
    "name": {
        **dict.fromkeys(("mkdir", "rmdir", "unlink", "chown", "lchown"), ("path", None)),
        "mkdirat": ("path", "dirfd"),
        "unlinkat": ("name", "dirfd"),
        **dict.fromkeys(("umount", "umount2", "open"), ("name", None)),
        **dict.fromkeys(("openat", "openat2"), ("name", "dirfd")),
        "chmod": ("filename", None),
        "fchmodat": ("filename", "dirfd"),
        "fchownat": ("pathname", "dirfd"),
        "quotactl": ("special", None),
    },
    "source": {
        "rename": ("oldpath", None),
        "renameat": ("oldpath", "olddirfd"),
        "renameat2": ("oldpath", "olddirfd"),
        "link": ("newpath", None),
        "linkat": ("newpath", "newdir"),
        "symlink": ("linkpath", None),
        "symlinkat": ("linkpath", "linkdirfd"),
        "mount": ("dev", None),
    },
    "target": {
        "rename": ("newpath", None),
        "renameat": ("newpath", "newdirfd"),
        "renameat2": ("newpath", "newdirfd"),
        "link": ("oldpath", None),
        "linkat": ("oldpath", "olddir"),
        **dict.fromkeys(("symlink", "symlinkat"), ("target", None)),
        "mount": ("dir", None),
    },
}
#: Calls on a descriptor, whose path is the descriptor's.
_BY_DESCRIPTOR = ("fchmod", "fchown")


@cache
def path_arguments(use: str, side: str) -> Mapping[int, PathArgument]:
    """The path arguments by event type.

    ``use`` is ``abspath``, of which there is ``src`` and ``dst``, or ``fs``: ``name``, ``source`` and ``target``.
    """
    return _abspath(side) if use == "abspath" else _fs(side)


def _abspath(side: str) -> Mapping[int, PathArgument]:
    found = {}
    for name, is_exit, path, directory in _ABSPATH[side]:
        for event in event_table().by_name(name):
            fits = event.id % 2 == is_exit and path < event.nparams and (is_exit or event.id in _OLD_ENTERS)
            if fits:
                found[event.id] = PathArgument(path, directory)
    return found


def _fs(side: str) -> Mapping[int, PathArgument]:
    found = {}
    for name, (path_name, directory_name) in _FS_PATHS[side].items():
        for event in event_table().by_name(name):
            path = event.find_param(path_name)
            if event.id % 2 == 0 or path is None:
                continue
            directory = None if directory_name is None else event.find_param(directory_name)
            succeeded = "fd" if event.id in OPEN_EXITS else "zero"
            found[event.id] = PathArgument(path, directory, succeeded)
    if side == "name":
        for name in _BY_DESCRIPTOR:
            for event in event_table().by_name(name):
                if event.id % 2:
                    found[event.id] = PathArgument(0, succeeded="zero", of_descriptor=True)
    return found
