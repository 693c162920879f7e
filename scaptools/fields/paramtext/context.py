"""Contexts: what the text of a parameter needs from the state of the machine.

Every method is given events as rows of a batch, ascending, an event several times where several of its values are asked
for, and returns as many texts; missing ones, or None for all of them, mean that nothing is known. What needs no state
(names of errors, of ``AT_FDCWD``, of user -1) is done by the renderers. The answer is not used where the event has no
value, which is asked for as 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from scaptools.columns import Coded, Texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column

#: A column of byte strings.
TextColumn: TypeAlias = Texts | Coded


def as_texts(column: Column) -> TextColumn:
    """The column itself, which has to be one of byte strings. Raises TypeError for any other."""
    if isinstance(column, Texts) or (isinstance(column, Coded) and isinstance(column.values, Texts)):
        return column
    raise TypeError(f"a column of texts was expected, not {type(column).__name__}")


def text_list(column: Coded) -> list[bytes]:
    """The texts a column's codes stand for, missing ones as empty."""
    values = column.values
    return [value or b"" for value in values.to_pylist()] if isinstance(values, Texts) else []


class ParameterContext(Protocol):
    """Resolves the numbers and relative paths of events by the state they were made in."""

    def fd_text(self, batch: EventBatch, rows: NDArray[np.intp], fds: NDArray[np.int64]) -> TextColumn | None:
        """Descriptors as ``<T>name``, T being the type's character and possibly that of a protocol."""

    def fd_character(self, batch: EventBatch, rows: NDArray[np.intp], fds: NDArray[np.int64]) -> TextColumn | None:
        """The character of each descriptor's type, as descriptor lists show it."""

    def thread_name(self, batch: EventBatch, rows: NDArray[np.intp], tids: NDArray[np.int64]) -> TextColumn | None:
        """The command name of threads."""

    def user_name(self, batch: EventBatch, rows: NDArray[np.intp], uids: NDArray[np.uint32]) -> TextColumn | None:
        """The names of users."""

    def group_name(self, batch: EventBatch, rows: NDArray[np.intp], gids: NDArray[np.uint32]) -> TextColumn | None:
        """The names of groups."""

    def absolute_path(
        self, batch: EventBatch, rows: NDArray[np.intp], paths: Texts, dirfds: NDArray[np.int64] | None
    ) -> TextColumn | None:
        """Paths that are not absolute, made so.

        They start from the descriptors ``dirfds``, or from the thread's working directory where that is -100 or None.
        """


class StatelessContext:
    """Knows nothing about any machine; a base for contexts that know something."""

    def _nothing(self, *_asked: object) -> None:
        """The answer to everything."""

    fd_text: Any = _nothing
    fd_character: Any = _nothing
    thread_name: Any = _nothing
    user_name: Any = _nothing
    group_name: Any = _nothing
    absolute_path: Any = _nothing


STATELESS = StatelessContext()
