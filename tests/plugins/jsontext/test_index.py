from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.plugins.jsontext import grammar, index
from tests.plugins.jsontext.lenient import documents, nested, reading

if TYPE_CHECKING:
    from collections.abc import Sequence


def indexed(texts: Sequence[bytes], between: bytes = b"") -> index.Index:
    sizes = np.array([len(text) for text in texts], np.int64)
    ends = np.cumsum(sizes + len(between)) - len(between)
    return index.build_index(np.frombuffer(between.join(texts), np.uint8), ends - sizes, ends)


def scanned(texts: Sequence[bytes], gap: int = 0) -> tuple[list[tuple[int, int]], list[tuple[int, int, int, int, int]]]:
    """Spans and member rows of one document after the other."""
    spans, rows = [], []
    base = 0
    for text in texts:
        found = grammar.scan(text)
        spans.append((0, 0) if found is None else (base + found.start, base + found.end))
        if found is not None:
            numbers = iter(found.members)
            for key, key_end, depth, value, value_end in zip(*[numbers] * 5, strict=True):
                length = min(key_end - key, index.MAX_NAME)
                rows.append((base + key, depth, length, base + value, base + value_end))
        base += len(text) + gap
    return spans, rows


def rows_of(found: index.Index) -> list[tuple[int, int, int, int, int]]:
    depth, length = index.depth_of(found.sign), index.length_of(found.sign)
    columns = (found.key, depth, length, found.value, found.value_end)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def spans_of(found: index.Index) -> list[tuple[int, int]]:
    return list(zip(found.start.tolist(), found.end.tolist(), strict=True))


@pytest.fixture
def arrays_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Index by arrays however short the documents are."""
    monkeypatch.setattr(index, "_FEW_BYTES", 0)


@pytest.mark.usefixtures("arrays_only")
class TestArrays:
    @settings(deadline=None, max_examples=500)
    @given(st.lists(documents, max_size=8), st.sampled_from([b"", b",", b'"{']))
    def test_index_agrees_with_scan(self, texts: list[bytes], between: bytes) -> None:
        found = indexed(texts, between)
        spans, rows = scanned(texts, len(between))
        assert spans_of(found) == spans
        assert rows_of(found) == rows

    @settings(deadline=None)
    @given(nested)
    def test_well_formed_documents_are_left_to_nobody(self, text: bytes) -> None:
        if reading(text) is None or text[:1] not in {b"{", b"["}:
            return

        def unexpected(_: bytes) -> None:
            raise AssertionError(text)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(grammar, "scan", unexpected)
            found = indexed([text])
        assert found.end[0] > 0

    @pytest.mark.parametrize("depth", [index.MAX_LEVELS - 1, index.MAX_LEVELS, index.MAX_LEVELS + 1, 127, 128, 299])
    def test_nesting(self, depth: int) -> None:
        text = b'{"a":' * depth + b"[]" + b"}" * depth
        texts = [b'{"b":1}', text, b'{"c":2}']
        assert rows_of(indexed(texts)) == scanned(texts)[1]
        assert len(rows_of(indexed(texts))) == depth + 2

    @pytest.mark.parametrize("surplus", [b"{" * 256, b"[" * 200, b"]" * 256, b'{"a":' * 300])
    def test_brackets_that_do_not_balance_spoil_no_other_document(self, surplus: bytes) -> None:
        texts = [b'{"a":{"b":1}}', surplus, b'{"a":{"b":2}}', b'["', b'{"c":3}']
        found = indexed(texts)
        assert spans_of(found) == scanned(texts)[0]
        assert [bool(end) for end in found.end] == [True, False, True, False, True]
        assert rows_of(found) == scanned(texts)[1]

    def test_spaced(self) -> None:
        texts = [b'{"a":1,"b":[" "]}', b'{"a": 1}', b' {"a":1}\n', b"[1\n]", b'{"a":1 , "b":2}']
        assert indexed(texts).spaced.tolist() == [False, True, False, True, True]


def test_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_BLOCK", 64)
    monkeypatch.setattr(index, "_FEW_BYTES", 16)
    texts = [b'{"number":%d,"text":"%s"}' % (number, b"x" * (number % 90)) for number in range(100)]
    assert (spans_of(indexed(texts)), rows_of(indexed(texts))) == scanned(texts)


def test_slashes_are_where_runs_begin_in_the_buffer() -> None:
    texts = [b'{"a":"\\n"}', b"{}", b'{"\\\\":1}', b'["\\\\\\""]']
    found = indexed(texts)
    text = b"".join(texts)
    assert found.slashes.tolist() == [match.start() for match in re.finditer(rb"\\+", text)]


def test_nothing_to_index() -> None:
    found = indexed([])
    assert (len(found.start), len(found.key), len(found.slashes)) == (0, 0, 0)


def test_signatures_tell_names_and_depths_apart() -> None:
    names = [b"", b"a", b"b", b"eventTime", b"eventName", b"eventType", b"eventTimeX", b"x" * 126]
    signs = {int(index.signature_of(depth, name)) for depth in (1, 2, 300) for name in names}
    assert len(signs) == 3 * len(names)
