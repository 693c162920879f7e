r"""Tables: chosen fields of events, tab-separated for programs or aligned for people.

Tab-separated values have ``\t``, ``\n``, ``\r`` and ``\\`` for those four characters, every other byte as it is, and
nothing at all for a missing value. On a terminal, control characters and bytes that are not UTF-8 read ``\xNN``, so
that no value can command it; a missing value is a dash.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from scaptools.columns import Coded, Texts, concatenated
from scaptools.fields.paramtext.style import DEFAULT_STYLE, TextStyle
from scaptools.fields.paramtext.weave import filled
from scaptools.output.assemble import Piece, assemble
from scaptools.output.binary import as_binary, as_text
from scaptools.output.escape import TAB_SEPARATED, TERMINAL
from scaptools.output.lines import field_text
from scaptools.output.renderer import ColumnRenderer, Gathered
from scaptools.output.text import INTEGER_TYPES, per_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scaptools.fields.paramtext.context import TextColumn
    from scaptools.output.renderer import Source
    from scaptools.output.template import DisplayField

_GAP = b"  "
_ABSENT = b"-"
#: Columns are not made wider than this many characters for the sake of their values.
_WIDEST = 60
#: Nor narrower than this to make room for others, and room for so many is left to the last one.
_NARROWEST = 12
_LAST_COLUMN = 20
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, slots=True)
class TabSeparated(ColumnRenderer):
    """Prints events as tab-separated values."""

    fields: Sequence[DisplayField]
    style: TextStyle = DEFAULT_STYLE

    def heading(self) -> bytes:
        """A line with the names of the fields, for those who want one."""
        return b"\t".join(_names(self.fields)) + b"\n"

    def sources(self) -> list[Source]:
        """The fields."""
        return [shown.column for shown in self.fields]

    def row_bytes(self) -> int:
        """The tabs and the newline."""
        return len(self.fields) + 1

    def pieces(self, gathered: Gathered) -> tuple[list[Piece], int]:
        """Escaped text between tabs."""
        pairs = zip(self.fields, gathered.columns, strict=True)
        cells = [TAB_SEPARATED.apply(field_text(column, shown, self.style)) for shown, column in pairs]
        return _separated(cells, b"\t"), gathered.count


@dataclass(slots=True)
class AlignedTable(ColumnRenderer):
    """Prints events as a table with the names of the fields above, numbers at the right of their column.

    The first events printed decide how wide the columns are. A later value that is wider pushes the rest of its line
    to the right, nothing is cut. Given a ``room`` of so many characters, the widest columns are narrowed until the last
    one begins within it, and text too long for its column ends in an ellipsis, except in the last. Widths count
    characters.
    """

    fields: Sequence[DisplayField]
    style: TextStyle = DEFAULT_STYLE
    room: int | None = None
    _widths: list[int] = field(default_factory=list, init=False)

    def sources(self) -> list[Source]:
        """The fields."""
        return [shown.column for shown in self.fields]

    def row_bytes(self) -> int:
        """What the widest table takes."""
        return len(self.fields) * (_WIDEST + len(_GAP)) + 1

    def print(self, gathered: Gathered) -> Iterator[memoryview]:
        """The lines of gathered events, the names of the fields above the first ones."""
        heading = not self._widths
        for portion in super(AlignedTable, self).print(gathered):
            if heading:
                names = self._aligned([Texts.of([name]) for name in _names(self.fields)])
                yield concatenated(assemble(names, 1))
                heading = False
            yield portion

    def pieces(self, gathered: Gathered) -> tuple[list[Piece], int]:
        """Visible text, filled up to the width of its column."""
        pairs = zip(self.fields, gathered.columns, strict=True)
        cells = [filled(TERMINAL.apply(field_text(column, shown, self.style)), _ABSENT) for shown, column in pairs]
        if not self._widths:
            measured = zip(self.fields, cells, strict=True)
            self._widths = [max(len(shown.name), min(_WIDEST, _longest(cell))) for shown, cell in measured]
            if self.room is not None:
                self._narrow(self.room)
        return self._aligned(cells), gathered.count

    def _narrow(self, room: int) -> None:
        """Take from the widest columns what the last one lacks; names stay whole."""
        spare = room - len(_GAP) * (len(self.fields) - 1) - min(self._widths[-1], _LAST_COLUMN)
        candidates = [place for place, shown in enumerate(self.fields[:-1]) if shown.type not in INTEGER_TYPES]
        while sum(self._widths[:-1]) > spare:
            wide = [
                place for place in candidates if self._widths[place] > max(len(self.fields[place].name), _NARROWEST)
            ]
            if not wide:
                return
            self._widths[max(wide, key=self._widths.__getitem__)] -= 1

    def _aligned(self, cells: Sequence[TextColumn]) -> list[Piece]:
        return _separated([per_value(cell, partial(self._fill, place)) for place, cell in enumerate(cells)], _GAP)

    def _fill(self, place: int, texts: Texts) -> Texts:
        numeric = self.fields[place].type in INTEGER_TYPES
        if place == len(self.fields) - 1 and not numeric:
            return texts
        width, text = self._widths[place], as_text(texts.array)
        if self.room is not None and not numeric:
            text = _shortened(text, width)
        pad = pc.utf8_lpad if numeric else pc.utf8_rpad
        return Texts(as_binary(pad(text, width, " ")))


def _shortened(text: pa.Array, width: int) -> pa.Array:
    """Text of at most so many characters, an ellipsis the last where some are missing."""
    long = pc.greater(pc.utf8_length(text), width)
    if not pc.any(long).as_py():
        return text
    beginning = pc.utf8_slice_codeunits(text, 0, width - len(_ELLIPSIS))
    ellipsis = pa.scalar(_ELLIPSIS, text.type)
    return pc.if_else(long, pc.binary_join_element_wise(beginning, ellipsis, pa.scalar("", text.type)), text)


def _separated(cells: Sequence[TextColumn], separator: bytes) -> list[Piece]:
    pieces: list[Piece] = []
    for cell in cells:
        pieces += [separator, cell] if pieces else [cell]
    return [*pieces, b"\n"]


def _names(fields: Sequence[DisplayField]) -> list[bytes]:
    return TERMINAL.array(Texts.of(shown.name.encode("utf-8", "surrogateescape") for shown in fields).array).to_pylist()  # type: ignore[no-any-return]


def _longest(text: TextColumn) -> int:
    """Characters of the longest value."""
    values = text.values.to_arrow() if isinstance(text, Coded) else text.array
    return pc.max(pc.utf8_length(as_text(values))).as_py() or 0
