from __future__ import annotations

import gc
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.plugins.jsontext import Documents, index
from scaptools.plugins.jsontext.documents import array_index
from tests.plugins.jsontext.lenient import Value, decoded, documents, nested, reading

steps = st.sampled_from(
    [b"a", b"b", b"", b"eventTime", b"eventName", b"0", b"1", b"+1", b"01", b"~/", b"\\q", b"x" * 200]
)


def made(texts: list[bytes], *, strip_nuls: bool = False) -> Documents:
    return Documents.of(pa.array(texts, pa.binary()), strip_nuls=strip_nuls)


def walked(value: Value | None, text: bytes, path: list[bytes]) -> Value | None:
    """The value at a path, step by step."""
    for name in path:
        if value is None:
            return None
        if text[value.start] == 0x7B:
            value = next((member for key, member in value.members if key == name), None)
        elif text[value.start] == 0x5B:
            number = array_index(name)
            value = value.elements[number] if number is not None and number < len(value.elements) else None
        else:
            return None
    return value


@settings(deadline=None, max_examples=400)
@given(st.lists(documents, min_size=1, max_size=6), st.lists(steps, max_size=4), st.booleans())
def test_paths_agree_with_walking_every_document(texts: list[bytes], path: list[bytes], arrays: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if arrays:
            patch.setattr(index, "_FEW_BYTES", 0)
        found = made(texts)
        spans = found.path(*path)
        printed, strings = found.printed(spans).to_pylist(), found.strings(spans).to_pylist()
    for row, text in enumerate(texts):
        read = reading(text)
        value = None if read is None else walked(read[0], text, path)
        if value is None:
            assert (printed[row], strings[row]) == (None, None)
        elif text[value.start] == 0x22:
            expected = decoded(text[value.start + 1 : value.end - 1])
            assert (printed[row], strings[row]) == (expected, expected)
        else:
            assert strings[row] == b""
            assert b"".join(printed[row].split()) == b"".join(text[value.start : value.end].split())


@settings(deadline=None)
@given(st.lists(nested, max_size=5))
def test_elements(texts: list[bytes]) -> None:
    found = made(texts)
    rows, spans = found.elements(found.root)
    expected = []
    for row, text in enumerate(texts):
        read = reading(text)
        if read is not None and text[read[0].start] == 0x5B:
            expected += [(row, text[element.start : element.end]) for element in read[0].elements]
    found_texts = [found.bytes[start:end].tobytes() for start, end in zip(spans.start, spans.end, strict=True)]
    assert list(zip(rows.tolist(), found_texts, strict=True)) == expected
    assert spans.level == 1


def test_the_first_of_equal_names_wins_however_they_are_written() -> None:
    texts = [b'{"a":1,"a":2}', b'{"\\u0061":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"b":{"a":0},"a":1}']
    found = made(texts)
    assert found.printed(found.path(b"a")).to_pylist() == [b"1"] * 4


def test_long_names() -> None:
    for name in (b"n" * 126, b"n" * 127, b"n" * 128, b"n" * 70_000):
        text = b'{"%s":1,"%sx":2,"\\u006e%s":3,"%s\\t":4}' % (name, name, name, name)
        found = made([text, b"{}"])
        for wanted, value in ((name, b"1"), (name + b"x", b"2"), (b"n" + name, b"3"), (name + b"\t", b"4")):
            assert found.printed(found.path(wanted)).to_pylist() == [value, None]
        escape_behind = made([b'{"%s":"\\n"}' % name])
        assert escape_behind.strings(escape_behind.path(name)).to_pylist() == [b"\n"]


def test_compact_where_the_document_is_spaced() -> None:
    found = made([b'{"a":{"b": [1, " 2 "]}}', b'{"a":{"b":[]}}'])
    assert found.printed(found.path(b"a")).to_pylist() == [b'{"b":[1," 2 "]}', b'{"b":[]}']


def test_stripping_nuls() -> None:
    texts = [b"\0\0{}\0", b"{}", b"\0", b"", b'{"a":"\0"}', b"\0[1]"]
    assert made(texts, strip_nuls=True).root.present.tolist() == [True, True, False, False, True, True]
    assert made(texts).root.present.tolist() == [False, True, False, False, True, False]
    assert made(texts).first_bytes().tolist() == [0, 0x7B, 0, 0, 0x7B, 0]


def test_deep_paths_end() -> None:
    deep = b'{"a":' * 299 + b"1" + b"}" * 299
    found = made([deep])
    assert found.printed(found.path(*[b"a"] * 299)).to_pylist() == [b"1"]
    assert found.printed(found.path(*[b"a"] * 300)).to_pylist() == [None]
    assert found.printed(found.path(*[b"a"] * 100_000)).to_pylist() == [None]


def test_slices_of_arrays_and_large_arrays() -> None:
    texts = [b'{"a":%d}' % number for number in range(20)]
    for kind in (pa.binary(), pa.large_binary()):
        found = Documents.of(pa.array(texts, kind)[5:9])
        assert found.printed(found.path(b"a")).to_pylist() == [b"5", b"6", b"7", b"8"]
    assert len(Documents.of(pa.array([], pa.binary())).root.start) == 0


def test_the_same_bytes_are_indexed_once_and_forgotten_with_their_last_user() -> None:
    data = pa.array([b"{}", b"[]"], pa.binary())
    first = Documents.of(data)
    assert Documents.of(data, strip_nuls=True) is first
    assert Documents.of(data[1:]) is not first
    assert first.root.present.all()
    del first
    gc.collect()
    assert "index" not in vars(Documents.of(data))


@settings(deadline=None)
@given(st.integers(-5, 30), st.sampled_from(["", "+", "0", "00", "-0"]))
def test_array_index_is_decimal(number: int, prefix: str) -> None:
    text = f"{prefix}{number}"
    try:
        expected = int(text)
    except ValueError:
        expected = -1
    assert array_index(text.encode()) == (expected if expected >= 0 else None)


@pytest.mark.parametrize("name", [b"", b"-", b"+", b"1_0", b" 1", b"1 ", b"0x1", b"1" * 5000, "١".encode(), b"-1"])
def test_no_array_index(name: bytes) -> None:
    assert array_index(name) is None


def test_against_the_standard_library() -> None:
    value = {"user": {"name": "é", "tags": ["x", {"k": None}]}, "n": 1.5, "empty": {}}
    texts = [json.dumps(value | {"row": row}).encode() for row in range(400)]
    found = made(texts)
    assert found.printed(found.path(b"row")).to_pylist() == [str(row).encode() for row in range(400)]
    assert set(found.strings(found.path(b"user", b"name")).to_pylist()) == {"é".encode()}
    assert set(found.printed(found.path(b"user", b"tags", b"1")).to_pylist()) == {b'{"k":null}'}
    assert np.array_equal(found.is_object(found.path(b"empty")), np.ones(400, bool))
