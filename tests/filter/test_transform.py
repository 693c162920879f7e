"""Transformers: what each makes of its arguments."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scap_formats.types import ParamType as T
from scaptools.columns import Coded, Texts
from scaptools.filter import compile_filter
from scaptools.filter.transform import decode_base64, options

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = {
    "a.text": (T.CHARBUF, ["aB/c", "", None, "É/", "/"], {}),
    "a.other": (T.FSPATH, ["x", "y", "z", None, ""], {}),
    "a.num": (T.INT64, [-5, 0, 7, 8, None], {}),
    "a.big": (T.UINT64, [2**64 - 1, 1, 2, 3, 4], {}),
    "a.pid": (T.PID, [1, 2, 3, 4, 5], {}),
    "a.list": (T.CHARBUF, [["X", "y"], [], None, ["x"], ["x", "x", "é"]], {"is_list": True}),
    "a.sizes": (T.UINT64, [[1, 22], [], None, [3], [4, 5, 6]], {"is_list": True}),
    "a.code": (T.CHARBUF, ["YWI=", "YWI", "YW", None, "YWJj"], {}),
    "a.raw": (T.BYTEBUF, [b"AP8=", b"x\0y", b"", None, b"AP8"], {}),
    "a.args": (T.CHARBUF, [["-a", "1"], ["x", "-a"], None, ["-ab"], ["-b", "-z"]], {"is_list": True}),
}


@pytest.fixture(scope="module", params=["plain", "coded"])
def resolver(request: pytest.FixtureRequest, make_field: Callable[..., Any], make_resolver: Callable[..., Any]) -> Any:
    fields = [make_field(name, type_, values, **rest) for name, (type_, values, rest) in ROWS.items()]
    if request.param == "coded":
        for field in fields:
            if isinstance(field.whole, Texts):
                field.whole = Coded(np.arange(5), field.whole)
    return make_resolver(fields)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("tolower(a.text) = ab/c", [0]),
        ("toupper(a.text) = AB/C", [0]),
        ("tolower(a.text) = É/", [3]),
        ("toupper(a.list) intersects (X)", [0, 3, 4]),
        ("toupper(a.list) in (X, Y)", [0, 1, 3]),
        ("tolower(toupper(a.text)) startswith ab", [0]),
        ("basename(a.text) = c", [0]),
        ('basename(a.text) = ""', [1, 3, 4]),
        ("basename(a.text) exists", [0, 1, 3, 4]),
        ("basename(a.list) in (X, y)", [0, 1]),
        ("len(a.text) = 3", [3]),
        ("len(a.text) in (0, 1, 4)", [0, 1, 4]),
        ("len(a.text) >= 0", [0, 1, 3, 4]),
        ("len(a.raw) = 3", [1, 4]),
        ("len(a.list) = 0", [1]),
        ("len(a.sizes) = 3", [4]),
        ("len(getopt(a.args, 'ab')) = 2", [3, 4]),
        ('len("abc") = 3', [0, 1, 2, 3, 4]),
        ("len((a.text, a.num, 'x')) = 3", [0, 1, 2, 3, 4]),
        ("b64(a.code) = ab", [0, 1]),
        ("b64(a.code) = abc", [4]),
        ("b64(a.code) exists", [0, 1, 4]),
        ("b64(a.raw) bcontains 00ff", [0, 4]),
        ("b64(a.raw) exists", [0, 2, 4]),
        ('join(",", a.list) = "X,y"', [0]),
        ('join(",", a.list) = ""', [1]),
        ('join(",", a.list) exists', [0, 1, 3, 4]),
        ('join("--", a.sizes) = 4--5--6', [4]),
        ('join("/", (a.num, a.big, a.pid, "x", 0x10)) = -5/18446744073709551615/1/x/0x10', [0]),
        ('join("/", (a.text, a.num)) exists', [0, 1, 3]),
        ('join("/", ()) = ""', [0, 1, 2, 3, 4]),
        ("join(a.other, a.list) = Xxy", [0]),
        ('concat(a.text, "-", a.other, 5) = aB/c-x5', [0]),
        ("concat(a.text, a.other) exists", [0, 1, 4]),
        ("getopt(a.args, 'a:b') intersects (a)", [0, 3]),
        ("getopt(a.args, 'a:b')[a] = 1", [0]),
        ("getopt(a.args, 'a:b')[a] = b", [3]),
        ("getopt(a.args, 'a:b')[b] = b", [4]),
        ("getopt(a.args, 'a:b')[b] exists", [4]),
        ("getopt(a.args, 'ab') in (b, '?')", [1, 4]),
        ("getopt(a.args, a.other) exists", [0, 1, 4]),
        ("a.text = concat('aB', '/c')", [0]),
        ("a.list in toupper(a.list)", [1]),
        ("a.text in tolower(a.text)", [1, 3, 4]),
        ("a.big > len(a.text)", [0, 1, 4]),
    ],
)
def test_transformers(text: str, rows: list[int], resolver: Any) -> None:
    assert compile_filter(text, resolver).select(range(5)).tolist() == rows


@pytest.mark.parametrize(
    ("words", "accepted", "expected"),
    [
        ("-a x -b", "a:b", [("a", "x"), ("b", None)]),
        ("-ax -b", "a:b", [("a", "x"), ("b", None)]),
        ("-ba x", "a:b", [("b", None), ("a", "x")]),
        ("-a", "a:", [("a", "")]),
        ("-a -b", "a:b", [("a", "-b")]),
        ("--long -a", "a", [("a", None)]),
        ("-a -- -b", "ab", [("a", None)]),
        ("-a x -b", "ab", [("a", None)]),
        ("-a - -b", "ab", [("a", None)]),
        ("-z -a", "a", [("?", None), ("a", None)]),
        ("-:", "a:", [("?", None)]),
        ("-a x", "a::", [("a", "")]),
        ("-ax", "a::", [("a", "x")]),
        ("-a 1 -a 2", "a:", [("a", "1"), ("a", "2")]),
        ("", "a", []),
    ],
)
def test_options(words: str, accepted: str, expected: list[tuple[str, str | None]]) -> None:
    found = options([word.encode() for word in words.split()], accepted.encode())
    assert [(letter.decode(), None if value is None else value.decode()) for letter, value in found] == expected


@settings(deadline=None)
@given(st.binary(max_size=12))
def test_base64_round_trip(data: bytes) -> None:
    text = base64.b64encode(data)
    assert decode_base64(text) == data
    assert decode_base64(text.rstrip(b"=")) == data


@pytest.mark.parametrize("text", ["a", "ab c", "ab-_", "abc==", "ab=", "=", "YQ=x", "AB", "abc\n"])
def test_what_is_no_base64(text: str) -> None:
    assert decode_base64(text.encode()) is None
