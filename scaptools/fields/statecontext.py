"""The state context: what parameters name, resolved by the state attached to a batch.

What knows state is imported when it is asked: most filters never print a parameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaptools.state.attached import state_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Coded, Numbers, Texts


class StateContext:
    """Resolves what parameters name by the state attached to a batch; see `names` for what is asked how."""

    def fd_text(self, batch: EventBatch, rows: NDArray[np.intp], fds: NDArray[np.int64]) -> Coded:
        """Descriptors as ``<T>name``."""
        from scaptools.state import names

        return names.fd_texts(state_of(batch), rows, fds)

    def fd_character(self, batch: EventBatch, rows: NDArray[np.intp], fds: NDArray[np.int64]) -> Coded:
        """The letter of each descriptor's type."""
        from scaptools.state import names

        return names.fd_characters(state_of(batch), rows, fds)

    def thread_name(self, batch: EventBatch, rows: NDArray[np.intp], tids: NDArray[np.int64]) -> Coded:
        """The names of threads."""
        from scaptools.state import names

        return names.thread_names(state_of(batch), rows, tids)

    def user_name(self, batch: EventBatch, rows: NDArray[np.intp], uids: NDArray[np.uint32]) -> Coded:
        """The names of users."""
        from scaptools.state import names

        return names.user_names(state_of(batch), rows, uids.astype(np.int64))

    def group_name(self, batch: EventBatch, rows: NDArray[np.intp], gids: NDArray[np.uint32]) -> Coded:
        """The names of groups."""
        from scaptools.state import names

        return names.group_names(state_of(batch), rows, gids.astype(np.int64))

    def absolute_path(
        self, batch: EventBatch, rows: NDArray[np.intp], paths: Texts, dirfds: NDArray[np.int64] | None
    ) -> Texts:
        """Relative paths made absolute."""
        from scaptools.state import names

        return names.resolve_paths(state_of(batch), rows, paths, dirfds)

    def fd_types(self, batch: EventBatch, rows: NDArray[np.intp]) -> Numbers:
        """The type of the descriptor each event works on."""
        from scaptools.state import names

        return names.event_fd_types(state_of(batch), rows)
