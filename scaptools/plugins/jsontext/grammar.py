r"""The lenient grammar, read exactly: one document at a time, by regular expressions and an explicit stack.

Accepted beyond JSON: control characters, unknown escapes and bytes that are not UTF-8 inside strings; a number is any
run of digits, ``.``, ``-``, ``+``, ``e``, ``E``, or ``nan``/``inf`` in any case with or without a sign. Values may
nest 300 deep. Nothing but white space may surround the value.

`scan` is the reference for `index`, which reads many documents at once and leaves to it what it cannot prove.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How deep values may nest; the root is at depth 1.
MAX_DEPTH: Final = 300

BLANKS: Final = b" \t\r\n"
WHITE: Final = rb"[ \t\r\n]*+"
STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
#: Scalars that are no strings, wherever something must follow them.
SCALAR: Final = rb"(?:true|false|null|[-+]?(?i:inf|nan)|(?:[-+][-+.eE0-9]|[.eE0-9])[-+.eE0-9]*+)"
#: A whole document that is a scalar; only there may a sign stand alone.
_ROOT_SCALAR: Final = re.compile(rb"(" + STRING + rb"|" + SCALAR + rb"|[-+](?=\Z))" + WHITE + rb"\Z", re.DOTALL)
_VALUE: Final = rb"(?:(" + STRING + rb"|" + SCALAR + rb")" + WHITE + rb"%s|([{\[]))"
_MEMBER: Final = re.compile(
    WHITE + rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"' + WHITE + rb":" + WHITE + _VALUE % rb"([,}])", re.DOTALL
)
_ELEMENT: Final = re.compile(WHITE + _VALUE % rb"([,\]])", re.DOTALL)
_OBJECT: Final = 0x7B
_EMPTY: Final = {0x7B: re.compile(WHITE + rb"\}"), 0x5B: re.compile(WHITE + rb"\]")}
_AFTER: Final = {0x7B: re.compile(WHITE + rb"([,}])"), 0x5B: re.compile(WHITE + rb"([,\]])")}
_NAME: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_TOKEN: Final = re.compile(STRING + rb"|[{}\[\],]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Scan:
    """What a document holds: its value's span and five numbers per object member, in the order of the text.

    Those are key start, key end, depth, value start, value end; keys without their quotes, depth 1 in the outermost
    container.
    """

    start: int
    end: int
    members: array[int]


def scan(document: bytes) -> Scan | None:
    """Read a document; None where it does not parse."""
    start = len(document) - len(document.lstrip(BLANKS))
    if document[start : start + 1] not in {b"{", b"["}:
        scalar = _ROOT_SCALAR.match(document, start)
        return Scan(start, scalar.end(1), array("q")) if scalar else None
    walk = _Walk(document, start)
    while walk.ends:
        if not walk.step():
            return None
    if document[walk.position :].strip(BLANKS):
        return None
    return Scan(start, walk.position, walk.members)


class _Walk:
    """A way through one document, from bracket to bracket."""

    def __init__(self, document: bytes, start: int) -> None:
        self.document = document
        self.position = start + 1
        self.members: array[int] = array("q")
        #: First bytes of the open containers, outermost first.
        self.kinds = bytearray(document[start : start + 1])
        #: Where in ``members`` the ends of the open containers belong; -1 for one that is no member's value.
        self.ends = [-1]
        self.opened = True

    def step(self) -> bool:
        """Go on to the next container that opens or closes; False on a syntax error."""
        kind = self.kinds[-1]
        if self.opened:
            empty = _EMPTY[kind].match(self.document, self.position)
            if empty:
                return self._close(empty.end())
            if len(self.ends) >= MAX_DEPTH:
                return False
        else:
            after = _AFTER[kind].match(self.document, self.position)
            if after is None:
                return False
            self.position = after.end()
            if after[1] != b",":
                return self._close(self.position)
        return self._object_values() if kind == _OBJECT else self._array_values()

    def _close(self, position: int) -> bool:
        self.kinds.pop()
        end = self.ends.pop()
        if end >= 0:
            self.members[end] = position
        self.position = position
        self.opened = False
        return True

    def _open(self, start: int, end: int) -> bool:
        self.kinds.append(self.document[start])
        self.ends.append(end)
        self.position = start + 1
        self.opened = True
        return True

    def _object_values(self) -> bool:
        document, members, depth, position = self.document, self.members, len(self.ends), self.position
        while match := _MEMBER.match(document, position):
            position = match.end()
            key, key_end = match.span(1)
            value, value_end = match.span(2)
            if value < 0:
                value = match.start(4)
                members.extend((key, key_end, depth, value, -1))
                return self._open(value, len(members) - 1)
            members.extend((key, key_end, depth, value, value_end))
            if match[3] != b",":
                return self._close(position)
        return False

    def _array_values(self) -> bool:
        position = self.position
        while match := _ELEMENT.match(self.document, position):
            position = match.end()
            if match.start(3) >= 0:
                return self._open(match.start(3), -1)
            if match[2] != b",":
                return self._close(position)
        return False


def name_at(text: bytes) -> bytes:
    """A member's name as it is written, from text that begins with it and goes on behind its closing quote."""
    match = _NAME.match(text)
    return match[0] if match else b""


def elements(source: bytes) -> Iterator[tuple[int, int]]:
    """The spans of an array's elements, without the white space around them; ``source`` is known to parse."""
    depth = 0
    start = 1
    for match in _TOKEN.finditer(source):
        token = source[match.start()]
        if token in b"[{":
            depth += 1
        elif token in b"]}":
            depth -= 1
        if (depth == 1 and token == 0x2C) or depth == 0:
            text = source[start : match.start()]
            left = len(text) - len(text.lstrip(BLANKS))
            right = len(text.rstrip(BLANKS))
            if right:
                yield start + left, start + right
            start = match.end()
