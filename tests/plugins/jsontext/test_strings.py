from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.plugins.jsontext import unescape
from tests.plugins.jsontext.lenient import decoded, raw_texts


@settings(deadline=None)
@given(raw_texts)
def test_unescape_agrees_with_one_escape_after_the_other(raw: bytes) -> None:
    assert unescape(raw) == decoded(raw)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_json_escapes_comes_back(text: str) -> None:
    assert unescape(json.dumps(text)[1:-1].encode()) == text.encode()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (rb"\"\\\/\b\f\n\r\t", b'"\\/\b\f\n\r\t'),
        (rb"\q\x41\U0041", rb"\q\x41\U0041"),
        (rb"\u00e9\u20AC", "é€".encode()),
        (rb"\ud83d\ude00", "😀".encode()),
        (rb"\uD83D", rb"\uD83D"),
        (rb"\ude00", rb"\ude00"),
        (rb"\ud83dx\ude00", rb"\ud83dx\ude00"),
        (rb"\ud83d\u0041", b"\xef\xbf\xbd"),
        (rb"\ude00\ud83d", b"\xef\xbf\xbd"),
        (rb"\ud83d\u00", rb"\ud83d\u00"),
        (rb"\u00g0\n", b"\\u00g0\n"),
        (rb"\\u0041", rb"\u0041"),
        (b"\xff\\n\xfe", b"\xff\n\xfe"),
        (b"a\nb\0", b"a\nb\0"),
    ],
)
def test_unescape(raw: bytes, text: bytes) -> None:
    assert unescape(raw) == text
