r"""Printing values in their source form: compact, and indented.

Nothing is decoded, escaped or sorted: strings and numbers come out as they were written, only the white space between
them changes.
"""

from __future__ import annotations

import re
from typing import Final

from scaptools.plugins.jsontext.grammar import BLANKS

_SOLID: Final = re.compile(rb'(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^" \t\r\n]++)++', re.DOTALL)
_STRICT_TOKEN: Final = re.compile(
    rb'("[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
    rb"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)"
    rb"|([{\[])[ \t\r\n]*([}\]])|([{}\[\],:])|[ \t\r\n]++"
)
_STEP: Final = b"  "


def compact(source: bytes) -> bytes:
    """A value without the white space outside its strings; ``source`` is known to parse."""
    return b"".join(_SOLID.findall(source))


def indented(source: bytes) -> bytes | None:
    """A document with one entry per line, two blanks per level, and the white space after it as it was.

    ``source`` is known to parse leniently; None where strict JSON would refuse one of its scalars.
    """
    body = source.rstrip(BLANKS)
    out = bytearray()
    depth = 0
    position = 0
    while position < len(body):
        match = _STRICT_TOKEN.match(body, position)
        if match is None:
            return None
        position = match.end()
        scalar, opened, closed, mark = match.groups()
        if scalar is not None:
            # Two scalars in a row, such as 01, are one lenient number.
            if position < len(body) and body[position] not in BLANKS + b",:]}":
                return None
            out += scalar
        elif opened is not None:
            out += opened + closed
        elif mark is None:
            continue
        elif mark in b"{[":
            depth += 1
            out += mark + b"\n" + _STEP * depth
        elif mark in b"}]":
            depth -= 1
            out += b"\n" + _STEP * depth + mark
        elif mark == b",":
            out += b",\n" + _STEP * depth
        else:
            out += b": "
    return bytes(out + source[len(body) :])
