from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.plugins.jsontext import texts
from scaptools.plugins.jsontext.texts import cut_at_nul, map_distinct, replaced, row_numbers, slices, truths


@settings(deadline=None)
@given(st.lists(st.none() | st.binary(max_size=20), max_size=12), st.booleans())
def test_slices(values: list[bytes | None], large: bool) -> None:
    buffer = b"|".join(value or b"" for value in values)
    sizes = np.array([len(value or b"") for value in values], np.int64)
    starts = np.cumsum(sizes + 1) - sizes - 1
    present = np.array([value is not None for value in values], bool)
    with pytest.MonkeyPatch.context() as patch:
        if large:
            patch.setattr(texts, "_LARGE", 0)
        found = slices(pa.py_buffer(buffer), starts, starts + sizes, present)
    assert found.to_pylist() == values
    assert found.type == (pa.large_binary() if large else pa.binary())
    found.validate(full=True)


@settings(deadline=None)
@given(st.lists(st.none() | st.binary(max_size=6).map(lambda value: value.replace(b"\1", b"\0")), max_size=10))
def test_cut_at_nul(values: list[bytes | None]) -> None:
    expected = [value if value is None else value.partition(b"\0")[0] for value in values]
    for kind in (pa.binary(), pa.large_binary()):
        assert cut_at_nul(pa.array(values, kind)).to_pylist() == expected
        padded = pa.array([b"x\0y", *values, b"\0"], kind)[1:-1]
        assert cut_at_nul(padded).to_pylist() == expected


def test_replaced() -> None:
    array = pa.array([b"a", None, b"c", b"d"], pa.binary())
    assert replaced(array, np.array([1, 2]), [b"B", None]).to_pylist() == [b"a", b"B", None, b"d"]
    assert replaced(array, np.array([], np.intp), []) is array


def test_map_distinct_asks_once_for_each_value() -> None:
    asked = []

    def function(value: bytes) -> bytes | None:
        asked.append(value)
        return None if value == b"b" else value.upper()

    column = map_distinct(pa.array([b"a", b"b", None, b"a", b"c"], pa.binary()), function)
    assert column.to_arrow().to_pylist() == [b"A", None, None, b"A", b"C"]
    assert column.validity().tolist() == [True, False, False, True, True]
    assert sorted(asked) == [b"a", b"b", b"c"]


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=20))
def test_truths_and_row_numbers(values: list[bool]) -> None:
    mask = np.array(values, bool)
    assert truths(mask).to_pylist() == values
    rows = np.arange(len(values))
    assert row_numbers(rows).to_pylist() == rows.tolist()
    assert row_numbers(rows, mask).to_pylist() == [row if value else None for row, value in enumerate(values)]


def test_edges_of_an_array_without_buffers() -> None:
    edges, values = texts.edges_of(pa.Array.from_buffers(pa.binary(), 0, [None, pa.py_buffer(b""), pa.py_buffer(b"")]))
    assert (edges.tolist(), values.tolist()) == ([0], [])
