"""Pooling: parameters of few events each are rendered together with others of their kind.

To set up a rendering takes as long as some thousand values of it, and most event types of a batch have fewer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scaptools.fields.paramtext.renderers import param_text
from scaptools.fields.paramtext.values import ParamText

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from scaptools.fields.paramtext.values import ParamValues


def pooled_texts(parameters: Sequence[ParamValues]) -> list[ParamText]:
    """What `param_text` makes of each of some parameters of one batch, in one style and context."""
    kinds: dict[Hashable, list[int]] = {}
    for place, values in enumerate(parameters):
        kinds.setdefault(_kind(values), []).append(place)
    found: dict[int, ParamText] = {}
    for places in kinds.values():
        text = param_text(_together([parameters[place] for place in places]))
        end = 0
        for place in places:
            rows = slice(end, end := end + len(parameters[place]))
            resolved = None if text.resolved is None else text.resolved.take(rows)
            found[place] = ParamText(text.plain.take(rows), resolved)
    return [found[place] for place in range(len(parameters))]


def _kind(values: ParamValues) -> Hashable:
    """Everything a text depends on but the bytes and the rows."""
    param, column = values.param, values.column
    declared = param.type, param.format, param.flags_table, param.dynamic_table
    return declared, column.type, column.byteorder, values.dialect, values.dirfds is None


def _together(parameters: Sequence[ParamValues]) -> ParamValues:
    """Parameters of one kind, one behind the other."""
    first = parameters[0]
    if len(parameters) == 1:
        return first
    dirfds = [each.dirfds for each in parameters if each.dirfds is not None]
    column = replace(
        first.column,
        starts=np.concatenate([each.column.starts for each in parameters]),
        lengths=np.concatenate([each.column.lengths for each in parameters]),
        present=np.concatenate([each.column.present for each in parameters]),
    )
    rows = np.concatenate([each.rows for each in parameters])
    return replace(first, column=column, rows=rows, dirfds=np.concatenate(dirfds) if dirfds else None)
