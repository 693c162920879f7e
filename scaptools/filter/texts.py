"""Predicates that search in texts and byte buffers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaptools.filter.arrow import arrow, kernels, mask_of, valid_text
from scaptools.filter.compare import TextPredicate
from scaptools.filter.patterns import Glob, PatternError, Wild, byte_set, fold, posix_regex

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from scaptools.columns import Mask, Numbers, Texts

#: Characters of alternatives compiled into one regular expression; RE2 refuses programs of several megabytes.
_REGEX_SIZE = 16_384


class Search(TextPredicate):
    """Something about where a constant lies in the value."""

    def __init__(self, constant: bytes) -> None:
        self.constant = constant

    def texts(self) -> tuple[bytes, ...]:
        """See `Predicate.texts`."""
        return (self.constant,)


class Contains(Search):
    """The constant lies somewhere in the value."""

    def one(self, value: bytes) -> bool:
        """See `TextPredicate.one`."""
        return self.constant in value

    def many(self, array: pa.Array) -> Mask:
        """See `TextPredicate.many`."""
        return mask_of(kernels().match_substring(array, self.constant))


class ContainsFolded(Search):
    """The constant lies somewhere in the value, whatever the case of ASCII letters."""

    def texts(self) -> tuple[bytes, ...]:
        """See `Predicate.texts`."""
        return TextPredicate.texts(self)

    def one(self, value: bytes) -> bool:
        """See `TextPredicate.one`."""
        return self.constant.lower() in value.lower()

    def many(self, array: pa.Array) -> Mask:
        """See `TextPredicate.many`."""
        if self.constant.isascii():
            return mask_of(kernels().match_substring(array, self.constant, ignore_case=True))
        # Arrow would fold Latin-1 letters too
        pattern = "".join(byte_set(frozenset({fold(byte), *bytes([byte]).upper()})) for byte in self.constant.lower())
        return mask_of(kernels().match_substring_regex(array, pattern))


class StartsWith(Search):
    """The value begins with the constant."""

    def one(self, value: bytes) -> bool:
        """See `TextPredicate.one`."""
        return value.startswith(self.constant)

    def many(self, array: pa.Array) -> Mask:
        """See `TextPredicate.many`."""
        return mask_of(kernels().starts_with(array, self.constant))


class EndsWith(Search):
    """The value ends with the constant."""

    def one(self, value: bytes) -> bool:
        """See `TextPredicate.one`."""
        return value.endswith(self.constant)

    def many(self, array: pa.Array) -> Mask:
        """See `TextPredicate.many`."""
        return mask_of(kernels().ends_with(array, self.constant))


class GlobMatch(TextPredicate):
    """The whole value matches a glob; with ``folded``, whatever the case of ASCII letters."""

    def __init__(self, pattern: bytes, *, folded: bool = False) -> None:
        self.glob = Glob.parse(pattern, folded=folded)

    def texts(self) -> tuple[bytes, ...]:
        """See `Predicate.texts`."""
        literal = None if self.glob is None or self.glob.folded else self.glob.literal()
        return super().texts() if literal is None else (literal[1],)

    def one(self, value: bytes) -> bool:
        """See `TextPredicate.one`."""
        return self.glob is not None and self.glob.matches(value)

    def many(self, array: pa.Array) -> Mask:
        """See `TextPredicate.many`."""
        if self.glob is None:
            return np.zeros(len(array), bool)
        literal = None if self.glob.folded else self.glob.literal()
        match literal:
            case (True, constant, True):
                return Contains(constant).many(array)
            case (True, constant, False):
                return EndsWith(constant).many(array)
            case (False, constant, True):
                return StartsWith(constant).many(array)
        return mask_of(kernels().match_substring_regex(array, rf"\A{self.glob.regex()}\z"))


class RegexMatch(TextPredicate):
    """The whole value matches a regular expression of RE2's POSIX-egrep dialect.

    RE2 is reached through Arrow for single values too: Python's own engine may take exponential time.
    """

    def __init__(self, pattern: bytes) -> None:
        """Raises PatternError for a pattern RE2 would not compile."""
        try:
            self.pattern = posix_regex(pattern.decode("utf-8"))
            kernels().match_substring_regex(arrow().array([""]), self.pattern)
        except UnicodeDecodeError as error:
            raise PatternError("invalid UTF-8") from error
        except arrow().ArrowInvalid as error:
            raise PatternError(str(error).removeprefix("Invalid regular expression: ")) from error

    def holds(self, column: Numbers | Texts, *, few: bool = False) -> Mask:
        """See `Predicate.holds`."""
        del few
        return super().holds(column)

    def one(self, value: bytes) -> bool:
        """See `TextPredicate.one`."""
        return bool(self.many(arrow().array([value], arrow().binary()))[0])

    def many(self, array: pa.Array) -> Mask:
        """See `TextPredicate.many`."""
        return mask_of(kernels().match_substring_regex(valid_text(array), self.pattern))


class PathPart:
    """One part of a path prefix: equal to a part of the value, or matching it as a glob."""

    def __init__(self, pattern: bytes) -> None:
        self.pattern = pattern
        self.glob = Glob.parse(pattern) if any(byte in pattern for byte in b"*?[\\") else None

    def matches(self, part: bytes) -> bool:
        """Whether a part of the value fits."""
        return part == self.pattern or (self.glob is not None and self.glob.matches(part))

    def regex(self) -> str:
        """The same for RE2."""
        literal = "".join(byte_set(frozenset({byte})) for byte in self.pattern)
        if self.glob is None:
            return literal
        if set(self.glob.tokens) == {Wild.MANY}:
            return "[^/]+"  # parts are never empty
        return f"(?:{literal}|{self.glob.regex(within_part=True)})"


class PathPrefixes(TextPredicate):
    """The leading parts of a path fit all the parts of one of the constants; empty parts do not count."""

    def __init__(self, constants: tuple[bytes, ...]) -> None:
        prefixes = sorted({_parts(constant) for constant in constants})
        self.all = () in prefixes
        self.prefixes = [tuple(map(PathPart, prefix)) for prefix in prefixes]
        wild = [any(part.glob is not None for part in prefix) for prefix in self.prefixes]
        self.wild = [prefix for prefix, is_wild in zip(self.prefixes, wild, strict=True) if is_wild]
        self.plain = {prefix for prefix, is_wild in zip(prefixes, wild, strict=True) if not is_wild}
        self.lengths = sorted(set(map(len, self.plain)))

    def one(self, value: bytes) -> bool:
        """See `TextPredicate.one`."""
        parts = _parts(value)
        return any(parts[:length] in self.plain for length in self.lengths) or any(
            len(prefix) <= len(parts) and all(map(PathPart.matches, prefix, parts)) for prefix in self.wild
        )

    def many(self, array: pa.Array) -> Mask:
        """See `TextPredicate.many`."""
        if self.all:
            return mask_of(array.is_valid())
        mask = np.zeros(len(array), bool)
        for pattern in self._regexes():
            mask |= mask_of(kernels().match_substring_regex(array, pattern))
        return mask

    def _regexes(self) -> Iterator[str]:
        alternatives: list[str] = []
        size = 0
        for number, prefix in enumerate(self.prefixes, 1):
            alternatives.append("/+".join(map(PathPart.regex, prefix)))
            size += len(alternatives[-1])
            if size > _REGEX_SIZE or number == len(self.prefixes):
                yield rf"\A/*(?:{'|'.join(alternatives)})(?:/|\z)"
                alternatives, size = [], 0


def _parts(path: bytes) -> tuple[bytes, ...]:
    return tuple(part for part in path.split(b"/") if part)
