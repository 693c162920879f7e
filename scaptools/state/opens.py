"""Opens: the exits of calls that open a path, and how the paths are worked out.

A path hangs on the working directory or on another descriptor only where it is relative; all others are taken as they
are, in one operation. What is left is worked out in the order of events, so that what a path hangs on is known first.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from scaptools.state.paths import DIRTY_PATTERN, join, known, with_slash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.state.calls import Calls
    from scaptools.state.paths import Path, PathNode

    Ints: TypeAlias = NDArray[np.int64]

#: The directory argument that means the working directory.
AT_FDCWD = -100
#: Stands for the name of a directory nobody knows.
UNKNOWN_DIRECTORY = b"<UNKNOWN>"
_DIRECTORY_FLAG = 0x400


class _OpenType(NamedTuple):
    """Where the exit event of an open has its parameters, then where its enter event has them; None for nowhere."""

    name: int | None
    flags: int | None
    dev: int | None
    ino: int | None
    directory: int | None
    enter_name: int | None
    enter_flags: int | None
    enter_directory: int | None


_TYPES = {
    3: _OpenType(1, 2, 4, 5, None, 0, 1, None),
    59: _OpenType(1, None, 3, 4, None, 0, None, None),
    103: _OpenType(None, None, None, None, None, 1, 2, 0),
    307: _OpenType(2, 3, 5, 6, 1, 1, 2, 0),
    327: _OpenType(2, 3, 6, 7, 1, 1, 2, 0),
    337: _OpenType(3, 2, 4, 5, None, None, None, None),
}
OPEN_EXITS = tuple(_TYPES)


class Opens:
    """All exits of opens in a batch, by type and row; ``k`` numbers them. Arrays have shape ``(k,)``."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        batch = calls.batch
        self._present = [event_type for event_type in OPEN_EXITS if len(batch.rows_of_type(event_type))]
        empty = np.empty(0, np.int64)
        self.rows: Ints = np.concatenate([*(batch.rows_of_type(each) for each in self._present), empty])
        self.fds = self._numbers(lambda _: (0, None), missing=-1)
        # Without its enter event the oldest kind of openat says nothing about what it opened.
        nameless = np.concatenate(
            [
                *(
                    np.full(len(batch.rows_of_type(each)), _TYPES[each].name is None)
                    & ~calls.usable[batch.rows_of_type(each)]
                    for each in self._present
                ),
                np.zeros(0, bool),
            ]
        )
        self.adds: NDArray[np.bool_] = (self.fds >= 0) & ~nameless

    def __len__(self) -> int:
        return len(self.rows)

    def _numbers(self, where: Callable[[_OpenType], tuple[int | None, int | None]], *, missing: int) -> Ints:
        parts = [np.empty(0, np.int64)]
        for event_type in self._present:
            numbers = self._calls.asked_numbers(event_type, *where(_TYPES[event_type]))
            parts.append(np.where(numbers.validity(), numbers.values, missing))
        return np.concatenate(parts)

    @cached_property
    def flags(self) -> Ints:
        """The flags as events give them."""
        return self._numbers(lambda each: (each.flags, each.enter_flags), missing=0)

    @cached_property
    def is_directory(self) -> NDArray[np.bool_]:
        """Whether the call asked for a directory."""
        return np.asarray((self.flags & _DIRECTORY_FLAG) != 0)

    @cached_property
    def devs(self) -> Ints:
        """The device numbers, 0 where they are not told."""
        return self._numbers(lambda each: (each.dev, None), missing=0)

    @cached_property
    def inos(self) -> Ints:
        """The inodes, 0 where they are not told."""
        return self._numbers(lambda each: (each.ino, None), missing=0)

    @cached_property
    def directories(self) -> Ints:
        """The descriptors paths are relative to; `AT_FDCWD` for calls that have none."""
        return self._numbers(lambda each: (each.directory, each.enter_directory), missing=AT_FDCWD)

    @cached_property
    def names(self) -> pa.Array:
        """The names as the calls gave them, missing where there is none."""
        import pyarrow as pa

        parts = [self._calls.strings(each, _TYPES[each].name, _TYPES[each].enter_name) for each in self._present]
        return pa.concat_arrays(parts) if parts else pa.array([], pa.binary())


def unresolved(names: pa.Array) -> Ints:
    """The indices of names that are not already a full path as it is shown; missing ones are."""
    import pyarrow.compute as pc

    if not len(names):
        return np.empty(0, np.int64)
    absolute = pc.fill_null(pc.starts_with(names, "/"), fill_value=True)
    dirty = pc.fill_null(pc.match_substring_regex(names, f"{DIRTY_PATTERN}|./$"), fill_value=False)
    plain = pc.and_(absolute, pc.invert(dirty)).to_numpy(zero_copy_only=False)
    return np.flatnonzero(~plain)


def replaced(names: pa.Array, at: Ints, values: Sequence[bytes | None]) -> pa.Array:
    """The names with those at some indices replaced."""
    import pyarrow as pa

    if not len(at):
        return names
    index = np.arange(len(names))
    index[at] = len(names) + np.arange(len(at))
    return pa.concat_arrays([names, pa.array(values, pa.binary())]).take(pa.array(index))


class PendingPath(NamedTuple):
    """A path to be worked out: relative to ``base``, or to the descriptor with value ``directory`` where set."""

    position: int
    number: int
    name: bytes
    base: Path
    directory: int | None


def settle_paths(
    pending: Sequence[PendingPath],
    nodes: Sequence[PathNode],
    node_values: Sequence[int],
    name_of: Callable[[int, dict[int, bytes]], bytes | None],
) -> dict[int, bytes]:
    """Work out paths and nodes in the order of their positions; the paths by number.

    ``node_values`` are the descriptors nodes hang on; ``name_of`` names a descriptor, given the paths known so far,
    and answers None where there is no such descriptor.
    """
    done: dict[int, bytes] = {}
    queue: list[tuple[int, int, PendingPath | PathNode, int]] = [
        *((each.position, 1, each, -1) for each in pending),
        *((node.position, 0, node, value) for node, value in zip(nodes, node_values, strict=True)),
    ]
    queue.sort(key=_position)
    for _, _, each, value in queue:
        if isinstance(each, PendingPath):
            done[each.number] = _path(each, done, name_of)
        elif each.value is None:
            each.settle(None if each.descriptor is None else name_of(value, done))
    return done


def _position(entry: tuple[int, int, PendingPath | PathNode, int]) -> tuple[int, int]:
    return entry[:2]


def _path(
    pending: PendingPath, done: dict[int, bytes], name_of: Callable[[int, dict[int, bytes]], bytes | None]
) -> bytes:
    if pending.directory is None or pending.name.startswith(b"/"):
        return join(known(pending.base), pending.name)
    directory = name_of(pending.directory, done)
    base = UNKNOWN_DIRECTORY if directory is None else with_slash(directory)
    return join(base, pending.name)
