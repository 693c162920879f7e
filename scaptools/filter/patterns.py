r"""Pattern languages of the text operators, read once and then matched value by value or turned into RE2.

- `Glob` is POSIX ``fnmatch`` without flags, over bytes.
- `posix_regex` checks and translates the POSIX-egrep dialect of RE2 into the dialect Arrow compiles.

RE2 patterns over bytes are meant for Arrow's ``binary`` columns, where RE2 takes every byte as one Latin-1 character.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class PatternError(ValueError):
    """A regular expression that does not exist in the POSIX-egrep dialect."""


class Wild(Enum):
    """The wildcards of a glob."""

    ONE = "?"
    MANY = "*"


#: One byte out of several, or a literal byte, or a wildcard.
Token: TypeAlias = frozenset[int] | int | Wild

_CLASSES = {
    name: frozenset(members.encode())
    for name, members in {
        "alnum": string.ascii_letters + string.digits,
        "alpha": string.ascii_letters,
        "blank": " \t",
        "cntrl": "".join(map(chr, (*range(32), 127))),
        "digit": string.digits,
        "graph": "".join(map(chr, range(33, 127))),
        "lower": string.ascii_lowercase,
        "print": "".join(map(chr, range(32, 127))),
        "punct": string.punctuation,
        "space": " \t\n\v\f\r",
        "upper": string.ascii_uppercase,
        "xdigit": string.hexdigits,
    }.items()
}
_ALL_BYTES = frozenset(range(256))
_LOWER = bytes(range(256)).lower()
_SLASH = ord("/")
_DASH, _CLOSE, _OPEN, _BACKSLASH = b"-][\\"
_NAMED = re.compile(rb"\[:([a-z]+):\]")


def fold(byte: int) -> int:
    """The lower-case form of an ASCII letter, any other byte unchanged."""
    return _LOWER[byte]


@dataclass(frozen=True, slots=True)
class Glob:
    """A glob as tokens; with ``folded``, ASCII letters match whatever their case."""

    tokens: tuple[Token, ...]
    folded: bool = False

    @staticmethod
    def parse(pattern: bytes, *, folded: bool = False) -> Glob | None:
        """Read a pattern; None where it can match nothing at all, as with a backslash at its end."""
        tokens: list[Token] = []
        index = 0
        while index < len(pattern):
            byte = pattern[index]
            index += 1
            if byte == ord("*"):
                if not tokens or tokens[-1] is not Wild.MANY:
                    tokens.append(Wild.MANY)
            elif byte == ord("?"):
                tokens.append(Wild.ONE)
            elif byte == _OPEN and (parsed := _parse_set(pattern, index, folded=folded)) is not None:
                members, index = parsed
                tokens.append(members)
            elif byte == _BACKSLASH:
                if index == len(pattern):
                    return None
                tokens.append(fold(pattern[index]) if folded else pattern[index])
                index += 1
            else:
                tokens.append(fold(byte) if folded else byte)
        return Glob(tuple(tokens), folded)

    def matches(self, value: bytes) -> bool:
        """Whether the whole of ``value`` matches; the time is bounded by the product of the lengths."""
        folded = value.lower() if self.folded else value
        tokens = self.tokens
        at = token = 0
        resume_at, resume_token = 0, -1
        while at < len(value):
            current = tokens[token] if token < len(tokens) else None
            if current is Wild.MANY:
                resume_at, resume_token = at, token + 1
                token += 1
            elif current is Wild.ONE or _accepts(current, value[at], folded[at]):
                at += 1
                token += 1
            elif resume_token >= 0:  # let the latest star take one byte more
                resume_at += 1
                at, token = resume_at, resume_token
            else:
                return False
        return all(rest is Wild.MANY for rest in tokens[token:])

    def literal(self) -> tuple[bool, bytes, bool] | None:
        """``(star, bytes, star)`` for a plain text with at most a star at either end, None for anything else."""
        tokens = self.tokens
        leading = bool(tokens) and tokens[0] is Wild.MANY
        trailing = len(tokens) > 1 and tokens[-1] is Wild.MANY
        middle = tokens[leading : len(tokens) - trailing]
        plain = [token for token in middle if isinstance(token, int)]
        return (leading, bytes(plain), trailing) if len(plain) == len(middle) else None

    def regex(self, *, within_part: bool = False) -> str:
        """The same pattern for RE2, unanchored; ``within_part`` keeps wildcards from matching a slash."""
        excluded = frozenset({_SLASH}) if within_part else frozenset[int]()
        anything = byte_set(_ALL_BYTES - excluded)
        parts = []
        for token in self.tokens:
            if token is Wild.MANY:
                parts.append(f"{anything}*")
            elif token is Wild.ONE:
                parts.append(anything)
            elif isinstance(token, int):
                both = {token, ord(chr(token).upper())} if self.folded and token < 128 else {token}
                parts.append(byte_set(frozenset(both)))
            else:
                parts.append(byte_set(token - excluded))
        return "".join(parts)


def byte_set(members: frozenset[int]) -> str:
    """An RE2 class of Latin-1 characters, or a plain character where there is only one."""
    if len(members) == 1:
        (byte,) = members
        return chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\x{byte:02x}"
    if not members:
        return r"[^\x00-\xff]"
    ranges: list[list[int]] = []
    for byte in sorted(members):
        if ranges and ranges[-1][1] == byte - 1:
            ranges[-1][1] = byte
        else:
            ranges.append([byte, byte])
    return "[" + "".join(f"\\x{low:02x}-\\x{high:02x}" for low, high in ranges) + "]"


def _accepts(token: Token | None, byte: int, folded: int) -> bool:
    return token == folded if isinstance(token, int) else isinstance(token, frozenset) and byte in token


def _parse_set(pattern: bytes, index: int, *, folded: bool) -> tuple[frozenset[int], int] | None:
    """The bytes of a bracket expression and the index after it, None where it is never closed.

    With ``folded``, members and ends of ranges are folded, and every byte belongs whose folded form does.
    """
    negated = pattern[index : index + 1] in {b"!", b"^"}
    index += negated
    plain: set[int] = set()
    classes: set[int] = set()
    first = True
    while True:
        if index >= len(pattern):
            return None
        if pattern[index] == _CLOSE and not first:
            break
        first = False
        named = _NAMED.match(pattern, index)
        if named is not None:
            classes |= _CLASSES.get(named[1].decode(), frozenset())
            index = named.end()
            continue
        low, index = _member(pattern, index)
        high: int | None = low
        if pattern[index : index + 1] == b"-" and pattern[index + 1 : index + 2] not in {b"]", b""}:
            high, index = _member(pattern, index + 1)
        if low is None or high is None:
            return None
        ends = (fold(low), fold(high)) if folded else (low, high)
        plain.update(range(ends[0], ends[1] + 1))
    if folded:
        plain = {byte for byte in _ALL_BYTES if fold(byte) in plain}
    members = frozenset(plain | classes)
    return (_ALL_BYTES - members if negated else members), index + 1


def _member(pattern: bytes, index: int) -> tuple[int | None, int]:
    """One byte of a bracket expression, quoted or not, and the index after it."""
    if pattern[index] == _BACKSLASH:
        index += 1
    return (pattern[index] if index < len(pattern) else None), index + 1


_REPEAT = re.compile(r"\*|\+|\?|\{[0-9]+(?:,[0-9]*)?\}", re.ASCII)
_ESCAPED = re.compile(r"\\(?:x\{[0-9a-fA-F]+\}|x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
#: Escapes RE2 knows in its Perl dialect only.
_PERL_ESCAPES = frozenset("AbBCdDpPQEsSwWzZ")
#: Zero-width positions, which mean lines in the POSIX dialect.
_LINE_ENDS = {"^": "(?m:^)", "$": "(?m:$)"}


def posix_regex(pattern: str) -> str:
    """A pattern of RE2's POSIX-egrep dialect, matched against whole values, in the dialect Arrow compiles.

    Raises PatternError for what only exists in the Perl dialect; other faults are left to RE2. Repeated repetition
    such as ``a+?`` is not lazy here, and ``^`` and ``$`` mean lines.
    """
    levels: list[list[str]] = [[]]
    repeated = False  # whether the last piece ends in a repetition
    index = 0
    while index < len(pattern):
        character = pattern[index]
        pieces = levels[-1]
        if (repeat := _REPEAT.match(pattern, index)) is not None:
            if not pieces or pieces[-1] == "|":
                raise PatternError(f"missing argument to repetition operator: {repeat.group()}")
            pieces[-1] = f"(?:{pieces[-1]}){repeat.group()}" if repeated else pieces[-1] + repeat.group()
            repeated = True
            index = repeat.end()
            continue
        repeated = False
        if character == "\\":
            escape = _escape(pattern, index)
            pieces.append(escape)
            index += len(escape)
            continue
        if character == "[":
            end = _class_end(pattern, index)
            pieces.append(pattern[index:end])
            index = end
            continue
        index += 1
        if character == "(":
            levels.append([])
        elif character == ")":
            if len(levels) == 1:
                raise PatternError(f"unexpected ): {pattern}")
            levels.pop()
            levels[-1].append(f"(?:{''.join(pieces)})")
        else:
            pieces.append(_LINE_ENDS.get(character, r"\{" if character == "{" else character))
    if len(levels) > 1:
        raise PatternError(f"missing ): {pattern}")
    return f"\\A(?:{''.join(levels[0])})\\z"


def _escape(pattern: str, index: int) -> str:
    match = _ESCAPED.match(pattern, index)
    if match is None:
        raise PatternError("trailing \\")
    escape = match.group()
    if escape[1] in _PERL_ESCAPES:
        raise PatternError(f"invalid escape sequence: {escape}")
    return escape


def _class_end(pattern: str, start: int) -> int:
    """The index after a bracket expression; refuses what the POSIX dialect does not have inside it."""
    index = start + 1
    if pattern.startswith("^", index):
        index += 1
    first = True
    while index < len(pattern):
        character = pattern[index]
        if character == "]" and not first:
            return index + 1
        if character == "-" and not first and not pattern.startswith("]", index + 1):
            raise PatternError(f"invalid character class range: {pattern[index : index + 2]}")
        first = False
        if pattern.startswith("[:", index) and (close := pattern.find(":]", index)) > 0:
            index = close + 2
            continue
        index = _class_member(pattern, index)
        if pattern.startswith("-", index) and index + 1 < len(pattern) and pattern[index + 1] != "]":
            index = _class_member(pattern, index + 1)
    raise PatternError(f"missing ]: {pattern[start:]}")


def _class_member(pattern: str, index: int) -> int:
    return index + (len(_escape(pattern, index)) if pattern[index] == "\\" else 1)
