from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.plugins.cloudtrail import splitting
from scaptools.plugins.cloudtrail.splitting import split_records


def split(text: bytes) -> list[bytes]:
    starts, ends = split_records(np.frombuffer(text, np.uint8))
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def counted(text: bytes) -> list[bytes]:
    """Records found by counting braces byte by byte."""
    found = []
    depth = start = 0
    quoted = escaped = False
    for at, byte in enumerate(text):
        if quoted:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                quoted = False
        elif byte == 0x22:
            quoted = True
        elif byte == 0x7B:
            if depth == 1:
                start = at
            depth += 1
        elif byte == 0x7D:
            depth -= 1
            if depth == 1:
                found.append(text[start : at + 1])
    return found


@settings(deadline=None, max_examples=500)
@given(
    st.lists(st.sampled_from([b"{", b"}", b"{", b"}", b'"', b"\\", b'\\"', b"[", b"]", b"x", b'"{"']), max_size=25),
    st.sampled_from([1, 2, 3, 7, 1000]),
)
def test_splitting_agrees_with_counting_byte_by_byte(parts: list[bytes], piece: int) -> None:
    text = b"".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splitting, "_PIECE", piece)
        assert split(text) == counted(text)


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (b'{"Records":[{"a":1},{"b":{"c":2}}]}', [b'{"a":1}', b'{"b":{"c":2}}']),
        (b'{"Records" : [ {"a" : 1}\n, {} ] }', [b'{"a" : 1}', b"{}"]),
        (b'\xef\xbb\xbf{"r":[{"a":1}]} trailing', [b'{"a":1}']),
        (b'{"x":{"a":1}}', [b'{"a":1}']),
        (b'{"r":[{"a":1}]}{"r":[{"b":2}]}', [b'{"a":1}', b'{"b":2}']),
        (b'{"r":[{"a":"}{\\"}"},{"b":"\\\\"}]}', [b'{"a":"}{\\"}"}', b'{"b":"\\\\"}']),
        (b'{"r":[{"a":1},{"b":', [b'{"a":1}']),
        (b'}{"r":[{"a":1}]}', []),
        (b'[{"a":{"b":1}}]', [b'{"b":1}']),
        (b"", []),
        (b'"{', []),
        (b'\\"{"r":{}}', []),
    ],
)
def test_split(text: bytes, records: list[bytes]) -> None:
    assert split(text) == records
