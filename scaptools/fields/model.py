"""Fields: one declaration each, and a field bound to the argument it is used with."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from scap_formats.types import PrintFormat

if TYPE_CHECKING:
    from collections.abc import Callable

    from scap_formats.types import ParamType
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Mask, Rows

    #: From a batch, the wanted rows and the parsed argument to a column of as many rows.
    Extract: TypeAlias = Callable[[EventBatch, Rows, Any], Column]


@dataclass(frozen=True, slots=True)
class Presearch:
    """How the raw data behind a field can be searched before values are read from it.

    ``marks`` says what the data must hold one of for the value to contain a text, None where nothing can be said;
    ``finder`` which rows of a batch may hold one.
    """

    finder: Callable[[EventBatch, Rows, frozenset[bytes]], Mask]
    marks: Callable[[bytes], frozenset[bytes] | None]


class Cost(IntEnum):
    """How dear a field is to evaluate; a filter evaluates cheap ones first."""

    HEADER = 0
    PARAMETERS = 1
    STATE = 2
    PAYLOADS = 3


@dataclass(frozen=True, slots=True)
class FieldArgument:
    """What may follow a field's name: ``[...]``, or a dotted suffix where ``suffix`` is set.

    ``parse`` turns the text into what the extractor wants and raises ScapError for a text that cannot be one.
    """

    parse: Callable[[str], Any]
    required: bool
    form: str
    suffix: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """The declaration of a field.

    ``flags`` are upstream's (``FILTER_ONLY``, ``NO_TRANSFORMER``, ``NO_RHS``, ``DEPRECATED``, ...). ``argument_type``
    overrides type and print format where they depend on the argument. ``comparison`` names a rule of comparison of
    its own. ``memory`` makes what one use of the field remembers from batch to batch, and is given to ``extract`` as
    the argument; the same rows then need not give the same column again. ``source`` is the event source or plugin the
    field belongs to, for listings.
    """

    name: str
    type: ParamType
    description: str
    extract: Extract
    format: PrintFormat = PrintFormat.NA
    argument: FieldArgument | None = None
    argument_type: Callable[[Any], tuple[ParamType, PrintFormat]] | None = None
    is_list: bool = False
    flags: frozenset[str] = field(default_factory=frozenset)
    cost: Cost = Cost.HEADER
    comparison: str | None = None
    memory: Callable[[], Any] | None = None
    source: str = "syscall"
    presearch: Presearch | None = None


@dataclass(frozen=True, slots=True)
class BoundField:
    """A field with its argument, as a filter or a template uses it; ``name`` is as written."""

    name: str
    field: Field
    argument: Any
    type: ParamType
    format: PrintFormat

    @property
    def is_list(self) -> bool:
        """Whether the field has several values per event."""
        return self.field.is_list

    @property
    def remembers(self) -> bool:
        """Whether values depend on which events were asked about before."""
        return self.field.memory is not None

    @property
    def flags(self) -> frozenset[str]:
        """Upstream's flags of the field."""
        return self.field.flags

    @property
    def ordinal(self) -> int:
        """The cost class a filter orders its terms by."""
        return self.field.cost

    @property
    def comparison(self) -> str | None:
        """The field's own rule of comparison, None for the ordinary one."""
        return self.field.comparison

    @property
    def presearch(self) -> Presearch | None:
        """How the raw data behind the values can be searched, None where it cannot."""
        return self.field.presearch

    def column(self, batch: EventBatch, rows: Rows) -> Column:
        """The values of the given rows."""
        return self.field.extract(batch, rows, self.argument)
