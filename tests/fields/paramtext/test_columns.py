"""Columns spread over rows, put below each other and chosen between, against plain lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools.columns import Coded, Lists, Numbers, Texts, concat, scatter, where

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaptools.columns import Column

    Make = Callable[[list[Any]], Column]

_NUMBERS = st.none() | st.integers(0, 9)
_TEXTS = st.none() | st.binary(max_size=3)


def _numbers(values: list[Any]) -> Numbers:
    valid = np.array([value is not None for value in values], bool)
    return Numbers(np.array([value or 0 for value in values], np.int64), None if valid.all() else valid)


def _coded(plain: Make) -> Make:
    def make(values: list[Any]) -> Coded:
        # Some missing values by their code, others by what it stands for.
        known = [*dict.fromkeys(values[::2]), *dict.fromkeys(value for value in values if value is not None)]
        codes = [known.index(value) if value in known else -1 for value in values]
        return Coded(np.array(codes, np.int32), plain(known))  # type: ignore[arg-type]

    return make


def _lists(plain: Make) -> Make:
    def make(values: list[Any]) -> Lists:
        kept = [[] if value is None else value for value in values]
        offsets = np.concatenate(([0], np.cumsum([len(value) for value in kept]))).astype(np.int64)
        valid = np.array([value is not None for value in values], bool)
        return Lists(offsets, plain([one for value in kept for one in value]), valid)  # type: ignore[arg-type]

    return make


_KINDS: list[tuple[str, st.SearchStrategy[Any], Make]] = [
    ("numbers", _NUMBERS, _numbers),
    ("texts", _TEXTS, Texts.of),
    ("coded numbers", _NUMBERS, _coded(_numbers)),
    ("coded texts", _TEXTS, _coded(Texts.of)),
    ("lists of numbers", st.none() | st.lists(st.integers(0, 9), max_size=3), _lists(_numbers)),
    ("lists of texts", st.none() | st.lists(st.binary(max_size=2), max_size=3), _lists(Texts.of)),
]
kinds = pytest.mark.parametrize(("values", "make"), [kind[1:] for kind in _KINDS], ids=[kind[0] for kind in _KINDS])


def _plain(column: Column) -> list[Any]:
    return list(column.to_arrow().to_pylist())


@kinds
@given(data=st.data())
def test_scatter(values: st.SearchStrategy[Any], make: Make, data: st.DataObject) -> None:
    given_values = data.draw(st.lists(values, max_size=6))
    count = len(given_values) + data.draw(st.integers(0, 4))
    positions = data.draw(st.permutations(range(count)))[: len(given_values)]
    expected: list[Any] = [None] * count
    for position, value in zip(positions, given_values, strict=True):
        expected[position] = value
    assert _plain(scatter(make(given_values), np.array(positions, np.intp), count)) == expected


@kinds
@given(data=st.data())
def test_concat(values: st.SearchStrategy[Any], make: Make, data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.lists(values, max_size=4), min_size=1, max_size=4))
    expected = [value for part in parts for value in part]
    assert _plain(concat([make(part) for part in parts])) == expected


@kinds
@given(data=st.data())
def test_where(values: st.SearchStrategy[Any], make: Make, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.tuples(st.booleans(), values, values), max_size=6))
    condition = np.array([row[0] for row in rows], bool)
    chosen, other = make([row[1] for row in rows]), make([row[2] for row in rows])
    assert _plain(where(condition, chosen, other)) == [one if first else two for first, one, two in rows]


def test_coded_columns_stay_coded() -> None:
    shared = Texts.of([b"a", b"b"])
    first, second = Coded(np.array([0, -1, 1]), shared), Coded(np.array([1]), shared)
    together = concat([first, second])
    assert isinstance(together, Coded)
    assert together.values is shared
    assert together.codes.tolist() == [0, -1, 1, 1]
    third = Coded(np.array([0], np.uint8), Texts.of([b"c"]))
    mixed = concat([first, third, second])
    assert isinstance(mixed, Coded)
    assert len(mixed.values) == 3
    assert _plain(mixed) == [b"a", None, b"b", b"c", b"b"]
    unsigned = scatter(third, np.array([1]), 2)
    assert isinstance(unsigned, Coded)
    assert unsigned.codes.tolist() == [-1, 0]


def test_coded_and_plain_columns_together() -> None:
    coded = Coded(np.array([0, -1]), Texts.of([b"a"]))
    assert _plain(concat([coded, Texts.of([b"x"])])) == [b"a", None, b"x"]
    large = Texts(pa.array([b"y"], pa.large_binary()))
    assert concat([coded, large]).to_arrow().type == pa.large_binary()
    with pytest.raises(TypeError, match="different kinds: Texts, Numbers"):
        concat([Texts.of([b"x"]), _numbers([1])])


def test_nothing_is_copied_without_need() -> None:
    column = Texts.of([b"a", b"b"])
    assert scatter(column, np.array([0, 1]), 2) is column
    assert concat([column]) is column
    assert where(np.array([True, True]), column, Texts.of([b"x", b"y"])) is column
    assert where(np.array([False, False]), Texts.of([b"x", b"y"]), column) is column
