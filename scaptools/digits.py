"""Digits: columns of numbers as columns of text.

Every function takes integers of shape ``(n,)`` in any width, signedness and byte order, and gives an Arrow ``binary``
array of as many texts without nulls. Nothing is done per number in Python: decimal digits come from one Arrow cast,
all others from tables that hold several digits at a time.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

#: Decimal digits looked up at a time.
_DECIMAL_CHUNK = 4


def decimal(values: NDArray[Any]) -> pa.Array:
    """Decimal digits, a minus in front of negative numbers."""
    import pyarrow as pa

    values = _native(values)
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    if low > 0 and len(str(low)) == len(str(high)) and high < 2**32:
        # Numbers of one length, such as those of consecutive events, need no bounds to be found.
        return fixed_width(digit_matrix(values, len(str(high))))
    return pa.array(values).cast(pa.string()).cast(pa.binary())


def hexadecimal(values: NDArray[Any]) -> pa.Array:
    """Upper-case hexadecimal digits without a prefix; negative numbers as the two's complement of their own width."""
    return _power_of_two(values, bits_per_digit=4, digits_per_chunk=2)


def octal(values: NDArray[Any]) -> pa.Array:
    """Octal digits without a prefix; negative numbers as the two's complement of their own width."""
    return _power_of_two(values, bits_per_digit=3, digits_per_chunk=4)


def padded(values: NDArray[Any], width: int) -> pa.Array:
    """Decimal digits filled with zeros to at least ``width`` characters, a minus counting as one of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = _native(values)
    negative = values < 0
    if negative.any():
        magnitudes = np.where(negative, np.negative(values.astype(np.uint64)), values.astype(np.uint64))
        minus, nothing = pa.scalar(b"-", pa.binary()), pa.scalar(b"", pa.binary())
        signed = pc.binary_join_element_wise(minus, padded(magnitudes, width - 1), nothing)
        return pc.if_else(pa.array(negative), signed, padded(magnitudes, width))
    if width < 1:
        # Arrow writes beyond its buffers where a width is negative.
        return decimal(values)
    if len(values) == 0 or int(values.max()) >= 10**width:
        return pc.ascii_lpad(decimal(values).cast(pa.string()), width, "0").cast(pa.binary())
    return fixed_width(digit_matrix(values, width))


def digit_matrix(values: NDArray[Any], width: int) -> NDArray[np.uint8]:
    """The last ``width`` decimal digits of numbers >= 0 as ASCII, shape ``(n, width)``; zeros fill up the front."""
    chunks = -(-width // _DECIMAL_CHUNK)
    table = _chunk_table(10, _DECIMAL_CHUNK)
    digits = np.empty((len(values), chunks), table.dtype)
    # Division by a constant of 32 bits takes half as long as one of 64.
    rest: NDArray[Any] = values.astype(np.uint32 if _fits(values, 32) else np.uint64)
    base: Any = rest.dtype.type(10**_DECIMAL_CHUNK)
    for chunk in range(chunks - 1, -1, -1):
        rest, low = rest // base, rest
        digits[:, chunk] = table[low - rest * base]
    characters = digits.view(np.uint8).reshape(len(values), chunks * _DECIMAL_CHUNK)
    return characters[:, characters.shape[1] - width :]


def fixed_width(characters: NDArray[np.uint8]) -> pa.Array:
    """An Arrow ``binary`` array from ASCII characters of shape ``(n, width)``."""
    import pyarrow as pa

    count, width = characters.shape
    if count * width >= 2**31:
        raise ValueError("more than 2 GiB of text in one column")
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32) if width else np.zeros(count + 1, np.int32)
    data = pa.py_buffer(np.ascontiguousarray(characters))
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(offsets), data], null_count=0)


def _native(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _fits(values: NDArray[Any], bits: int) -> bool:
    return values.dtype.itemsize * 8 <= bits or len(values) == 0 or int(values.max()) < 2**bits


def _power_of_two(values: NDArray[Any], *, bits_per_digit: int, digits_per_chunk: int) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    unsigned = np.dtype(f"u{values.dtype.itemsize}")
    # Sign bits beyond the number's own width must not show, hence by way of its own unsigned type.
    rest = _native(values).astype(unsigned, copy=False).astype(np.uint64)
    chunk_bits = bits_per_digit * digits_per_chunk
    chunks = max(1, -(-int(rest.max(initial=0)).bit_length() // chunk_bits))
    table = _chunk_table(1 << bits_per_digit, digits_per_chunk)
    digits = np.empty((len(rest), chunks), table.dtype)
    for chunk in range(chunks):
        shift = np.uint64(chunk_bits * (chunks - 1 - chunk))
        digits[:, chunk] = table[(rest >> shift) & np.uint64((1 << chunk_bits) - 1)]
    filled = fixed_width(digits.view(np.uint8).reshape(len(rest), chunks * digits_per_chunk))
    text = pc.ascii_ltrim(filled.cast(pa.string()), "0").cast(pa.binary())
    zero = rest == 0
    return pc.if_else(pa.array(zero), pa.scalar(b"0", pa.binary()), text) if zero.any() else text


@cache
def _chunk_table(base: int, digits: int) -> NDArray[Any]:
    """All numbers of so many digits as words of that many ASCII characters, shape ``(base ** digits,)``."""
    alphabet = np.frombuffer(b"0123456789ABCDEF", np.uint8)
    numbers = np.arange(base**digits)
    places = [alphabet[numbers // base**place % base] for place in range(digits - 1, -1, -1)]
    # As words, which numpy gathers faster than records of bytes.
    return np.ascontiguousarray(np.stack(places, 1)).view(f"u{digits}").reshape(-1)
