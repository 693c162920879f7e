"""Numbers: fixed-size parameters as digits, and the words that explain them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.types import ParamType, PrintFormat
from scaptools import digits
from scaptools.columns import Coded, Texts, where
from scaptools.fields.paramtext.arrays import enclosed
from scaptools.fields.paramtext.clock import Clock
from scaptools.fields.paramtext.context import as_texts
from scaptools.fields.paramtext.distinct import distinct
from scaptools.fields.paramtext.names import (
    ERRORS,
    NEGATIVE_FDS,
    SIGNALS,
    UNKNOWN_SYSCALL,
    enum_name,
    flag_names,
    syscall_names,
)
from scaptools.fields.paramtext.printable import printable_text
from scaptools.fields.paramtext.values import ParamText

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.columns import Numbers
    from scaptools.fields.paramtext.context import TextColumn
    from scaptools.fields.paramtext.values import ParamValues

#: A RELTIME that stands for no time limit.
NO_TIME = 2**64 - 1
#: A user or group that stands for nobody.
NOBODY = 2**32 - 1
_STAMP = Clock("d t.n z")
_NANOSECONDS = 1_000_000_000
_PADDED_DIGITS = 9
#: Up to this many numbers are rendered one by one, which takes less time than to set up anything else.
_FEW_VALUES = 64
#: Wide unsigned values are printed as if they were signed.
_PRINTED_SIGNED = frozenset({ParamType.UINT32, ParamType.UINT64})


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a number becomes text; ``one`` gives None where there is nothing to say.

    ``many`` does the same for integers of shape ``(n,)`` in native byte order, as an Arrow array; renderings without
    it go through the numbers one by one.
    """

    one: Callable[[int], bytes | None]
    many: Callable[[NDArray[Any]], pa.Array] | None = None

    def texts(self, values: NDArray[Any]) -> Texts:
        """The text of each value."""
        if self.many is None or len(values) <= _FEW_VALUES:
            return Texts.of(map(self.one, values.tolist()))
        return Texts(self.many(values))


def render_numbers(numbers: Numbers, plain: Rendering, resolved: Rendering | None = None) -> ParamText:
    """Text of a column of numbers, each distinct one rendered once."""
    values = numbers.values if numbers.valid is None else numbers.values[numbers.valid]
    codes, found = distinct(values)
    if numbers.valid is None and len(found) * 2 > len(codes) > _FEW_VALUES:
        # Hardly anything repeats.
        native = values.astype(values.dtype.newbyteorder("="), copy=False)
        return ParamText(plain.texts(native), None if resolved is None else resolved.texts(native))
    if numbers.valid is not None:
        spread = np.full(len(numbers), -1, np.intp)
        spread[numbers.valid] = codes
        codes = spread
    return ParamText(
        Coded(codes, plain.texts(found)), None if resolved is None else Coded(codes, resolved.texts(found))
    )


# Digits -------------------------------------------------------------------------------------------------------------


def _decimal_digits(value: int) -> bytes:
    return b"%d" % value


_DECIMAL = Rendering(_decimal_digits, digits.decimal)


def _octal_digits(value: int) -> bytes:
    return b"0%o" % value if value else b"0"


def _octal_many(values: NDArray[Any]) -> pa.Array:
    """Octal digits after a 0; zero is one digit."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = digits.octal(values)
    return pc.if_else(pa.array(values == 0), text, enclosed(b"0", text, b""))


@cache
def _integer_rendering(type_: ParamType, format_: PrintFormat) -> Rendering:
    bits = 8 * (type_.size or 8)
    if format_ is PrintFormat.HEX:
        # Narrow signed values are widened to 32 bits first.
        width = max(bits, 32) if type_.signed else bits
        widened = np.dtype(f"i{width // 8}") if type_.signed else np.dtype(f"u{width // 8}")
        return Rendering(
            lambda value: b"%X" % (value % 2**width), lambda values: digits.hexadecimal(values.astype(widened))
        )
    if format_ is PrintFormat.OCT:
        return Rendering(lambda value: _octal_digits(value % 2**bits), _octal_many)
    if format_ is PrintFormat.PADDED_DEC:
        return Rendering(
            lambda value: b"%0*d" % (_PADDED_DIGITS, value), lambda values: digits.padded(values, _PADDED_DIGITS)
        )
    if type_ in _PRINTED_SIGNED:
        return Rendering(
            lambda value: b"%d" % (value - 2**bits if value >= 2 ** (bits - 1) else value),
            lambda values: digits.decimal(values.view(f"i{values.dtype.itemsize}")),
        )
    return _DECIMAL


def integer(values: ParamValues) -> ParamText:
    """Integers in the declared print format."""
    return render_numbers(values.numbers, _integer_rendering(values.param.type, values.param.format))


# Names --------------------------------------------------------------------------------------------------------------


_ERROR_NAMES = Rendering(lambda value: ERRORS.get(-value))
_FD_NAMES = Rendering(NEGATIVE_FDS.get)
_SIGNAL_NAMES = Rendering(SIGNALS.get)


def result(values: ParamValues) -> ParamText:
    """ERRNO: a negative value is an error."""
    return render_numbers(values.numbers, _DECIMAL, _ERROR_NAMES)


def _asked(values: ParamValues, dtype: type[Any]) -> NDArray[Any]:
    """The numbers to ask a context about, 0 where there is none."""
    numbers = values.numbers
    known = numbers.values if numbers.valid is None else np.where(numbers.valid, numbers.values, 0)
    return known.astype(dtype, copy=False)


def descriptor(values: ParamValues) -> ParamText:
    """FD: what is behind a descriptor, or the error a negative one is."""
    text = render_numbers(values.numbers, _DECIMAL, _FD_NAMES)
    fds = _asked(values, np.int64)
    known = values.context.fd_text(values.batch, values.rows, fds)
    if known is None or text.resolved is None:
        return text
    if values.dialect.printable_paths:
        known = printable_text(known)
    negative = fds < 0
    return ParamText(text.plain, as_texts(where(negative, text.resolved, known)) if negative.any() else known)


def thread(values: ParamValues) -> ParamText:
    """PID: a thread and its command name."""
    text = render_numbers(values.numbers, _DECIMAL)
    return ParamText(text.plain, values.context.thread_name(values.batch, values.rows, _asked(values, np.int64)))


def user(values: ParamValues) -> ParamText:
    """UID: a user and its name."""
    return _owner(values, values.context.user_name)


def group(values: ParamValues) -> ParamText:
    """GID: a group and its name."""
    return _owner(values, values.context.group_name)


_OWNER = _integer_rendering(ParamType.UINT32, PrintFormat.DEC)
_OWNER_NAMES = Rendering(lambda id_: b"<NONE>" if id_ == NOBODY else b"<NA>")


def _owner(values: ParamValues, find: Callable[..., TextColumn | None]) -> ParamText:
    text = render_numbers(values.numbers, _OWNER, _OWNER_NAMES)
    ids = _asked(values, np.uint32)
    known = find(values.batch, values.rows, ids)
    if known is None or text.resolved is None:
        return text
    named = known.validity() & (ids != NOBODY)
    return ParamText(text.plain, as_texts(where(named, known, text.resolved)))


def signal(values: ParamValues) -> ParamText:
    """SIGTYPE: a signal and its name."""
    return render_numbers(values.numbers, _DECIMAL, _SIGNAL_NAMES)


def syscall(values: ParamValues) -> ParamText:
    """SYSCALLID: a system call and its name."""
    names = syscall_names(classic=values.dialect.old_view)
    find = Rendering(lambda code: names[code] if code < len(names) else UNKNOWN_SYSCALL)
    return render_numbers(values.numbers, _DECIMAL, find)


def flags(values: ParamValues) -> ParamText:
    """FLAGS: a set of bits and their names."""
    table = values.param.flags_table
    if table is None:
        return render_numbers(values.numbers, _DECIMAL)
    find = partial(flag_names, table=table, dialect=values.dialect)
    return render_numbers(values.numbers, _DECIMAL, Rendering(find))


def enumeration(values: ParamValues) -> ParamText:
    """ENUMFLAGS: one of several values and its name."""
    table = values.param.flags_table
    if table is None:
        return render_numbers(values.numbers, _DECIMAL)
    return render_numbers(values.numbers, _DECIMAL, Rendering(partial(enum_name, table=table)))


def mode(values: ParamValues) -> ParamText:
    """MODE: permissions in the declared print format, and their names."""
    plain = _integer_rendering(values.param.type, values.param.format)
    table = values.param.flags_table
    if table is None:
        return render_numbers(values.numbers, plain)
    find = partial(flag_names, table=table, dialect=values.dialect)
    return render_numbers(values.numbers, plain, Rendering(find))


_DURATION = Rendering(lambda ns: b"none" if ns == NO_TIME else b"%d" % ns)
_SECONDS = Rendering(lambda ns: None if ns == NO_TIME else b"%gs" % (ns / _NANOSECONDS))


def relative_time(values: ParamValues) -> ParamText:
    """RELTIME: nanoseconds, and seconds in few digits."""
    return render_numbers(values.numbers, _DURATION, _SECONDS)


def _dated(nanoseconds: NDArray[Any]) -> pa.Array:
    return _STAMP.texts(nanoseconds.astype(np.uint64))


_DATED = Rendering(lambda ns: bytes(_dated(np.array([ns], np.uint64))[0].as_py()), _dated)


def absolute_time(values: ParamValues) -> ParamText:
    """ABSTIME: local date and time with the offset of the zone."""
    return render_numbers(values.numbers, _DATED)


def truth(values: ParamValues) -> ParamText:
    """BOOL: true or false."""
    return render_numbers(values.numbers, Rendering(lambda value: b"true" if value else b"false"))


def floating(values: ParamValues) -> ParamText:
    """DOUBLE: one decimal."""
    import pyarrow as pa

    numbers = values.numbers
    texts = [b"%.1f" % value for value in numbers.values.tolist()]
    mask = None if numbers.valid is None else ~numbers.valid
    return ParamText(Texts(pa.array(texts, pa.binary(), mask=mask)))
