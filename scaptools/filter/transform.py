"""Transformers: functions from columns to columns that a filter may wrap around fields, one row of a table each.

A transformer first says what it makes of its arguments' types, then computes. What works value by value is applied to
the distinct values of a coded column and to the elements of a list column.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from scap_formats.types import ParamType
from scaptools.columns import Coded, Column, Lists, Numbers, Texts
from scaptools.filter.arrow import arrow, as_bytes, as_text, binary, kernels
from scaptools.filter.kinds import KINDS, Kind
from scaptools.filter.quoting import to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pyarrow as pa


class TransformError(ValueError):
    """A transformer that does not fit its arguments."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """The type of an argument or a result, with the text of the argument for error messages."""

    type: ParamType
    is_list: bool = False
    text: str = ""


#: From the arguments and the text in brackets after the call to the result's type; raises TransformError.
Rule: TypeAlias = "Callable[[Transformer, tuple[Shaped, ...], str | None], Shaped]"
#: From the arguments' columns and the text in brackets to the result.
Apply: TypeAlias = "Callable[[tuple[Column, ...], str | None], Column]"


@dataclass(frozen=True, slots=True)
class Transformer:
    """One transformer."""

    name: str
    rule: Rule
    apply: Apply
    takes_argument: bool = False

    def result(self, arguments: tuple[Shaped, ...], argument: str | None) -> Shaped:
        """The type of the result; raises TransformError."""
        if argument is not None and not self.takes_argument:
            raise TransformError(f"'{self.name}' takes no argument in brackets")
        return self.rule(self, arguments, argument)


# rules


def _unsupported(transformer: Transformer, argument: Shaped) -> TransformError:
    return TransformError(
        f"can't add field transformer: type '{argument.type.name}' is not supported by '{transformer.name}' "
        f"transformer applied on field '{argument.text}'"
    )


def _only(transformer: Transformer, arguments: tuple[Shaped, ...]) -> Shaped:
    if len(arguments) != 1:
        raise TransformError(f"'{transformer.name}' takes one argument, not {len(arguments)}")
    return arguments[0]


def _text_to_text(transformer: Transformer, arguments: tuple[Shaped, ...], _: str | None) -> Shaped:
    argument = _only(transformer, arguments)
    if KINDS[argument.type] is not Kind.TEXT:
        raise _unsupported(transformer, argument)
    return Shaped(argument.type, argument.is_list)


def _bytes_to_bytes(transformer: Transformer, arguments: tuple[Shaped, ...], _: str | None) -> Shaped:
    argument = _only(transformer, arguments)
    if KINDS[argument.type] not in {Kind.TEXT, Kind.BUFFER}:
        raise _unsupported(transformer, argument)
    return Shaped(argument.type, argument.is_list)


def _size(transformer: Transformer, arguments: tuple[Shaped, ...], _: str | None) -> Shaped:
    argument = _only(transformer, arguments)
    if not argument.is_list and KINDS[argument.type] not in {Kind.TEXT, Kind.BUFFER}:
        raise _unsupported(transformer, argument)
    return Shaped(ParamType.UINT64)


def _joined(_: Transformer, arguments: tuple[Shaped, ...], __: str | None) -> Shaped:
    if len(arguments) != 2:
        raise TransformError(f"join() takes a separator and a list, not {len(arguments)} arguments")
    separator, items = arguments
    if separator.is_list or KINDS[separator.type] is not Kind.TEXT:
        raise TransformError("join() first argument must be a string")
    if not items.is_list:
        raise TransformError("join() second argument must be a list")
    if KINDS[items.type] not in {Kind.TEXT, Kind.NUMBER}:
        raise TransformError(f"join() joins texts and numbers, not values of type {items.type.name}")
    return Shaped(ParamType.CHARBUF)


def _concatenated(_: Transformer, arguments: tuple[Shaped, ...], __: str | None) -> Shaped:
    if len(arguments) < 2:
        raise TransformError("concat() takes at least two arguments")
    if any(argument.is_list or KINDS[argument.type] is not Kind.TEXT for argument in arguments):
        raise TransformError("concat() arguments must be strings")
    return Shaped(ParamType.CHARBUF)


def _options(_: Transformer, arguments: tuple[Shaped, ...], argument: str | None) -> Shaped:
    if len(arguments) != 2:
        raise TransformError(f"getopt() takes a list and the option letters, not {len(arguments)} arguments")
    words, letters = arguments
    if not words.is_list or KINDS[words.type] is not Kind.TEXT:
        raise TransformError("getopt() first argument must be a list")
    if letters.is_list or KINDS[letters.type] is not Kind.TEXT:
        raise TransformError("getopt() second argument must be a string")
    if argument is not None and len(argument) != 1:
        raise TransformError(f"getopt() takes one option letter in brackets, not '{argument}'")
    return Shaped(ParamType.CHARBUF, argument is None)


# computations


def text_array(column: Column) -> pa.Array:
    """The column as one Arrow binary array, numbers in decimal."""
    if isinstance(column, Coded):
        column = column.expand()
    if isinstance(column, Numbers):
        return as_bytes(column.to_arrow().cast(arrow().string()))
    return column.to_arrow()


def interleaved(columns: Sequence[Column], count: int) -> Lists:
    """A list per row with one element of each column, as texts; ``count`` is the number of rows."""
    pa = arrow()
    width = len(columns)
    arrays = [array.cast(pa.large_binary()) for array in map(text_array, columns)]
    values = pa.concat_arrays(arrays) if arrays else pa.array([], pa.large_binary())
    order = np.arange(width)[None, :] * count + np.arange(count)[:, None]
    return Lists(np.arange(count + 1, dtype=np.int64) * width, Texts(values.take(pa.array(order.ravel()))))


def _each(function: Callable[[pa.Array], pa.Array | Numbers], column: Column) -> Column:
    """Apply a function of texts to the values of a column, keeping its form."""
    if isinstance(column, Coded):
        return Coded(column.codes, _each_value(function, column.values))
    if isinstance(column, Lists):
        return Lists(column.offsets, _each_value(function, column.values), column.valid)
    return _each_value(function, column)


def _each_value(function: Callable[[pa.Array], pa.Array | Numbers], values: Numbers | Texts) -> Numbers | Texts:
    if isinstance(values, Numbers):
        raise TypeError("a transformer of texts met a column of numbers")
    result = function(values.to_arrow())
    return result if isinstance(result, Numbers) else Texts(result)


def _per_text(kernel: str) -> Apply:
    def convert(array: pa.Array) -> pa.Array:
        return as_bytes(getattr(kernels(), kernel)(as_text(array)))

    return lambda columns, _: _each(convert, columns[0])


def _basename(columns: tuple[Column, ...], _: str | None) -> Column:
    return _each(lambda array: kernels().replace_substring_regex(array, r"(?s)\A.*/", ""), columns[0])


def _length(columns: tuple[Column, ...], _: str | None) -> Column:
    column = columns[0]
    if isinstance(column, Lists):
        return Numbers(np.diff(column.offsets).astype(np.uint64), column.valid)
    return _each(_byte_lengths, column)


def _byte_lengths(array: pa.Array) -> Numbers:
    lengths = kernels().binary_length(array)
    missing = bool(lengths.null_count)
    valid = np.asarray(lengths.is_valid().to_numpy(zero_copy_only=False)) if missing else None
    return Numbers(lengths.fill_null(0).to_numpy(zero_copy_only=False).astype(np.uint64), valid)


def _decoded(columns: tuple[Column, ...], _: str | None) -> Column:
    return _each(_decode_array, columns[0])


def _decode_array(array: pa.Array) -> pa.Array:
    distinct = array.dictionary_encode()
    return binary([decode_base64(value) for value in distinct.dictionary.to_pylist()]).take(distinct.indices)


def decode_base64(text: bytes | None) -> bytes | None:
    """The bytes a text of the standard alphabet stands for, with or without padding; None for any other text.

    Bits left over in the last character have to be zero.
    """
    if text is None:
        return None
    bare = text.rstrip(b"=")
    padding = -len(bare) % 4
    if len(text) - len(bare) not in {0, padding}:
        return None
    try:
        decoded = binascii.a2b_base64(bare + b"=" * padding, strict_mode=True)
    except binascii.Error:
        return None
    return decoded if binascii.b2a_base64(decoded, newline=False).rstrip(b"=") == bare else None


def _join(columns: tuple[Column, ...], _: str | None) -> Column:
    separator, items = columns
    if not isinstance(items, Lists):
        raise TypeError("join() met a column that holds no lists")
    pa = arrow()
    values = text_array(items.values).cast(pa.large_binary())
    mask = None if items.valid is None else pa.array(~items.valid)
    lists = pa.LargeListArray.from_arrays(pa.array(items.offsets), values, mask=mask)
    return Texts(kernels().binary_join(lists, text_array(separator).cast(pa.large_binary())))


def _concat(columns: tuple[Column, ...], _: str | None) -> Column:
    pa = arrow()
    arrays = [text_array(column).cast(pa.large_binary()) for column in columns]
    return Texts(kernels().binary_join_element_wise(*arrays, pa.scalar(b"", pa.large_binary())))


def _getopt(columns: tuple[Column, ...], argument: str | None) -> Column:
    words, letters = columns
    known: dict[tuple[Any, bytes], tuple[tuple[bytes, bytes | None], ...] | None] = {}
    parsed: list[tuple[tuple[bytes, bytes | None], ...] | None] = []
    rows = zip(words.to_arrow().to_pylist(), text_array(letters).to_pylist(), strict=True)
    for row, accepted in rows:
        if row is None or accepted is None:
            parsed.append(None)
            continue
        key = (tuple(row), accepted)
        if key not in known:
            known[key] = tuple(options(row, accepted))
        parsed.append(known[key])
    return _option_lists(parsed) if argument is None else _option_values(parsed, to_bytes(argument))


def _option_values(parsed: Sequence[Any], letter: bytes) -> Column:
    """The value of the last option called ``letter`` in every row."""
    found = [
        next((option if value is None else value for option, value in reversed(row or ()) if option == letter), None)
        for row in parsed
    ]
    return Texts(binary(found))


def _option_lists(parsed: Sequence[Any]) -> Column:
    """Letters and values of every row, in order."""
    flat = [[part for option, value in row or () for part in (option, value) if part is not None] for row in parsed]
    offsets = np.cumsum([0, *map(len, flat)], dtype=np.int64)
    valid = np.fromiter((row is not None for row in parsed), bool, len(parsed))
    return Lists(offsets, Texts(binary([part for row in flat for part in row])), valid)


def options(words: Sequence[bytes | None], accepted: bytes) -> Iterable[tuple[bytes, bytes | None]]:
    """Options and their values as ``getopt(3)`` finds them without permuting: None where an option takes no value.

    A letter followed by ``:`` takes the rest of its word or the next word, empty when there is none; followed by
    ``::`` only the rest of its word. Unknown letters come out as ``?``. Long options are skipped.
    """
    rest = iter(words)
    for word in rest:
        if word is None or word in {b"--", b"-"} or not word.startswith(b"-"):
            return
        if word.startswith(b"--"):
            continue
        for index in range(1, len(word)):
            letter = word[index : index + 1]
            at = -1 if letter == b":" else accepted.find(letter)
            if at < 0:
                yield b"?", None
            elif accepted[at + 1 : at + 2] != b":":
                yield letter, None
            else:
                value = word[index + 1 :]
                if not value and accepted[at + 2 : at + 3] != b":":
                    value = next(rest, None) or b""
                yield letter, value
                break


TRANSFORMERS: Mapping[str, Transformer] = MappingProxyType(
    {
        transformer.name: transformer
        for transformer in (
            Transformer("tolower", _text_to_text, _per_text("ascii_lower")),
            Transformer("toupper", _text_to_text, _per_text("ascii_upper")),
            Transformer("b64", _bytes_to_bytes, _decoded),
            Transformer("basename", _text_to_text, _basename),
            Transformer("len", _size, _length),
            Transformer("join", _joined, _join),
            Transformer("concat", _concatenated, _concat),
            Transformer("getopt", _options, _getopt, takes_argument=True),
        )
    }
)
