"""JSON pointers, with the tolerance that rules rely on.

A leading slash may be left out, and a lone ``~`` stands for itself. There is no percent decoding and no ``#`` form.
"""

from __future__ import annotations


def parse_pointer(pointer: str) -> tuple[bytes, ...]:
    """The member names a pointer walks along; none for the whole document."""
    if not pointer:
        return ()
    steps = pointer.removeprefix("/").encode("utf-8", "surrogateescape").split(b"/")
    return tuple(step.replace(b"~1", b"/").replace(b"~0", b"~") for step in steps)
