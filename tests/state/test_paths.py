"""How names become paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools.state.opens import unresolved
from scaptools.state.paths import TOO_LONG, PathNode, as_directory, is_plain, join, known, with_slash


@pytest.mark.parametrize(
    ("base", "name", "path"),
    [
        (b"/x/", b"a../b", b"/x/b"),
        (b"/x/", b"x./y", b"/x/xy"),
        (b"/", b".../f", b"/..f"),
        (b"/", b"..", b"/"),
        (b"/a/b/", b"../../c", b"/c"),
        (b"/a/", b"", b"/a"),
        (b"/", b"\xc3\xa4", b"/.."),
        (b"//", b"etc", b"//etc"),
        (b"", b"rel", b"rel"),
        (b"/home/", b"/etc//passwd/", b"/etc/passwd"),
        (b"/home/", b"a/..b", b"/home/a/..b"),
        (b"/a/", b"x" * 1100, TOO_LONG),
    ],
)
def test_join(base: bytes, name: bytes, path: bytes) -> None:
    assert join(base, name) == path


@given(st.binary(max_size=12).map(lambda name: b"/" + name))
def test_plain_paths_are_those_that_joining_leaves_alone(name: bytes) -> None:
    import pyarrow as pa

    unchanged = join(b"", name) == name
    assert not is_plain(name) or unchanged
    (left,) = [len(unresolved(pa.array([name], pa.binary())))]
    assert left or unchanged


def test_slashes_at_the_end() -> None:
    assert [as_directory(path) for path in (b"", b"/", b"/a")] == [b"", b"/", b"/a/"]
    assert [with_slash(path) for path in (b"", b"/", b"/a")] == [b"/", b"/", b"/a/"]


def test_a_path_that_waits_for_a_descriptor() -> None:
    node = PathNode(b"/start/", b"", 4, descriptor=(1, 3, 4))
    below = PathNode(node, b"sub", 6)
    assert known(below) == b"/start/"
    node.settle(b"/srv/data")
    below.settle()
    assert (known(node), known(below)) == (b"/srv/data/", b"/srv/data/sub/")


def test_a_descriptor_nobody_knows_changes_nothing() -> None:
    node = PathNode(b"", b"", 4, descriptor=(1, 3, 4))
    node.settle(None)
    assert known(node) == b""
