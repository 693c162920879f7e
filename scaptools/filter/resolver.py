"""What the filter language needs to know about fields: names become handles, handles become columns.

The batch is opaque here; all that is asked of it is ``len(batch)``, its number of events. A handle is a field bound to
its argument, and pure: the same rows of the same batch always give the same column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from scaptools.errors import FilterError, ScapError, UnknownFieldError

if TYPE_CHECKING:
    from scap_formats.types import ParamType
    from scaptools.columns import Column, Rows
    from scaptools.filter.presearch import Presearch


class FieldHandle(Protocol):
    """A field bound to its argument."""

    @property
    def name(self) -> str:
        """As written, for example ``evt.arg.fd`` or ``json.value[/a]``."""

    @property
    def type(self) -> ParamType:
        """The type of its values, which decides about operators and constants."""

    @property
    def is_list(self) -> bool:
        """Whether its column is `scaptools.columns.Lists`, compared as lists are."""

    @property
    def flags(self) -> frozenset[str]:
        """Upstream's flags; ``NO_TRANSFORMER`` and ``NO_RHS`` matter here."""

    @property
    def ordinal(self) -> int:
        """Cost class: 0 header columns, 1 parameters, 2 state, 3 plugin payloads."""

    @property
    def comparison(self) -> str | None:
        """A key of `scaptools.filter.operators.COMPARISONS`, None for an ordinary field."""

    @property
    def presearch(self) -> Presearch | None:
        """How the raw data behind its values can be searched, None where it cannot."""

    @property
    def remembers(self) -> bool:
        """Whether values depend on which events were asked about before."""

    def column(self, batch: Any, rows: Rows) -> Column:
        """The values at ``rows``, one per row and in their order."""


class FieldResolver(Protocol):
    """Finds fields by name."""

    def resolve(self, name: str, argument: str | None) -> FieldHandle:
        """The field called ``name`` (dots included) with ``argument`` from the brackets, None without brackets.

        Raises UnknownFieldError, or another ScapError when the argument does not fit.
        """

    def known_value(self, handle: FieldHandle, text: str) -> str | None:
        """What is wrong with comparing the field to this constant, None when nothing is."""


class UnknownFieldInFilterError(FilterError, UnknownFieldError):
    """A field nobody provides, at its place in a filter; caught as either of its bases."""

    def __init__(self, error: UnknownFieldError, *, expression: str, position: int) -> None:
        ScapError.__init__(self, error.message, hint=error.hint)
        self.name = error.name
        self.suggestions = error.suggestions
        self.expression = expression
        self.position = position
