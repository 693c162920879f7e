"""Lines: events printed by a template, one line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scaptools.columns import Texts
from scaptools.fields.paramtext.printable import without_unprintable
from scaptools.fields.paramtext.style import DEFAULT_STYLE, TextStyle
from scaptools.output.renderer import ColumnRenderer, Gathered
from scaptools.output.text import MISSING, fitted, per_value, render

if TYPE_CHECKING:
    from scaptools.columns import Column, Mask
    from scaptools.fields.paramtext.context import TextColumn
    from scaptools.output.assemble import Piece
    from scaptools.output.renderer import Source
    from scaptools.output.template import DisplayField, Template

#: Fields upstream's older generation prints without bytes outside printable ASCII.
_PRINTABLE_FIELDS = frozenset({"fd.name", "fd.directory", "fd.filename", "fd.containername", "fd.containerdirectory"})


@dataclass(frozen=True, slots=True)
class LineRenderer(ColumnRenderer):
    """Prints events by a template."""

    template: Template
    style: TextStyle = DEFAULT_STYLE

    def sources(self) -> list[Source]:
        """The fields of the template."""
        return [token.field.column for token in self.template.fields]

    def row_bytes(self) -> int:
        """Literals, widths and the newline."""
        return 1 + sum(len(token) if isinstance(token, bytes) else token.width for token in self.template.tokens)

    @property
    def missing(self) -> bytes:
        """What a missing value reads."""
        return MISSING

    def pieces(self, gathered: Gathered) -> tuple[list[Piece], int]:
        """Literals as they are, fields as text in their width."""
        pairs = zip(self.template.fields, gathered.columns, strict=True)
        texts, count = [field_text(column, token.field, self.style) for token, column in pairs], gathered.count
        if not self.template.keeps_missing:
            texts, count = complete_rows(texts, count)
        following = iter(texts)
        pieces: list[Piece] = []
        for token in self.template.tokens:
            if isinstance(token, bytes):
                pieces.append(token)
            else:
                text = next(following)
                pieces.append(fitted(text, token.width) if token.width else text)
        return [*pieces, b"\n"], count


def field_text(column: Column, field: DisplayField, style: TextStyle) -> TextColumn:
    """The text of a field's values, without what the style does not print of it; missing where there is no value."""
    text = render(column, field.type, field.format, style)
    if not style.dialect.printable_paths or field.name not in _PRINTABLE_FIELDS:
        return text
    return per_value(text, lambda texts: Texts(without_unprintable(texts.to_arrow())))


def complete_rows(texts: list[TextColumn], count: int) -> tuple[list[TextColumn], int]:
    """The columns without the rows in which one of them has no value, and how many rows are left."""
    complete: Mask | None = None
    for text in texts:
        present = _present(text)
        if present is not None:
            complete = present if complete is None else complete & present
    if complete is None or complete.all():
        return texts, count
    rows = np.flatnonzero(complete)
    return [text.take(rows) for text in texts], len(rows)


def _present(text: TextColumn) -> Mask | None:
    """Where there is a value, None for everywhere."""
    if isinstance(text, Texts):
        return text.validity() if text.array.null_count else None
    if isinstance(text.values, Texts) and not text.values.array.null_count and int(text.codes.min(initial=0)) >= 0:
        return None
    return text.validity()
