"""Arguments: all parameters of an event in one text, ``name=plain(resolved)`` each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaptools.columns import Coded, Texts
from scaptools.fields.paramtext.arrays import constant, enclosed, some_text
from scaptools.fields.paramtext.context import text_list
from scaptools.fields.paramtext.renderers import param_text
from scaptools.fields.paramtext.values import ParamValues
from scaptools.fields.paramtext.weave import Choice, Weave

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.parameters import ParameterTable
    from scaptools.columns import Numbers
    from scaptools.fields.paramtext.context import ParameterContext, TextColumn
    from scaptools.fields.paramtext.style import TextStyle
    from scaptools.fields.paramtext.values import ParamText
    from scaptools.fields.paramtext.weave import Piece

#: A directory descriptor that cannot be read counts as the working directory.
_WORKING_DIRECTORY = -100
#: Up to this many texts are put together one by one.
_FEW_VALUES = 64


class ParamPrinter:
    """Prints parameters of the events of a batch in one style."""

    def __init__(self, batch: EventBatch, style: TextStyle, context: ParameterContext) -> None:
        self._batch = batch
        self._style = style
        self._context = context

    def text(self, table: ParameterTable, index: int, *, newest: bool = False) -> ParamText:
        """Parameter ``index`` of all events of a table; ``newest`` reads it by the newest declaration."""
        event = table.declaration
        param = event.params[index] if newest else self._style.params_of(event)[index]
        dirfds = None
        if param.dirfd_param is not None:
            numbers = table.column(param.dirfd_param).numbers_as(
                np.dtype("<i8" if table.byteorder == "little" else ">i8")
            )
            dirfds = np.where(numbers.validity(), numbers.values, _WORKING_DIRECTORY)
        return param_text(
            ParamValues(
                table.column(index),
                param,
                self._batch,
                table.rows,
                self._style.dialect_of(event),
                self._style,
                self._context,
                dirfds,
            )
        )

    def arguments(self, tables: Iterable[tuple[NDArray[np.intp], ParameterTable]], count: int) -> pa.Array:
        """All parameters of the events of some tables, each with the rows it has in the result; others are empty."""
        weave, brackets = Weave(count), Brackets()
        for places, table in tables:
            declared = len(self._style.params_of(table.declaration))
            counts = np.minimum(table.counts, declared)
            least, most = int(counts.min(initial=declared)), int(counts.max(initial=0))
            for stored in range(max(least, 1), most + 1):
                index = None if least == most else np.flatnonzero(counts == stored)
                if index is not None and not len(index):
                    continue
                pieces = list(self._pieces(table, stored, index, brackets))
                weave.add(places if index is None else places[index], pieces)
        return weave.text()

    def _pieces(
        self, table: ParameterTable, stored: int, index: NDArray[np.intp] | None, brackets: Brackets
    ) -> Iterator[Piece]:
        params = self._style.params_of(table.declaration)
        blank = self._style.dialect.trailing_blank
        for place in range(stored):
            text = self.text(table, place)
            plain, resolved = text.plain, text.resolved
            if index is not None:
                plain = plain.take(index)
                resolved = None if resolved is None else resolved.take(index)
            end = b" " if blank or place + 1 < stored else b""
            yield from argument_pieces(params[place].name.encode(), plain, resolved, end, brackets)


def argument_pieces(
    name: bytes, plain: TextColumn, resolved: TextColumn | None, end: bytes, brackets: Brackets
) -> Iterator[Piece]:
    """The pieces of one parameter; literals are put into columns of few values, which then are single pieces."""
    head = name + b"="
    if not isinstance(plain, Coded) or len(plain.values) * 2 > max(len(plain), _FEW_VALUES):
        yield head
        yield plain
        yield from brackets.pieces(resolved, end)
    elif resolved is None:
        yield _wrapped(plain, head, end)
    elif isinstance(resolved, Coded) and resolved.codes is plain.codes:
        values = zip(text_list(plain), text_list(resolved), strict=True)
        yield Choice(plain.codes, [head + one + (b"(" + why + b")" if why else b"") + end for one, why in values])
    else:
        yield _wrapped(plain, head, b"")
        yield from brackets.pieces(resolved, end)


def _wrapped(column: Coded, before: bytes, after: bytes) -> Piece:
    if len(column.values) > _FEW_VALUES:
        return Coded(column.codes, Texts(enclosed(before, column.values.to_arrow(), after)))
    return Choice(column.codes, [before + value + after for value in text_list(column)])


class Brackets:
    """Puts resolved texts into brackets; values that many parameters share are worked on once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bytes], tuple[Texts | Numbers, Texts]] = {}

    def pieces(self, resolved: TextColumn | None, end: bytes) -> Iterator[Piece]:
        """The texts in brackets where there are some, and ``end`` in any case."""
        if resolved is None:
            yield end
        elif isinstance(resolved, Coded):
            values = self._enclosed(resolved.values, end)
            yield Coded(np.where(resolved.codes < 0, len(values) - 1, resolved.codes), values)
        else:
            codes = some_text(resolved.array).view(np.int8)
            yield Choice(codes, [b"", b"("])
            yield resolved
            yield Choice(codes, [end, b")" + end])

    def _enclosed(self, values: Texts | Numbers, end: bytes) -> Texts:
        """Every value in brackets if it has text, and behind them what stands for a missing one."""
        known = self._known.get((id(values), end))
        if known is None:
            import pyarrow as pa
            import pyarrow.compute as pc

            array = values.to_arrow()
            some = pa.array(some_text(array))
            brackets = pc.if_else(some, enclosed(b"(", array, b")" + end), constant(end, array))
            texts = Texts(pa.concat_arrays([brackets, pa.array([end], array.type)]))
            # The values are kept so that their identity is not used again.
            known = self._known[id(values), end] = values, texts
        return known[1]
