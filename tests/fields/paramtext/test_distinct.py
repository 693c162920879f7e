"""Distinct values: every value is found again, and work is saved where values repeat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools.fields.paramtext.distinct import distinct

_DTYPES = [np.dtype(f"{order}{kind}{size}") for order in "<>" for kind in "iu" for size in (1, 2, 4, 8)]


def _check(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    codes, found = distinct(values)
    assert found.dtype == values.dtype.newbyteorder("=")
    assert found[codes].tolist() == values.tolist()
    return found


@given(st.sampled_from(_DTYPES), st.data())
def test_codes_lead_back_to_the_values(dtype: np.dtype[Any], data: st.DataObject) -> None:
    limits = np.iinfo(dtype)
    number = st.integers(int(limits.min), int(limits.max)) | st.sampled_from([int(limits.min), 0, int(limits.max)])
    _check(np.array(data.draw(st.lists(number, max_size=40)), dtype))


@pytest.mark.parametrize("dtype", _DTYPES, ids=str)
def test_values_of_small_span(dtype: np.dtype[Any]) -> None:
    high = int(np.iinfo(dtype).max)
    values = np.array([high - 10 + step % 7 for step in range(10_000)], dtype)
    assert _check(values).tolist() == list(range(high - 10, high - 3))
    low = int(np.iinfo(dtype).min)
    assert _check(np.array([low + step % 3 for step in range(10_000)], dtype)).tolist() == [low, low + 1, low + 2]


def test_wide_values_that_repeat() -> None:
    values = np.tile(np.array([2**63, 5, 2**40], np.uint64), 5000)
    assert _check(values).tolist() == [2**63, 5, 2**40]


def test_values_that_hardly_repeat_are_left_alone() -> None:
    values = np.arange(5000, dtype=np.uint64) * np.uint64(2**50)
    codes, found = distinct(values)
    assert codes.tolist() == list(range(5000))
    assert found is values
