"""Rows of text put together from pieces, against plain concatenation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools.columns import Coded, Numbers, Texts
from scaptools.fields.paramtext import arrays, weave
from scaptools.fields.paramtext.weave import Choice, Weave, filled

if TYPE_CHECKING:
    from scaptools.fields.paramtext.weave import Piece

_TEXT = st.binary(max_size=30)
_MAYBE = st.none() | _TEXT


def _strings(piece: Piece, count: int) -> list[bytes]:
    """A piece as one text per row, the obvious way."""
    if isinstance(piece, bytes):
        return [piece] * count
    if isinstance(piece, Choice):
        return [piece.texts[code] if code >= 0 else b"" for code in piece.codes.tolist()]
    return [value or b"" for value in piece.to_arrow().to_pylist()]


@st.composite
def _pieces(draw: st.DrawFn, count: int) -> list[Piece]:
    pieces: list[Piece] = []
    for kind in draw(st.lists(st.sampled_from(["literal", "texts", "large", "coded", "choice"]), max_size=5)):
        if kind == "literal":
            pieces.append(draw(_TEXT))
        elif kind in {"texts", "large"}:
            values = draw(st.lists(_MAYBE, min_size=count, max_size=count))
            pieces.append(Texts(pa.array(values, pa.binary() if kind == "texts" else pa.large_binary())))
        else:
            texts = draw(st.lists(_TEXT, min_size=1, max_size=4))
            codes = draw(st.lists(st.integers(-1, len(texts) - 1), min_size=count, max_size=count))
            array = np.array(codes, draw(st.sampled_from([np.int8, np.int32, np.int64])))
            pieces.append(Coded(array, Texts.of(texts)) if kind == "coded" else Choice(array, texts))
    return pieces


@given(st.data())
def test_rows_are_the_pieces_in_order(data: st.DataObject) -> None:
    total = data.draw(st.integers(0, 12))
    order = data.draw(st.permutations(range(total)))
    loom = Weave(total)
    expected = [b""] * total
    while order:
        size = data.draw(st.integers(1, len(order)))
        rows, order = order[:size], order[size:]
        pieces = data.draw(_pieces(size))
        loom.add(np.array(rows, np.intp), pieces)
        for piece in pieces:
            for row, text in zip(rows, _strings(piece, size), strict=True):
                expected[row] += text
        if data.draw(st.booleans()):
            break
    result = loom.text()
    assert result.to_pylist() == expected
    assert result.type == pa.binary()
    assert result.null_count == 0
    result.validate(full=True)


def test_nothing_added_is_empty_text() -> None:
    assert Weave(3).text().to_pylist() == [b"", b"", b""]
    assert Weave(0).text().to_pylist() == []


def test_values_shared_by_columns_are_laid_out_once() -> None:
    shared = Texts.of([b"a text beyond twelve bytes", b"short"])
    loom = Weave(4)
    loom.add(np.array([0, 1]), [Coded(np.array([0, 1]), shared), b"|", Coded(np.array([1, 0]), shared)])
    loom.add(np.array([3]), [Coded(np.array([0]), shared)])
    assert loom.text().to_pylist() == [
        b"a text beyond twelve bytes|short",
        b"short|a text beyond twelve bytes",
        b"",
        b"a text beyond twelve bytes",
    ]
    assert len(loom._known) == 1


def test_numbers_are_no_pieces() -> None:
    with pytest.raises(TypeError, match="numbers are no text"):
        Weave(1).add(np.array([0]), [Coded(np.array([0]), Numbers(np.array([1])))])


def test_more_text_than_32_bits_can_address(monkeypatch: pytest.MonkeyPatch) -> None:
    # Small limits stand in for 1 GiB parts of a buffer and 2 GiB of text.
    monkeypatch.setattr(weave, "_BUFFER_BITS", 6)
    monkeypatch.setattr(weave, "_TEXT_LIMIT", 64)
    monkeypatch.setattr(weave, "OFFSET_LIMIT", 127)
    texts = [bytes([65 + step]) * (13 + step) for step in range(20)]
    loom = Weave(20)
    loom.add(np.arange(20), [Texts.of(texts), b"-", Texts.of(reversed(texts))])
    result = loom.text()
    assert result.type == pa.large_binary()
    assert result.to_pylist() == [one + b"-" + other for one, other in zip(texts, reversed(texts), strict=True)]
    longest = Weave(1)
    longest.add(np.array([0]), [Texts.of([b"x" * 100])])
    assert longest.text().to_pylist() == [b"x" * 64]


@given(st.lists(_MAYBE, max_size=8), _TEXT)
def test_filled(values: list[bytes | None], text: bytes) -> None:
    expected = [text if value is None else value for value in values]
    assert filled(Texts.of(values), text).to_arrow().to_pylist() == expected
    codes = np.arange(-1, len(values))
    assert filled(Coded(codes, Texts.of(values)), text).to_arrow().to_pylist() == [text, *expected]
    whole = Coded(codes[1:], Texts.of(expected))
    assert filled(whole, text) is whole


@given(st.lists(_MAYBE, max_size=8), _TEXT, _TEXT)
def test_enclosed(values: list[bytes | None], before: bytes, after: bytes) -> None:
    expected = [None if value is None else before + value + after for value in values]
    for type_ in (pa.binary(), pa.large_binary()):
        array = pa.array(values, type_)
        assert arrays.enclosed(before, array, after).to_pylist() == expected
        assert arrays.some_text(array).tolist() == [bool(value) for value in values]


@given(st.lists(_MAYBE, max_size=8), st.integers(0, 3))
def test_arrays_taken_apart_and_put_together(values: list[bytes | None], skipped: int) -> None:
    array = pa.array(values, pa.binary())[skipped:]
    starts, lengths, content = arrays.extents(array)
    spans = zip(starts.tolist(), lengths.tolist(), strict=True)
    assert [content[start : start + length].tobytes() for start, length in spans] == [
        value or b"" for value in values[skipped:]
    ]
    bounds, packed = arrays.packed(array)
    assert arrays.binary_of(bounds, packed, arrays.validity_of(array)).to_pylist() == values[skipped:]
