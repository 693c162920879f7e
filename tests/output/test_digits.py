from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools import digits

DTYPES = [np.dtype(f"{order}{kind}{size}") for order in "<>" for kind in "iu" for size in (1, 2, 4, 8)]


@st.composite
def integers(draw: st.DrawFn) -> np.ndarray:
    dtype = draw(st.sampled_from(DTYPES))
    info = np.iinfo(dtype)
    edges = st.sampled_from([info.min, info.max, 0, 1, 9, 10, min(info.max, 99_999)])
    values = draw(st.lists(edges | st.integers(info.min, info.max), max_size=20))
    return np.array(values, dtype)


def unsigned(values: np.ndarray) -> list[int]:
    modulus = 2 ** (8 * values.dtype.itemsize)
    return [int(value) % modulus for value in values]


@given(integers())
def test_decimal(values: np.ndarray) -> None:
    assert digits.decimal(values).to_pylist() == [b"%d" % value for value in values.tolist()]


@given(st.integers(1, 10), st.data(), st.sampled_from([np.dtype(np.uint32), np.dtype(np.uint64), np.dtype(">i8")]))
def test_decimal_of_numbers_of_one_length(length: int, data: st.DataObject, dtype: np.dtype) -> None:
    highest = min(10**length - 1, int(np.iinfo(dtype).max))
    values = data.draw(st.lists(st.integers(10 ** (length - 1), highest), min_size=1, max_size=9))
    assert digits.decimal(np.array(values, dtype)).to_pylist() == [b"%d" % value for value in values]


@given(integers())
def test_hexadecimal(values: np.ndarray) -> None:
    assert digits.hexadecimal(values).to_pylist() == [b"%X" % value for value in unsigned(values)]


@given(integers())
def test_octal(values: np.ndarray) -> None:
    assert digits.octal(values).to_pylist() == [b"%o" % value for value in unsigned(values)]


@given(integers(), st.integers(0, 25))
def test_padded(values: np.ndarray, width: int) -> None:
    assert digits.padded(values, width).to_pylist() == [b"%0*d" % (width, value) for value in values.tolist()]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.integers(1, 24))
def test_digit_matrix_keeps_the_last_digits(values: list[int], width: int) -> None:
    matrix = digits.digit_matrix(np.array(values, np.uint64), width)
    assert matrix.shape == (len(values), width)
    assert [row.tobytes() for row in matrix] == [b"%0*d" % (width, value % 10**width) for value in values]


def test_fixed_width() -> None:
    array = digits.fixed_width(np.frombuffer(b"abcdef", np.uint8).reshape(3, 2))
    array.validate(full=True)
    assert array.to_pylist() == [b"ab", b"cd", b"ef"]
    assert digits.fixed_width(np.zeros((2, 0), np.uint8)).to_pylist() == [b"", b""]


def test_fixed_width_refuses_more_than_an_array_can_hold() -> None:
    huge = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (2**20, 2**11), (0, 0))
    with pytest.raises(ValueError, match="more than 2 GiB"):
        digits.fixed_width(huge)
