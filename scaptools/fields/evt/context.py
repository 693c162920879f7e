"""Contexts: what event fields need from the state of the machine, beyond the text of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from scaptools.fields.paramtext.context import ParameterContext

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Numbers


class EventContext(ParameterContext, Protocol):
    """A parameter context that also knows the descriptor an event works on."""

    def fd_types(self, batch: EventBatch, rows: NDArray[np.intp]) -> Numbers:
        """The type of the descriptor of each event, by the numbers of descriptor lists; missing where none is known."""
