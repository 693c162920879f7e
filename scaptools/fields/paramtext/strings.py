"""Strings: NUL-terminated parameters, paths among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaptools.columns import Texts, scatter
from scaptools.fields.paramtext.arrays import extents
from scaptools.fields.paramtext.context import as_texts
from scaptools.fields.paramtext.printable import until_nul, without_unprintable
from scaptools.fields.paramtext.values import ParamText

if TYPE_CHECKING:
    import pyarrow as pa

    from scaptools.fields.paramtext.context import TextColumn
    from scaptools.fields.paramtext.values import ParamValues

#: How older drivers wrote a path they could not read; the first bytes are enough to know it.
_UNKNOWN_PATH = b"<NA>"
_SLASH = ord("/")


def string(values: ParamValues) -> ParamText:
    """CHARBUF: the text as it is."""
    return ParamText(Texts(until_nul(values.column.strings().array)))


def path(values: ParamValues) -> ParamText:
    """FSPATH, FSRELPATH: the path as it was given, and the absolute one it stands for."""
    raw = until_nul(values.column.strings().array)
    plain = without_unprintable(raw) if values.dialect.printable_paths else raw
    return ParamText(Texts(plain), _absolute(values, raw))


def _absolute(values: ParamValues, raw: pa.Array) -> TextColumn | None:
    """What the context makes of the paths that are not absolute already."""
    import pyarrow as pa
    import pyarrow.compute as pc

    starts, lengths, content = extents(raw)
    relative = lengths > 0
    given = np.flatnonzero(relative)
    relative[given] = content[starts[given]] != _SLASH
    if values.dialect.empty_is_base:
        relative |= Texts(raw).validity() & (lengths == 0)
    asked = np.flatnonzero(relative)
    if not len(asked):
        return None
    paths = raw.take(pa.array(asked))
    unknown = np.asarray(pc.starts_with(paths, _UNKNOWN_PATH))
    if unknown.any():
        asked = asked[~unknown]
        paths = raw.take(pa.array(asked))
    dirfds = None if values.dirfds is None else values.dirfds[asked]
    found = values.context.absolute_path(values.batch, values.rows[asked], Texts(paths), dirfds)
    if found is None:
        return None
    return as_texts(scatter(found, asked, len(values)))
