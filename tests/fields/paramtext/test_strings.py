"""Strings and paths as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.types import ParamType
from scaptools.columns import Texts
from scaptools.fields.paramtext import CURRENT, StatelessContext
from tests.fields.paramtext_values import texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"a\x01b\xff\xc3\xa9\n\t\0", b"a\x01b\xff\xc3\xa9\n\t"),
        (b"emb\0edded\0", b"emb"),
        (b"no nul", b"no nul"),
        (b"<NA>\0", b"<NA>"),
        (b"\0", b""),
        (b"", b""),
    ],
)
def test_strings_print_as_they_are(raw: bytes, text: bytes) -> None:
    assert texts(ParamType.CHARBUF, [raw]) == [(text, b"")]


def test_strings_without_a_value() -> None:
    assert texts(ParamType.CHARBUF, [b"", None], dialect=CURRENT) == [(b"<NA>", b""), (None, b"")]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"/a\x01b\xff\xc3\xa9\n\t c\0", b"/ab c"),
        (b"/x/../y//z/.\0", b"/x/../y//z/."),
        (b"/trailing/\0", b"/trailing/"),
        (b"/emb\0ed\0", b"/emb"),
        (b"", b""),
    ],
)
def test_paths_lose_what_cannot_be_printed(raw: bytes, text: bytes) -> None:
    assert texts(ParamType.FSPATH, [raw]) == [(text, b"")]


class _Directory(StatelessContext):
    """Everything starts from /home or from the descriptor's directory; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, bytes, int | None]] = []

    def absolute_path(
        self, _batch: Any, rows: NDArray[np.intp], paths: Texts, dirfds: NDArray[np.int64] | None
    ) -> Texts:
        directories: list[int | None] = [None] * len(paths) if dirfds is None else dirfds.tolist()
        self.asked += zip(rows.tolist(), paths.array.to_pylist(), directories, strict=True)
        texts = zip(paths.array.to_pylist(), directories, strict=True)
        return Texts.of(
            b"/fd%d/%b" % (fd, path) if fd is not None and fd >= 0 else b"/home/" + path for path, fd in texts
        )


def test_only_relative_paths_are_resolved() -> None:
    context = _Directory()
    raws = [b"/abs\0", b"rel\x01\0", b"<NA>\0", None, b"\0", b".\0", b""]
    assert texts(ParamType.FSPATH, raws, context=context) == [
        (b"/abs", b""),
        (b"rel", b"/home/rel\x01"),
        (b"<NA>", b""),
        (None, b""),
        (b"", b"/home/"),
        (b".", b"/home/."),
        (b"", b""),
    ]
    assert context.asked == [(1, b"rel\x01", None), (4, b"", None), (5, b".", None)]


def test_todays_libraries_leave_empty_paths_alone() -> None:
    assert texts(ParamType.FSPATH, [b"\0", b"r\x01\0"], context=_Directory(), dialect=CURRENT) == [
        (b"", b""),
        (b"r\x01", b"/home/r\x01"),
    ]


def test_paths_relative_to_a_descriptor() -> None:
    raws = [b"/abs\0", b"a\0", b"b\0"]
    assert texts(ParamType.FSRELPATH, raws, context=_Directory(), dirfds=[5, 6, -100]) == [
        (b"/abs", b""),
        (b"a", b"/fd6/a"),
        (b"b", b"/home/b"),
    ]


@given(st.lists(st.none() | st.binary(max_size=30), max_size=20))
def test_columns_of_strings(raws: list[bytes | None]) -> None:
    def plain(raw: bytes | None) -> bytes | None:
        return None if raw is None else raw.partition(b"\0")[0]

    expected = [plain(raw) for raw in raws]
    assert [text for text, _ in texts(ParamType.CHARBUF, raws)] == expected
    printable = [None if text is None else bytes(b for b in text if 0x20 <= b < 0x7F) for text in expected]
    assert [text for text, _ in texts(ParamType.FSPATH, raws)] == printable
