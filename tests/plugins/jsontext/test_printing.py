from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.plugins.jsontext import compact, indented
from tests.plugins.jsontext.lenient import Value, nested, reading

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


def printed(text: bytes, value: Value) -> bytes:
    """A value put together from its parts."""
    if text[value.start] == 0x5B:
        return b"[" + b",".join(printed(text, element) for element in value.elements) + b"]"
    if text[value.start] != 0x7B:
        return text[value.start : value.end]
    parts = []
    position = value.start
    for _, member in value.members:
        key = text[position + 1 : member.start].strip(b" \t\r\n,").rstrip(b" \t\r\n:")
        parts.append(key + b":" + printed(text, member))
        position = member.end - 1
    return b"{" + b",".join(parts) + b"}"


@settings(deadline=None)
@given(nested)
def test_compact_keeps_everything_but_white_space(text: bytes) -> None:
    found = reading(text)
    if found is None:
        return
    source = text[found[0].start : found[0].end]
    assert compact(source) == printed(text, found[0])


@settings(deadline=None)
@given(values, st.sampled_from([None, 1, 3]))
def test_compact_and_indented_agree_with_the_standard_library(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent).encode()
    assert compact(text) == json.dumps(value, separators=(",", ":")).encode()
    if isinstance(value, dict | list):
        assert indented(text) == json.dumps(value, indent=2).encode()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            b'{"a":[ ],"b":{\n},"c":[1,{"d":2}]}',
            b'{\n  "a": [],\n  "b": {},\n  "c": [\n    1,\n    {\n      "d": 2\n    }\n  ]\n}',
        ),
        (b"[]\n ", b"[]\n "),
        (b'{"<&>\\u003c":"\xe2\x80\xa8\xff"}', b'{\n  "<&>\\u003c": "\xe2\x80\xa8\xff"\n}'),
        (b"[1E+3,-0,2.50]", b"[\n  1E+3,\n  -0,\n  2.50\n]"),
    ],
)
def test_indented(source: bytes, text: bytes) -> None:
    assert indented(source) == text


@pytest.mark.parametrize(
    "scalar", [b"01", b"1.", b".5", b"1-2", b"+1", b"-", b"e", b"NaN", b"inf", b'"a\nb"', b'"\\q"', b'"\\u12"', b'"\0"']
)
@pytest.mark.parametrize("frame", [b"[%s]", b'{"a":%s}', b'{"a":[1,%s],"b":2}'])
def test_indented_refuses_what_strict_json_does(frame: bytes, scalar: bytes) -> None:
    assert indented(frame % scalar) is None


def test_indented_refuses_a_lenient_name() -> None:
    assert indented(b'{"\\q":1}') is None
