from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.plugins.jsontext import gaps


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"", gaps.NOTHING),
        (b" \n", gaps.NOTHING),
        (b":", gaps.COLON),
        (b" : ", gaps.COLON),
        (b",", gaps.COMMA),
        (b":1,", gaps.MEMBER_MORE),
        (b": null , ", gaps.MEMBER_MORE),
        (b":-inf", gaps.MEMBER_LAST),
        (b"1", gaps.LIST),
        (b" 1 , true,NaN ", gaps.LIST),
        (b"1,", gaps.LIST_MORE),
        (b" 1 , 2 , ", gaps.LIST_MORE),
        (b",1", gaps.MORE_LIST),
        (b" , 1 , 2 ", gaps.MORE_LIST),
        (b",1,", gaps.MORE_LIST_MORE),
        (b" , 1 , 2 , ", gaps.MORE_LIST_MORE),
        (b"::", gaps.WRONG),
        (b",,", gaps.WRONG),
        (b":,", gaps.WRONG),
        (b":1,2", gaps.WRONG),
        (b":-,", gaps.WRONG),
        (b"x", gaps.WRONG),
        (b"\\", gaps.WRONG),
        (b"\0", gaps.WRONG),
    ],
)
def test_classify(text: bytes, kind: int) -> None:
    assert gaps.classify(text).kind == kind


parts = st.sampled_from([b":", b",", b"1", b"-", b"e", b"+2.5", b" ", b"\0", b"null", b"inf", b"1234567890123"])


@settings(deadline=None, max_examples=300)
@given(st.lists(st.lists(parts, min_size=1, max_size=5).map(b"".join), min_size=1, max_size=8))
def test_reading_many_gaps_agrees_with_reading_each(texts: list[bytes]) -> None:
    sizes = np.array([len(text) for text in texts])
    starts = np.cumsum(sizes + 1) - sizes
    padded = np.frombuffer(b"".join(b'"' + text for text in texts) + b'"' + bytes(8), np.uint8)
    rows = gaps.GapReader().read(padded, starts, sizes).tolist()
    expected = [gaps.classify(text) for text in texts]
    assert [row[0] for row in rows] == [gap.kind for gap in expected]
    right = [(row, list(map(int, gap))) for row, gap in zip(rows, expected, strict=True) if gap.kind != gaps.WRONG]
    assert [row for row, _ in right] == [gap for _, gap in right]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "_MEMORY", 3)
    reader = gaps.GapReader()
    texts = [b":  %d," % number for number in range(10)]
    sizes = np.array([len(text) for text in texts])
    padded = np.frombuffer(b"".join(texts) + bytes(8), np.uint8)
    rows = reader.read(padded, np.cumsum(sizes) - sizes, sizes)
    assert rows[:, 0].tolist() == [gaps.MEMBER_MORE] * 10
    assert len(reader.known) == 3


def test_every_combination_has_its_own_place() -> None:
    assert len(gaps.ALLOWED) <= 256
    assert gaps.ALLOWED.sum() == sum(len(behinds) for _, _, behinds in gaps._GRAMMAR)
