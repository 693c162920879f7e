"""Assembling: literals and columns of text side by side, joined row by row into one text each.

Joining costs about 10 ns for every literal and every column of a row, copying the bytes next to nothing. So the
number of things to join is reduced first:

- literals next to a coded column become part of its distinct values;
- neighbouring coded columns become one, where few of the possible pairs of values occur;
- columns whose texts all have one length (times, mostly) and the literals next to them are copied into one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaptools.columns import Coded, Texts, concatenated
from scaptools.digits import fixed_width
from scaptools.fields.paramtext.arrays import extents
from scaptools.output import binary

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A literal, or a column of text; the values of a `Coded` one are `Texts`.
Piece: TypeAlias = bytes | Texts | Coded

#: Tables of this many pairs of values are cheap whatever the number of rows.
_SMALL_TABLE = 4096
#: Larger ones are worth a look up to so many pairs for every row.
_PAIRS_PER_ROW = 4
#: A pair of values has to stand for so many rows to be worth joining beforehand.
_ROWS_PER_PAIR = 16
#: Longer texts than this are cheaper to join than to copy.
_SHORT_TEXT = 64
#: With so many columns it pays to give the literal between them as the separator.
_MANY_COLUMNS = 4
#: Rows joined at a time.
_PORTION_ROWS = 32_768


def assemble(pieces: list[Piece], count: int, *, missing: bytes = b"") -> pa.Array:
    """The pieces of each row joined: a binary array of ``count`` values without nulls.

    ``missing`` stands for a missing value.
    """
    return _joined(_parts(pieces, count, missing), count, missing)


def assemble_portions(pieces: list[Piece], count: int, *, missing: bytes = b"") -> Iterator[pa.Array]:
    """The same in portions of rows, which are joined faster, as they leave the processor's cache once only."""
    parts = _parts(pieces, count, missing)
    for start in range(0, count, _PORTION_ROWS):
        rows = min(_PORTION_ROWS, count - start)
        yield _joined([part if isinstance(part, bytes) else part.slice(start, rows) for part in parts], rows, missing)


def _parts(pieces: list[Piece], count: int, missing: bytes) -> list[bytes | pa.Array]:
    """What is left to be joined."""
    settled = [part for piece in pieces for part in _settled(piece, count, missing)]
    parts = _absorbed(_fused(settled, count), count)
    total = sum(_most_bytes(part, count, missing) for part in parts)
    return [_plain(part, total) for part in parts]


def _settled(piece: Piece, count: int, missing: bytes) -> list[Piece]:
    """A piece without missing codes, as a literal where it is one; nothing for an empty literal."""
    if isinstance(piece, bytes):
        return [piece] if piece else []
    if isinstance(piece, Texts):
        return [piece]
    texts = piece.values.to_arrow()
    if len(texts) > count:
        return [Texts(piece.expand().to_arrow())]
    codes = piece.codes
    lowest = int(codes.min(initial=0))
    if lowest < 0:
        codes = np.where(codes < 0, len(texts), codes)
        texts = pa.concat_arrays([texts, pa.array([missing], texts.type)])
    if texts.null_count:
        texts = pc.fill_null(texts, pa.scalar(missing, texts.type))
    if len(texts) == 1:
        return [texts[0].as_py()]
    return [Coded(codes, Texts(texts))]


def _fused(pieces: list[Piece], count: int) -> list[Piece]:
    """Literals taken into coded columns, and coded columns into each other."""
    result: list[Piece] = []
    for piece in pieces:
        fused = _fuse(result[-1], piece, count) if result else None
        if fused is None:
            result.append(piece)
        else:
            result[-1] = fused
    return result


def _fuse(left: Piece, right: Piece, count: int) -> bytes | Coded | None:
    """Two neighbours as one, None where that is impossible or would not be cheaper."""
    if isinstance(left, bytes) and isinstance(right, bytes):
        return left + right
    if isinstance(left, bytes) and isinstance(right, Coded):
        return Coded(right.codes, Texts(binary.joined(left, right.values.to_arrow())))
    if isinstance(left, Coded) and isinstance(right, bytes):
        return Coded(left.codes, Texts(binary.joined(left.values.to_arrow(), right)))
    if isinstance(left, Coded) and isinstance(right, Coded):
        return _fuse_codes(left, right, count)
    return None


def _fuse_codes(left: Coded, right: Coded, count: int) -> Coded | None:
    width = len(right.values)
    table_size = len(left.values) * width
    if table_size > max(_SMALL_TABLE, _PAIRS_PER_ROW * count):
        return None
    pairs = left.codes.astype(np.int32) * np.int32(width) + right.codes
    present = np.zeros(table_size, bool)
    present[pairs] = True
    found = np.flatnonzero(present)
    if len(found) * _ROWS_PER_PAIR > max(_SMALL_TABLE, count):
        return None
    codes = np.zeros(table_size, np.int32)
    codes[found] = np.arange(len(found), dtype=np.int32)
    lefts = left.values.to_arrow().take(pa.array(found // width))
    rights = right.values.to_arrow().take(pa.array(found % width))
    return Coded(codes[pairs], Texts(binary.joined(lefts, rights)))


def _absorbed(pieces: list[Piece], count: int) -> list[Piece]:
    """Neighbouring literals and texts that all have one length copied into one column of such texts."""
    result: list[Piece] = []
    together: list[tuple[int, Piece]] = []
    for piece in [*pieces, None]:
        width = len(piece) if isinstance(piece, bytes) else _only_length(piece) if isinstance(piece, Texts) else None
        if piece is not None and width is not None:
            together.append((width, piece))
            continue
        result += _side_by_side(together, count)
        together = []
        if piece is not None:
            result.append(piece)
    return result


def _only_length(texts: Texts) -> int | None:
    """The length all texts have, None where it is not one short length or some are missing."""
    array = texts.array
    if not len(array) or array.null_count:
        return None
    width, rest = divmod(binary.size(array), len(array))
    if rest or not 0 < width <= _SHORT_TEXT or len(array[0].as_buffer()) != width:
        return None
    _, lengths, _ = extents(array)
    return width if bool((lengths == width).all()) else None


def _side_by_side(pieces: list[tuple[int, Piece]], count: int) -> list[Piece]:
    """Literals and texts of one length each, given with it, as one column; literals alone stay what they are."""
    if len(pieces) < 2 or all(isinstance(piece, bytes) for _, piece in pieces):
        return [piece for _, piece in pieces]
    # Copying one record a row is much faster than copying its bytes one by one.
    rows = np.empty(count, [(f"f{index}", f"V{width}") for index, (width, _) in enumerate(pieces)])
    for index, (width, piece) in enumerate(pieces):
        if isinstance(piece, bytes):
            rows[f"f{index}"] = np.void(piece)
        elif isinstance(piece, Texts):
            rows[f"f{index}"] = np.frombuffer(concatenated(piece.array), f"V{width}")
    return [Texts(fixed_width(rows.view(np.uint8).reshape(count, rows.itemsize)))]


def _most_bytes(piece: Piece, count: int, missing: bytes) -> int:
    """An upper bound of the bytes a piece adds to all rows."""
    if isinstance(piece, bytes):
        return len(piece) * count
    if isinstance(piece, Texts):
        return binary.size(piece.array) + int(piece.array.null_count) * len(missing)
    _, lengths, _ = extents(piece.values.to_arrow())
    return int(lengths.max(initial=0)) * count


def _plain(piece: Piece, total: int) -> bytes | pa.Array:
    """A literal as it is, a column as an array that may hold ``total`` bytes."""
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, Texts):
        return binary.roomy(piece.array, total)
    return binary.roomy(piece.values.to_arrow(), total).take(pa.array(piece.codes))


def _joined(parts: list[bytes | pa.Array], count: int, missing: bytes) -> pa.Array:
    columns = [part for part in parts if not isinstance(part, bytes)]
    if not columns:
        literal = b"".join(part for part in parts if isinstance(part, bytes))
        return fixed_width(np.tile(np.frombuffer(literal, np.uint8), (count, 1)))
    first, *gaps, last = _literals_around(parts)
    if len(columns) >= _MANY_COLUMNS and len(set(gaps)) == 1:
        inner = binary.joined(*columns, separator=gaps[0], missing=missing)
        return binary.joined(*(part for part in (first, inner, last) if not isinstance(part, bytes) or part))
    return binary.joined(*parts, missing=missing)


def _literals_around(parts: list[bytes | pa.Array]) -> list[bytes]:
    """The literal before each column and that after the last one."""
    literals = [b""]
    for part in parts:
        if isinstance(part, bytes):
            literals[-1] += part
        else:
            literals.append(b"")
    return literals
