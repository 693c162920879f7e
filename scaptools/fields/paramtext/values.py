"""Values: what a renderer is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from scaptools.capture.parameters import number_dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scap_formats.table import Param
    from scaptools.capture.batch import EventBatch
    from scaptools.capture.parameters import ParameterColumn
    from scaptools.columns import Numbers
    from scaptools.fields.paramtext.context import ParameterContext, TextColumn
    from scaptools.fields.paramtext.style import Dialect, TextStyle


@dataclass(frozen=True)
class ParamValues:
    """One parameter of ``n`` events of one type, and everything its text may depend on.

    ``rows`` are the events' rows in ``batch``; ``dirfds`` are the descriptors of directories a relative path starts
    from, where the declaration names a parameter for them.
    """

    column: ParameterColumn
    param: Param
    batch: EventBatch
    rows: NDArray[np.intp]
    dialect: Dialect
    style: TextStyle
    context: ParameterContext
    dirfds: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def numbers(self) -> Numbers:
        """The values of a fixed-size type; missing where absent, empty or of another size."""
        return self.column.numbers_as(number_dtype(self.param.type, self.column.byteorder))

    def take(self, index: NDArray[np.intp]) -> ParamValues:
        """The same parameter of some of the events."""
        dirfds = None if self.dirfds is None else self.dirfds[index]
        return replace(self, column=self.column.take(index), rows=self.rows[index], dirfds=dirfds)


@dataclass(frozen=True, slots=True)
class ParamText:
    """A parameter as text, ``n`` rows each.

    ``plain`` is missing where there is no value. ``resolved`` is missing or empty where there is nothing to say, None
    where that holds for all rows.
    """

    plain: TextColumn
    resolved: TextColumn | None = None
