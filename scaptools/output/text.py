"""Text: columns of values as columns of text, by type and print format.

Each type has a renderer in one table; a type without one has no text, its values are missing. Renderers take whole
columns, and repeated values are rendered once. A number without a print format is printed like any other, where
upstream prints nothing.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scap_formats.types import FIXED_SIZES, STRING_TYPES, ParamType, PrintFormat
from scaptools import digits
from scaptools.columns import Coded, Column, Lists, Numbers, Texts, concatenated
from scaptools.fields.paramtext.addresses import address_text
from scaptools.fields.paramtext.buffers import buffer_text, rendered_once
from scaptools.fields.paramtext.distinct import distinct
from scaptools.fields.paramtext.printable import until_nul
from scaptools.fields.paramtext.style import DEFAULT_STYLE, TextStyle
from scaptools.fields.paramtext.weave import filled
from scaptools.output.binary import as_binary, as_text, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from scaptools.columns import Mask
    from scaptools.fields.paramtext.context import TextColumn

    #: From a column of values to as many texts.
    Renderer: TypeAlias = Callable[[Any, PrintFormat, TextStyle], TextColumn]

#: What a missing value looks like on a line, and inside a list.
MISSING = b"<NA>"
ADDRESS_TYPES = frozenset({ParamType.IPV4ADDR, ParamType.IPV6ADDR, ParamType.IPADDR})
INTEGER_TYPES = frozenset(FIXED_SIZES) - ADDRESS_TYPES - {ParamType.BOOL, ParamType.DOUBLE}
_PADDED_DIGITS = 9
#: How many numbers are looked at to guess whether they repeat.
_SAMPLE = 512
#: From here on a double may have no decimal digit left.
_EXACT_TENTHS = 1e14
_NEAR_TIE = 1e-3


def render(column: Column, type_: ParamType, format_: PrintFormat, style: TextStyle = DEFAULT_STYLE) -> TextColumn:
    """The text of each value of a column of ``n`` rows, missing where the value is or where its type has no text."""
    if isinstance(column, Lists):
        return _list(column, type_, format_, style)
    renderer = _RENDERERS.get(type_)
    if renderer is None:
        return Coded(np.full(len(column), -1), Texts.of([]))
    return per_value(column, lambda values: renderer(values, format_, style))


def per_value(column: Numbers | Texts | Coded, renderer: Callable[[Any], TextColumn]) -> TextColumn:
    """The text of a column by a function from plain columns to text; of a coded one each value is rendered once."""
    if not isinstance(column, Coded):
        return renderer(column)
    if len(column.values) > len(column):
        return renderer(column.expand())
    return Coded(column.codes, Texts(renderer(column.values).to_arrow()))


def with_validity(array: pa.Array, valid: Mask | None) -> pa.Array:
    """The same texts, missing where not ``valid``; None means that all are there."""
    return array if valid is None else pc.if_else(pa.array(valid), array, pa.scalar(None, array.type))


def fitted(texts: TextColumn, width: int) -> TextColumn:
    """Texts cut or filled up with blanks to ``width`` bytes; missing ones read ``<NA>`` first."""

    def fit(plain: Texts) -> Texts:
        return Texts(as_binary(pc.ascii_rpad(as_text(pc.binary_slice(plain.array, 0, width)), width, " ")))

    return per_value(filled(texts, MISSING), fit)


def _list(column: Lists, type_: ParamType, format_: PrintFormat, style: TextStyle) -> Texts:
    elements = render(column.values, type_, format_, style).to_arrow()
    if elements.null_count:
        elements = pc.fill_null(elements, pa.scalar(MISSING, elements.type))
    return Texts(joined_lists(column, elements, b"(", b",", b")"))


def joined_lists(column: Lists, elements: pa.Array, opening: bytes, separator: bytes, closing: bytes) -> pa.Array:
    """Each list of a column as one text, given the text of every element; missing lists are null."""
    lists = pa.LargeListArray.from_arrays(pa.array(column.offsets, pa.int64()), elements)
    inner = pc.binary_join(lists, pa.scalar(separator, elements.type))
    return with_validity(joined(opening, inner, closing), column.valid)


def _integer(bytes_: int, column: Numbers, format_: PrintFormat, _style: TextStyle) -> TextColumn:
    to_digits = partial(_FORMATS.get(format_, _decimal), bytes_)
    sample = column.values[:: max(1, len(column) // _SAMPLE)]
    if len(np.unique(sample)) * 2 > len(sample):
        # Hardly anything repeats.
        return Texts(with_validity(to_digits(column.values), column.valid))
    codes, found = distinct(column.values if column.valid is None else column.values[column.valid])
    if column.valid is not None:
        spread = np.full(len(column), -1, codes.dtype)
        spread[column.valid] = codes
        codes = spread
    return Coded(codes, Texts(to_digits(found)))


def _decimal(_bytes: int, values: NDArray[Any]) -> pa.Array:
    return digits.decimal(values)


def _hexadecimal(bytes_: int, values: NDArray[Any]) -> pa.Array:
    return digits.hexadecimal(_in_own_width(bytes_, values))


def _octal(bytes_: int, values: NDArray[Any]) -> pa.Array:
    return digits.octal(_in_own_width(bytes_, values))


def _in_own_width(bytes_: int, values: NDArray[Any]) -> NDArray[Any]:
    """Negative numbers in the width of their type, but at least 32 bits, as C prints them."""
    return values.astype(f"i{max(4, bytes_)}") if values.dtype.kind == "i" else values


def _padded(_bytes: int, values: NDArray[Any]) -> pa.Array:
    return digits.padded(values, _PADDED_DIGITS)


#: Print formats of integers; every other one is decimal.
_FORMATS: Mapping[PrintFormat, Callable[[int, NDArray[Any]], pa.Array]] = MappingProxyType(
    {PrintFormat.HEX: _hexadecimal, PrintFormat.OCT: _octal, PrintFormat.PADDED_DEC: _padded}
)


def _truth(column: Numbers, _format: PrintFormat, _style: TextStyle) -> Coded:
    codes = (column.values != 0).astype(np.int8)
    if column.valid is not None:
        codes[~column.valid] = -1
    return Coded(codes, _TRUTH_VALUES)


_TRUTH_VALUES = Texts.of([b"false", b"true"])


def _double(column: Numbers, _format: PrintFormat, _style: TextStyle) -> Texts:
    """One decimal, rounded as C does: by the exact value, half to even."""
    values = column.values.astype(np.float64, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        tenths = values * 10
        rounded = np.rint(tenths)
        # The product is rounded too: near a tie, and where it is huge or negative, the exact way decides.
        simple = ~np.signbit(values) & (tenths < _EXACT_TENTHS) & (np.abs(np.abs(tenths - rounded) - 0.5) > _NEAR_TIE)
    whole, tenth = np.divmod(np.where(simple, rounded, 0).astype(np.int64), 10)
    text = joined(digits.decimal(whole), b".", digits.decimal(tenth))
    others = np.flatnonzero(~simple)
    if len(others):
        exact = pa.array(values[others]).dictionary_encode()
        found = pa.array([b"%.1f" % value for value in exact.dictionary.to_pylist()], pa.binary())
        text = pc.replace_with_mask(text, pa.array(~simple), found.take(exact.indices))
    return Texts(with_validity(text, column.valid))


def _string(column: Texts, _format: PrintFormat, _style: TextStyle) -> Texts:
    content = np.frombuffer(concatenated(column.array), np.uint8)
    has_nul = len(content) > 0 and int(content.min()) == 0
    return Texts(until_nul(column.array)) if has_nul else column


def _buffer(column: Texts, _format: PrintFormat, style: TextStyle) -> TextColumn:
    return buffer_text(column.array, style)


def _address(column: Texts, _format: PrintFormat, _style: TextStyle) -> TextColumn:
    return rendered_once(column.array, address_text)


_RENDERERS: Mapping[ParamType, Renderer] = MappingProxyType(
    {type_: partial(_integer, FIXED_SIZES[type_]) for type_ in INTEGER_TYPES}
    | dict.fromkeys(STRING_TYPES, _string)
    | dict.fromkeys(ADDRESS_TYPES, _address)
    | {ParamType.BOOL: _truth, ParamType.DOUBLE: _double, ParamType.BYTEBUF: _buffer}
)
