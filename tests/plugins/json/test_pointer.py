from __future__ import annotations

import pytest

from scaptools.plugins.json.pointer import parse_pointer


@pytest.mark.parametrize(
    ("pointer", "names"),
    [
        ("", ()),
        ("/", (b"",)),
        ("//", (b"", b"")),
        ("/a", (b"a",)),
        ("a", (b"a",)),
        ("a/b", (b"a", b"b")),
        ("/a/b/", (b"a", b"b", b"")),
        ("/a~1b", (b"a/b",)),
        ("/m~0n", (b"m~n",)),
        ("/~01", (b"~1",)),
        ("/~", (b"~",)),
        ("/~2", (b"~2",)),
        ("#/a", (b"#", b"a")),
        ("/%25", (b"%25",)),
        ("/ a b ", (b" a b ",)),
        ("/é", ("é".encode(),)),
        ("/\udcff", (b"\xff",)),
    ],
)
def test_parse(pointer: str, names: tuple[bytes, ...]) -> None:
    assert parse_pointer(pointer) == names
