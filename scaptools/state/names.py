"""Names for numbers and paths in parameters: descriptors, threads, users, groups, and paths made absolute.

Rows need not ascend and may repeat. What is not known is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from scaptools.columns import Coded, Numbers, Texts
from scaptools.state.descriptors import TYPE_TEXTS, transport
from scaptools.state.opens import AT_FDCWD
from scaptools.state.pairing import NONE
from scaptools.state.paths import as_directory, join, known
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.state.batchstate import BatchState
    from scaptools.state.descriptors import Descriptor
    from scaptools.state.thread import Thread

    Ints: TypeAlias = NDArray[np.int64]


def fd_values(state: BatchState, rows: Ints, fds: Ints) -> Ints:
    """What descriptors of the events' processes refer to, as `BatchDescriptors` numbers it; `ABSENT` for nothing."""
    descriptors = state.descriptors
    return descriptors.find(descriptors.tables_of(rows), fds, 2 * rows)[1]


def fd_texts(state: BatchState, rows: Ints, fds: Ints) -> Coded:
    """Descriptors as ``<T>name``, T being the letter of their type and, for IP sockets, that of their transport."""
    return Coded(fd_values(state, rows, fds), state.memo("fd texts", lambda: _fd_texts(state)))


def _fd_texts(state: BatchState) -> Texts:
    import pyarrow as pa
    import pyarrow.compute as pc

    descriptors = state.descriptors
    made = [_prefix(each) for each in descriptors.descriptors]
    letters = [b"<%s>" % TYPE_TEXTS[type_][0].encode() if type_ in TYPE_TEXTS else b"<?>" for type_ in range(2 + 1)]
    opened = pa.array(letters, pa.binary()).take(pa.array(descriptors.types[len(made) :]))
    prefixes = pa.concat_arrays([pa.array(made, pa.binary()), opened])
    names = pc.fill_null(descriptors.names, b"")
    return Texts(pc.binary_join_element_wise(prefixes, names, b""))


def _prefix(descriptor: Descriptor) -> bytes:
    letter = TYPE_TEXTS.get(descriptor.type, ("?", ""))[0]
    return f"<{letter}{(transport(descriptor) or '')[:1]}>".encode()


def fd_characters(state: BatchState, rows: Ints, fds: Ints) -> Coded:
    """The letter of each descriptor's type."""
    values = fd_values(state, rows, fds)
    types = state.descriptors.types
    codes = np.where(values != ABSENT, types[values], ABSENT) if len(types) else values
    return Coded(codes, Texts.of(TYPE_TEXTS[type_][0].encode() for type_ in sorted(TYPE_TEXTS)))


def thread_names(state: BatchState, rows: Ints, tids: Ints) -> Coded:
    """The names of threads."""
    return state.text_column(state.find(tids, 2 * rows), _comm)


def user_names(state: BatchState, rows: Ints, uids: Ints) -> Coded:
    """The names of users, as the events' threads know them."""
    return Coded(state.accounts.find_numbers(state, rows, uids), state.user_texts("name"))


def group_names(state: BatchState, rows: Ints, gids: Ints) -> Coded:
    """The names of groups, as the events' threads know them."""
    return Coded(state.group_accounts.find_numbers(state, rows, gids), state.group_texts())


def resolve_paths(
    state: BatchState,
    rows: Ints,
    paths: Texts,
    directories: Ints | None = None,
    *,
    unknown: bytes = b"",
    doubled: bool = False,
) -> Texts:
    """Paths as the events' threads mean them, normalised.

    A relative one starts from the descriptor ``directories`` names, or from the working directory where that is
    `AT_FDCWD` or None; from ``unknown`` where nothing is known of the descriptor. With ``doubled`` a slash is put
    behind a directory's name even if it ends with one. Missing where the path or the thread is.
    """
    mains = state.mains(rows)
    if directories is None:
        directories = np.full(len(rows), AT_FDCWD)
    from_fd = directories != AT_FDCWD
    values = np.full(len(rows), ABSENT)
    at = np.flatnonzero(from_fd)
    if len(at):
        values[at] = fd_values(state, rows[at], directories[at])
    names = _names_by_value(state, values)
    found: list[bytes | None] = []
    for path, main, relative, value in zip(
        paths.to_arrow().to_pylist(), mains.tolist(), from_fd.tolist(), values.tolist(), strict=True
    ):
        if path is None or main == ABSENT:
            found.append(None)
        elif not relative or path.startswith(b"/"):
            found.append(join(known(state.versions[main].cwd), path))
        elif value == ABSENT:
            found.append(join(unknown, path))
        else:
            name = names[value]
            found.append(join(name + b"/" if doubled else as_directory(name), path))
    return Texts.of(found)


def _names_by_value(state: BatchState, values: Ints) -> dict[int, bytes]:
    import pyarrow as pa

    used = np.unique(values[values != ABSENT])
    if not len(used):
        return {}
    texts: pa.Array = state.descriptors.names.take(pa.array(used))
    return {value: name or b"" for value, name in zip(used.tolist(), texts.to_pylist(), strict=True)}


def event_fd_types(state: BatchState, rows: Ints) -> Numbers:
    """The type of the descriptor each event works on; missing where none is known, or the exit has no enter event."""
    descriptors, calls = state.descriptors, state.calls
    values = descriptors.of_events(rows).values
    is_exit = (state.batch.header("type", rows) & 1).astype(bool)
    attached = ~is_exit | calls.paired[rows] | descriptors.sets_fd(rows)
    types = descriptors.types
    valid = (values != ABSENT) & attached
    return Numbers(np.where(valid, types[values], NONE) if len(types) else values, valid)


def _comm(thread: Thread) -> bytes:
    return thread.comm
