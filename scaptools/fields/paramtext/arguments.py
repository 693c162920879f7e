"""Arguments: all parameters of an event in one text, ``name=plain(resolved)`` each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scaptools.columns import Coded, Texts
from scaptools.fields.paramtext.arrays import constant, enclosed, some_text
from scaptools.fields.paramtext.context import text_list
from scaptools.fields.paramtext.pooling import pooled_texts
from scaptools.fields.paramtext.renderers import param_text
from scaptools.fields.paramtext.repetition import find_repetition, runs
from scaptools.fields.paramtext.values import ParamValues
from scaptools.fields.paramtext.weave import Choice, Weave

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from scap_formats.table import Param
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
#: Up to so many events share the work with those of other types.
_FEW_EVENTS = 1024


class _Stored(NamedTuple):
    """The events of a table that have their first ``number`` parameters and no more, as its rows; None for all."""

    table: ParameterTable
    params: Sequence[Param]
    number: int
    rows: NDArray[np.intp] | None


class ParamPrinter:
    """Prints parameters of the events of a batch in one style."""

    def __init__(self, batch: EventBatch, style: TextStyle, context: ParameterContext) -> None:
        self._batch = batch
        self._style = style
        self._context = context

    def text(self, table: ParameterTable, index: int, *, newest: bool = False) -> ParamText:
        """Parameter ``index`` of all events of a table; ``newest`` reads it by the newest declaration."""
        event = table.declaration
        return param_text(self._values(table, index, event.params if newest else self._style.params_of(event)))

    def _values(
        self, table: ParameterTable, index: int, params: Sequence[Param], rows: NDArray[np.intp] | None = None
    ) -> ParamValues:
        """Parameter ``index`` of the events of a table at some of its rows, None for all."""
        param = params[index]
        dirfds = None
        if param.dirfd_param is not None:
            numbers = table.column(param.dirfd_param).numbers_as(
                np.dtype("<i8" if table.byteorder == "little" else ">i8")
            )
            dirfds = np.where(numbers.validity(), numbers.values, _WORKING_DIRECTORY)
        dialect = self._style.dialect_of(table.declaration)
        values = ParamValues(
            table.column(index), param, self._batch, table.rows, dialect, self._style, self._context, dirfds
        )
        return values if rows is None else values.take(rows)

    def arguments(self, tables: Iterable[tuple[NDArray[np.intp], ParameterTable]], count: int) -> pa.Array:
        """All parameters of the events of some tables, each with the rows it has in the result; others are empty."""
        weave, brackets = Weave(count), Brackets()
        few: list[tuple[NDArray[np.intp], _Stored]] = []
        for places, table in tables:
            for stored in self._stored(table):
                at = places if stored.rows is None else places[stored.rows]
                if len(at) <= _FEW_EVENTS:
                    few.append((at, stored))
                else:
                    weave.add(at, list(self._pieces(stored, brackets)))
        texts = iter(
            pooled_texts([self._value_of(stored, place) for _, stored in few for place in range(stored.number)])
        )
        for at, stored in few:
            weave.add(at, list(self._written(stored, range(stored.number), texts, brackets)))
        return weave.text()

    def _stored(self, table: ParameterTable) -> Iterator[_Stored]:
        """The events of a table that have a parameter, those with as many parameters together."""
        params = self._style.params_of(table.declaration)
        counts = np.minimum(table.counts, len(params))
        least, most = int(counts.min(initial=len(params))), int(counts.max(initial=0))
        for count in range(max(least, 1), most + 1):
            rows = None if least == most else np.flatnonzero(counts == count)
            if rows is None or len(rows):
                yield _Stored(table, params, count, rows)

    def _value_of(self, stored: _Stored, place: int, examples: NDArray[np.intp] | None = None) -> ParamValues:
        return self._values(stored.table, place, stored.params, stored.rows if examples is None else examples)

    def _pieces(self, stored: _Stored, brackets: Brackets) -> Iterator[Piece]:
        """The pieces of many events, a single one for parameters that repeat."""
        for places in runs(stored.params[: stored.number]):
            repetition = None
            if stored.rows is None and len(places) > 1:
                repetition = find_repetition([stored.table.column(place) for place in places])
            examples = None if repetition is None else repetition.examples
            texts = (param_text(self._value_of(stored, place, examples)) for place in places)
            pieces = self._written(stored, places, texts, brackets)
            if repetition is None:
                yield from pieces
            else:
                weave = Weave(len(repetition.examples))
                weave.add(np.arange(len(repetition.examples)), list(pieces))
                yield Coded(repetition.codes, Texts(weave.text()))

    def _written(
        self, stored: _Stored, places: range, texts: Iterator[ParamText], brackets: Brackets
    ) -> Iterator[Piece]:
        """The pieces of some parameters, one after the other; takes as many texts."""
        blank = self._style.dialect.trailing_blank
        for place in places:
            text = next(texts)
            end = b" " if blank or place + 1 < stored.number else b""
            yield from argument_pieces(stored.params[place].name.encode(), text.plain, text.resolved, end, brackets)


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
