"""Paths: how a name given to a system call becomes the path that is shown.

The rules are upstream's, byte for byte, oddities included: dots are dropped wherever they stand before a slash, not
only as whole components.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias

#: What a path that would become too long is replaced with, and how long that is.
TOO_LONG = b"/PATH_TOO_LONG"
_LIMIT = 1024
#: What makes joining change an absolute path, apart from a slash at its end.
DIRTY_PATTERN = r"//|\./|\.\.|\.$|[^ -~]"
_DIRTY = re.compile(DIRTY_PATTERN.replace("$", r"\Z").encode())
_UNPRINTABLE = re.compile(rb"[^ -~]")
#: Steps of the scan, longest rule first.
_STEP = re.compile(rb"(?P<up>\.\./|\.\.\Z)|(?P<skip>\./|\.\Z)|(?P<slash>/)|(?P<text>\.\.|\.|[^./]+)")


def is_plain(path: bytes) -> bool:
    """Whether a path is absolute and joining leaves it as it is."""
    return path.startswith(b"/") and not _DIRTY.search(path) and (len(path) == 1 or not path.endswith(b"/"))


@lru_cache(1 << 14)
def join(base: bytes, path: bytes) -> bytes:
    """``path`` seen from the directory ``base``, normalised; ``base`` itself is taken as it is."""
    if len(base) + len(path) + 2 > _LIMIT:
        return TOO_LONG
    if is_plain(path):
        return path
    out = bytearray() if path.startswith(b"/") else bytearray(base)
    for step in _STEP.finditer(path):
        if step.lastgroup == "text":
            out += _UNPRINTABLE.sub(b".", step[0])
        elif step.lastgroup == "up":
            _drop_component(out)
        elif step.lastgroup == "slash" and not out.endswith(b"/"):
            out += b"/"
    if len(out) > 1 and out.endswith(b"/"):
        del out[-1]
    return bytes(out)


def _drop_component(out: bytearray) -> None:
    """Cut the last component, leaving its slash."""
    if len(out) > 1:
        del out[out.rfind(b"/", 0, len(out) - 1) + 1 :]


def as_directory(path: bytes) -> bytes:
    """A path as the base of others: with a slash at its end unless it is empty."""
    return path if not path or path.endswith(b"/") else path + b"/"


def with_slash(path: bytes) -> bytes:
    """A path with a slash at its end, an empty one being the root."""
    return path if path.endswith(b"/") else path + b"/"


class PathNode:
    """A path that hangs on the name of a file descriptor, and so is worked out later, if at all.

    ``base`` is what ``text`` is relative to; where ``descriptor`` is set, its name takes the place of ``text``:
    (table, fd, position). ``value`` is set once it is known. Nodes only hang on earlier ones.
    """

    __slots__ = ("base", "descriptor", "directory", "position", "text", "value")

    def __init__(
        self,
        base: Path,
        text: bytes,
        position: int,
        *,
        descriptor: tuple[int, int, int] | None = None,
        directory: bool = True,
    ) -> None:
        self.base = base
        self.text = text
        self.position = position
        self.descriptor = descriptor
        self.directory = directory
        self.value: bytes | None = None

    def settle(self, descriptor_name: bytes | None = None) -> None:
        """Work out the value; the base and the descriptor's name have to be known, None where it has none."""
        base = known(self.base)
        if self.descriptor is None:
            joined = join(base, self.text)
        elif descriptor_name is None:
            self.value = base
            return
        else:
            # A descriptor without a name says nothing about where it is.
            joined = join(base, descriptor_name) if descriptor_name else b""
        self.value = with_slash(joined) if self.directory else joined


#: A path that is known, or will be.
Path: TypeAlias = bytes | PathNode


def known(path: Path) -> bytes:
    """The bytes of a path; of one that was never worked out, those of what it started from."""
    while isinstance(path, PathNode):
        if path.value is not None:
            return path.value
        path = path.base
    return path
