"""Parameters written by hand, for the tests of their text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from scap_formats.table import Param
from scap_formats.types import ParamType, PrintFormat
from scaptools.capture.parameters import ParameterColumn
from scaptools.fields.paramtext import CLASSIC, DEFAULT_STYLE, STATELESS, ParamText, ParamValues, TextStyle, param_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.paramtext import Dialect, ParameterContext

#: Bytes around the parameters that must never show.
_NOISE = b"\xee" * 24


def values_of(
    type_: ParamType,
    raws: Sequence[bytes | None],
    format_: PrintFormat = PrintFormat.DEC,
    *,
    flags_table: str | None = None,
    dynamic_table: str | None = None,
    dialect: Dialect = CLASSIC,
    style: TextStyle = DEFAULT_STYLE,
    context: ParameterContext = STATELESS,
    dirfds: Sequence[int] | None = None,
    byteorder: Any = "little",
) -> ParamValues:
    """A parameter of as many events as there are raw values, None for an event that does not have it."""
    stored = [raw or b"" for raw in raws]
    lengths = np.array([len(raw) for raw in stored], np.int64)
    starts = len(_NOISE) + np.cumsum(lengths) - lengths
    data = np.frombuffer(_NOISE + b"".join(stored) + _NOISE, np.uint8)
    present = np.array([raw is not None for raw in raws], bool)
    column = ParameterColumn(data, starts, lengths, present, type_, byteorder)
    param = Param("x", type_, format_, flags_table, dynamic_table)
    rows = np.arange(len(raws))
    directories = None if dirfds is None else np.array(dirfds, np.int64)
    return ParamValues(column, param, cast("EventBatch", None), rows, dialect, style, context, directories)


def pairs(text: ParamText) -> list[tuple[bytes | None, bytes]]:
    """Plain and resolved text of each event, nothing resolved as empty."""
    plain = text.plain.to_arrow().to_pylist()
    resolved = [None] * len(plain) if text.resolved is None else text.resolved.to_arrow().to_pylist()
    return [(one, other or b"") for one, other in zip(plain, resolved, strict=True)]


def texts(type_: ParamType, raws: Sequence[bytes | None], *arguments: Any, **options: Any) -> list[tuple[Any, bytes]]:
    """Plain and resolved text of parameters of a type."""
    return pairs(param_text(values_of(type_, raws, *arguments, **options)))
