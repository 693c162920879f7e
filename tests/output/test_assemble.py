from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools.columns import Coded, Texts
from scaptools.output import assemble as module
from scaptools.output import binary
from scaptools.output.assemble import Piece, assemble, assemble_portions


def joined(pieces: Sequence[Piece], count: int, missing: bytes) -> list[bytes]:
    """The same one row at a time."""
    columns = [[piece] * count if isinstance(piece, bytes) else piece.to_arrow().to_pylist() for piece in pieces]
    return [b"".join(missing if part is None else part for part in row) for row in zip(*columns, strict=True)]


SHORT = st.binary(max_size=3)


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Piece], int]:
    count = draw(st.integers(1, 12))
    rows = st.lists(st.none() | SHORT, min_size=count, max_size=count)
    even = st.lists(st.binary(min_size=2, max_size=2), min_size=count, max_size=count)

    def coded(values: list[bytes | None]) -> st.SearchStrategy[Piece]:
        codes = st.lists(st.integers(-1, len(values) - 1), min_size=count, max_size=count)
        dtype = st.sampled_from([np.int8, np.int32, np.int64])
        return st.builds(lambda codes, dtype: Coded(np.array(codes, dtype), Texts.of(values)), codes, dtype)

    columns = st.one_of(
        SHORT, rows.map(Texts.of), even.map(Texts.of), st.lists(st.none() | SHORT, max_size=20).flatmap(coded)
    )
    return draw(st.lists(columns, min_size=1, max_size=8)), count


@given(problems(), st.sampled_from([b"", b"<NA>"]))
def test_equals_joining_row_by_row(problem: tuple[list[Piece], int], missing: bytes) -> None:
    pieces, count = problem
    result = assemble(pieces, count, missing=missing)
    result.validate(full=True)
    assert result.null_count == 0
    assert result.to_pylist() == joined(pieces, count, missing)


@pytest.mark.parametrize("distinct", [3, 60, 400, 3000])
def test_many_rows(distinct: int) -> None:
    """Enough rows that neighbouring codes are joined beforehand, or too many different ones for that."""
    random = np.random.default_rng(distinct)
    count = 20_000
    codes = [random.integers(-1, distinct, count) for _ in range(3)]
    names = [Texts.of(b"%d.%d" % (column, value) for value in range(distinct)) for column in range(3)]
    pieces: list[Piece] = [b"<", Coded(codes[0], names[0]), b" ", Coded(codes[1], names[1]), Coded(codes[2], names[2])]
    pieces += [b">", Texts.of(b"%d" % row for row in range(count)), b"\n"]
    assert assemble(pieces, count, missing=b"-").to_pylist() == joined(pieces, count, b"-")


def test_few_pairs_become_one_column() -> None:
    count = 50_000
    codes = np.arange(count) % 100
    pieces: list[Piece] = [Coded(codes, Texts.of(b"%d" % value for value in range(100))), b" "] * 2
    (fused,) = module._fused(pieces, count)
    assert isinstance(fused, Coded)
    assert len(fused.values) == 100
    assert fused.to_arrow()[101].as_py() == b"1 1 "


def test_separator_between_many_columns() -> None:
    columns: list[Piece] = [Texts.of([b"a%d" % place, None, b"c" * place]) for place in range(5)]
    pieces = [b"<", *(part for column in columns for part in (column, b"|"))][:-1]
    for chosen in (pieces, [*pieces, b"\n"], pieces[1:]):
        assert assemble(chosen, 3, missing=b"?").to_pylist() == joined(chosen, 3, b"?")


def test_only_literals() -> None:
    assert assemble([b"ab", b"", b"c"], 3).to_pylist() == [b"abc"] * 3
    assert assemble([b""], 2).to_pylist() == [b"", b""]


def test_text_of_one_length_takes_its_neighbours() -> None:
    pieces: list[Piece] = [b"\0[", Texts.of([b"12", b"34"]), b"]\0", Texts.of([b"x", b"yy"])]
    assert len(module._absorbed(pieces, 2)) == 2
    assert assemble(pieces, 2).to_pylist() == [b"\x00[12]\x00x", b"\x00[34]\x00yy"]


def test_slices_of_arrays() -> None:
    array = pa.array([b"never", b"aa", b"bb", b"c", b"never"], pa.binary())
    pieces: list[Piece] = [b"(", Texts(array[1:3]), b")", Texts(array[2:4])]
    assert assemble(pieces, 2).to_pylist() == [b"(aa)bb", b"(bb)c"]


def test_more_than_an_array_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "OFFSET_LIMIT", 10)
    pieces: list[Piece] = [b"x", Coded(np.array([0, 1, -1]), Texts.of([b"aaa", b"b"])), Texts.of([b"1", b"22", None])]
    result = assemble([*pieces, b"\n"], 3, missing=b"?")
    assert result.type == pa.large_binary()
    assert result.to_pylist() == [b"xaaa1\n", b"xb22\n", b"x??\n"]


@pytest.mark.parametrize("rows", [1, 2, 5, 6, 100])
def test_portions_are_the_rows_in_order(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PORTION_ROWS", rows)
    codes = np.array([0, 1, -1, 1, 0, 0])
    pieces: list[Piece] = [
        b"<",
        Coded(codes, Texts.of([b"a", b"bb"])),
        b"|",
        Texts.of([b"1", None, b"", b"4", b"5", b"6"]),
    ]
    portions = list(assemble_portions(pieces, 6, missing=b"?"))
    assert [len(portion) for portion in portions[:-1]] == [rows] * (len(portions) - 1)
    assert pa.concat_arrays(portions).to_pylist() == assemble(pieces, 6, missing=b"?").to_pylist()
    assert pa.concat_arrays(portions).to_pylist() == [b"<a|1", b"<bb|?", b"<?|", b"<bb|4", b"<a|5", b"<a|6"]
    assert list(assemble_portions([b"x"], 0)) == []
