from __future__ import annotations

import pytest
from hypothesis import given, settings

from scaptools.plugins.jsontext import grammar
from tests.plugins.jsontext.lenient import documents, nested, reading


def rows_of(found: grammar.Scan) -> list[list[int]]:
    numbers = found.members.tolist()
    return [numbers[at : at + 5] for at in range(0, len(numbers), 5)]


@settings(deadline=None, max_examples=500)
@given(documents)
def test_scan_agrees_with_a_reader_that_goes_byte_by_byte(text: bytes) -> None:
    found, expected = grammar.scan(text), reading(text)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert (found.start, found.end) == (expected[0].start, expected[0].end)
        assert rows_of(found) == expected[1]


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1}',
        b' {"a" : 1} \r\n',
        b"[01, 1-2, .5, e, 1., NaN, nan, -inf, +Inf]",
        b'"\n\\q\\ud83d\xff"',
        b'{"a":1,"a":2}',
        b"null",
        b"-",
        b"[" * 300 + b"]" * 300,
        b'{"a":' * 299 + b"1" + b"}" * 299,
    ],
)
def test_accepted(text: bytes) -> None:
    assert grammar.scan(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf{}",
        b'{"a":1,}',
        b"[1,]",
        b"[,1]",
        b"{'a':1}",
        b'{"a" 1}',
        b'{"a":-}',
        b'{"a":Infinity}',
        b'{"a":truefalse}',
        b"{}{}",
        b"{}\0",
        b"[1] // one",
        b'{"a":1',
        b'["a]',
        b'["a\\"]',
        b"[1}",
        b"[" * 301 + b"]" * 301,
        b"[" * 300 + b"1" + b"]" * 300,
        b"[" * 100_000,
    ],
)
def test_refused(text: bytes) -> None:
    assert grammar.scan(text) is None


@settings(deadline=None)
@given(nested)
def test_elements_of_a_list(text: bytes) -> None:
    expected = reading(text)
    if expected is None or text[expected[0].start] != 0x5B:
        return
    value = expected[0]
    found = list(grammar.elements(text[value.start : value.end]))
    assert [(value.start + left, value.start + right) for left, right in found] == [
        (element.start, element.end) for element in value.elements
    ]


def test_name_at_ends_at_the_closing_quote() -> None:
    assert grammar.name_at(rb'a\"b" : "c"') == rb"a\"b"
