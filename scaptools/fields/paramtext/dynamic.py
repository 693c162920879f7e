"""Dynamic parameters: a byte that says what follows, then a value of that kind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.table import event_table
from scaptools.columns import Coded, Texts, concat, scatter
from scaptools.fields.paramtext.context import as_texts
from scaptools.fields.paramtext.values import ParamText
from scaptools.fields.paramtext.weave import filled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from scap_formats.types import ParamType
    from scaptools.fields.paramtext.context import TextColumn
    from scaptools.fields.paramtext.values import ParamValues

_UNKNOWN_KIND = b"INVALID DYNAMIC PARAMETER"


def dynamic(values: ParamValues, renderers: Mapping[ParamType, Callable[[ParamValues], ParamText]]) -> ParamText:
    """DYN: the value as what its first byte says, in the print format of the whole parameter."""
    column = values.column
    choices = event_table().dynamic_tables.get(values.param.dynamic_table or "", ())
    stored = np.flatnonzero(column.lengths > 0)
    kinds = column.data[column.starts[stored]]
    inner = replace(column, starts=column.starts + 1, lengths=np.maximum(column.lengths - 1, 0))
    places: list[NDArray[np.intp]] = []
    texts: list[ParamText] = []
    for kind in np.unique(kinds).tolist():
        index = stored[kinds == kind]
        places.append(index)
        if kind >= len(choices):
            texts.append(ParamText(Coded(np.zeros(len(index), np.int8), Texts.of([_UNKNOWN_KIND]))))
            continue
        param = replace(values.param, type=choices[kind].type, dynamic_table=None)
        part = replace(values.take(index), param=param, column=replace(inner.take(index), type=param.type))
        text = renderers[param.type](part)
        missing = values.dialect.missing.get(param.type, values.dialect.missing_other)
        texts.append(ParamText(filled(text.plain, missing), text.resolved))
    plain = _spread([text.plain for text in texts], places, len(values))
    resolved = [(text.resolved, index) for text, index in zip(texts, places, strict=True) if text.resolved is not None]
    if not resolved:
        return ParamText(plain)
    return ParamText(plain, _spread([text for text, _ in resolved], [index for _, index in resolved], len(values)))


def _spread(columns: Sequence[TextColumn], places: Sequence[NDArray[np.intp]], count: int) -> TextColumn:
    if not columns:
        return Coded(np.full(count, -1, np.int8), Texts.of([]))
    return as_texts(scatter(concat(columns), np.concatenate(places), count))
