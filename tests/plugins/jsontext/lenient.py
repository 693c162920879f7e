"""Lenient JSON for tests: texts to read, and a reader as plain as can be to compare with."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

WHITE = b" \t\r\n"
NUMBER = b"0123456789.-+eE"
SIMPLE = {0x22: b'"', 0x5C: b"\\", 0x2F: b"/", 0x62: b"\b", 0x66: b"\f", 0x6E: b"\n", 0x72: b"\r", 0x74: b"\t"}


class RefusedError(Exception):
    """The text does not parse."""


@dataclass
class Value:
    start: int
    end: int = 0
    members: list[tuple[bytes, Value]] = field(default_factory=list)
    elements: list[Value] = field(default_factory=list)


class Reader:
    """Reads one text byte by byte."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.at = 0
        #: (key start, key end, depth, value start, value end) of each member, in the order of the text.
        self.rows: list[list[int]] = []

    def read(self) -> Value:
        self.white()
        value = self.value(1)
        self.white()
        if self.at < len(self.text):
            raise RefusedError
        return value

    def peek(self) -> int:
        if self.at >= len(self.text):
            raise RefusedError
        return self.text[self.at]

    def white(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in WHITE:
            self.at += 1

    def take(self, word: bytes) -> None:
        if not self.text.startswith(word, self.at):
            raise RefusedError
        self.at += len(word)

    def value(self, depth: int) -> Value:
        if depth > 300:
            raise RefusedError
        value = Value(self.at)
        first = self.peek()
        if first == 0x7B:
            self.object(value, depth)
        elif first == 0x5B:
            self.array(value, depth)
        elif first == 0x22:
            self.string()
        elif first in b"tf":
            self.take(b"true" if first == 0x74 else b"false")
        elif self.text.startswith(b"null", self.at):
            self.take(b"null")
        else:
            self.number()
        value.end = self.at
        return value

    def number(self) -> None:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in NUMBER:
            self.at += 1
        run = self.text[start : self.at]
        if run in {b"", b"+", b"-"} and not (run and self.at == len(self.text)):
            if self.text[self.at : self.at + 3].lower() not in {b"inf", b"nan"}:
                raise RefusedError
            self.at += 3

    def string(self) -> None:
        self.at += 1
        while self.peek() != 0x22:
            self.at += 2 if self.peek() == 0x5C else 1
        self.at += 1

    def object(self, value: Value, depth: int) -> None:
        self.at += 1
        self.white()
        if self.peek() == 0x7D:
            self.at += 1
            return
        while True:
            self.white()
            if self.peek() != 0x22:
                raise RefusedError
            row = [self.at + 1, 0, depth, 0, 0]
            self.rows.append(row)
            self.string()
            row[1] = self.at - 1
            self.white()
            self.take(b":")
            self.white()
            member = self.value(depth + 1)
            row[3:] = member.start, member.end
            value.members.append((decoded(self.text[row[0] : row[1]]), member))
            self.white()
            if self.peek() == 0x7D:
                self.at += 1
                return
            self.take(b",")

    def array(self, value: Value, depth: int) -> None:
        self.at += 1
        self.white()
        if self.peek() == 0x5D:
            self.at += 1
            return
        while True:
            self.white()
            value.elements.append(self.value(depth + 1))
            self.white()
            if self.peek() == 0x5D:
                self.at += 1
                return
            self.take(b",")


def reading(text: bytes) -> tuple[Value, list[list[int]]] | None:
    """The value and the member rows of a text, None where it does not parse."""
    reader = Reader(text)
    try:
        return reader.read(), reader.rows
    except RefusedError:
        return None


def unit(text: bytes) -> int | None:
    """The number of a ``uXXXX`` at the beginning of a text."""
    digits = text[1:5]
    return int(digits, 16) if text[:1] == b"u" and len(digits) == 4 and digits.isalnum() and is_hex(digits) else None


def is_hex(digits: bytes) -> bool:
    return all(digit in b"0123456789abcdefABCDEF" for digit in digits)


def decoded(raw: bytes) -> bytes:
    """The text of a string literal without its quotes, one escape after the other."""
    out = b""
    at = 0
    while at < len(raw):
        if raw[at] != 0x5C or at + 1 == len(raw):
            out += raw[at : at + 1]
            at += 1
            continue
        code = unit(raw[at + 1 :])
        if code is None:
            out += SIMPLE.get(raw[at + 1], raw[at : at + 2])
            at += 2
        elif not 0xD800 <= code < 0xE000:
            out += chr(code).encode()
            at += 6
        else:
            low = unit(raw[at + 7 :]) if raw[at + 6 : at + 7] == b"\\" else None
            if low is None:
                out += raw[at : at + 6]
                at += 6
            else:
                pair = code < 0xDC00 <= low < 0xE000
                out += chr(0x10000 + (code - 0xD800) * 1024 + low - 0xDC00).encode() if pair else b"\xef\xbf\xbd"
                at += 12
    return out


blanks = st.sampled_from([b""] * 5 + [b" ", b"\n  ", b"\t\r"])
raw_texts = st.lists(
    st.sampled_from(
        [
            *(bytes([byte]) for byte in b"abkT:,{}[]/ \n\x00\x7f\xff"),
            "é€😀".encode(),
            b'\\"',
            b"\\\\",
            b"\\n",
            b"\\q",
            b"\\u0041",
            b"\\u0000",
            b"\\ud83d",
            b"\\ude00",
            b"\\u12",
            b"\\u",
            b"long enough for a word",
        ]
    ),
    max_size=5,
).map(b"".join)
strings = raw_texts.map(lambda raw: b'"' + raw + b'"')
names = (
    st.sampled_from([b'"a"', b'"b"', b'"\\u0061"', b'""', b'"eventTime"', b'"eventName"', b'"0"', b'"~/"']) | strings
)
scalars = strings | st.sampled_from(
    b"0 01 -0 1.50 1E+3 1-2 .5 e - + -inf NaN +Inf nan true false null nul 123456789012345678901".split()
)


def members(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    member = st.tuples(blanks, names, blanks, st.just(b":"), blanks, values, blanks).map(b"".join)
    return st.tuples(st.just(b"{"), st.lists(member, max_size=4).map(b",".join), st.just(b"}"), blanks).map(b"".join)


def lists(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    element = st.tuples(blanks, values, blanks).map(b"".join)
    return st.tuples(st.just(b"["), st.lists(element, max_size=4).map(b",".join), st.just(b"]"), blanks).map(b"".join)


def containers(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return members(values) | lists(values)


nested = st.recursive(scalars, containers, max_leaves=12)
pieces = st.lists(
    st.sampled_from([b"{", b"}", b"[", b"]", b'"', b":", b",", b"1", b" ", b"\\", b'"a"', b"true", b"\0", b"-"]),
    max_size=8,
).map(b"".join)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    text = draw(nested)
    start = draw(st.integers(0, len(text)))
    return text[:start] + draw(pieces) + text[draw(st.integers(start, min(start + 2, len(text)))) :]


#: Texts of which most parse, some nearly do, and a few are anything.
documents = st.one_of(nested, nested, damaged(), pieces, st.binary(max_size=12))
