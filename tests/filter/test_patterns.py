"""Globs as libc matches them, and regular expressions of RE2's POSIX dialect."""

from __future__ import annotations

import ctypes
import locale

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scaptools.filter.patterns import Glob, PatternError, posix_regex
from scaptools.filter.texts import GlobMatch, RegexMatch

FNM_CASEFOLD = 16
SETS = ["[a-c]", "[!a]", "[^B]", "[]a]", "[a\\]]", "[[:upper:]]"]
pieces = st.sampled_from([*"*?aBz/.-!\\[]", *SETS])
patterns = st.lists(pieces, max_size=7).map("".join)
values = st.text("aABz/.-![]\\c", max_size=6)


@pytest.fixture(scope="module")
def fnmatch() -> object:
    """The C library's own, in the C locale."""
    before = locale.setlocale(locale.LC_ALL)
    locale.setlocale(locale.LC_ALL, "C")
    yield ctypes.CDLL(None).fnmatch
    locale.setlocale(locale.LC_ALL, before)


@pytest.mark.parametrize("folded", [False, True])
@settings(deadline=None)
@given(pattern=patterns, value=values)
def test_globs_agree_with_libc(pattern: str, value: str, folded: bool, fnmatch: object) -> None:
    # libc looks at class names before it looks whether the bracket is closed
    assume("[:" not in pattern.replace("[[:upper:]]", ""))
    expected = fnmatch(pattern.encode(), value.encode(), FNM_CASEFOLD if folded else 0) == 0
    predicate = GlobMatch(pattern.encode(), folded=folded)
    assert predicate.one(value.encode()) == expected
    assert predicate.many(pa.array([value.encode(), None])).tolist() == [expected, False]


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("*", "/a\n.b\xff", True),
        ("?", "\xff", True),
        ("?", "\u00e9", False),  # two bytes
        ("[a-z]*", "hello", True),
        ("[[:alpha:]][[:digit:]]", "x5", True),
        ("[[:nosuch:]]", "x", False),
        ("[z-a]", "m", False),
        ("[a", "[a", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("a\\", "a\\", False),
        ("{a,b}", "a", False),
        ("{a,b}", "{a,b}", True),
        ("a" + "*a" * 30, "a" * 200, True),
        ("a" + "*a" * 30 + "b", "a" * 200, False),
    ],
)
def test_globs(pattern: str, value: str, expected: bool) -> None:
    raw = value.encode("utf-8" if "\xff" not in value else "latin-1")
    predicate = GlobMatch(pattern.encode())
    assert predicate.one(raw) is expected
    assert predicate.many(pa.array([raw])).tolist() == [expected]


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        ("*abc*", (True, b"abc", True)),
        ("**abc", (True, b"abc", False)),
        ("abc*", (False, b"abc", True)),
        ("abc", (False, b"abc", False)),
        ("*", (True, b"", False)),
        ("a*c", None),
        ("?", None),
        ("[a]*", None),
    ],
)
def test_plain_globs_are_recognised(pattern: str, literal: object) -> None:
    glob = Glob.parse(pattern.encode())
    assert glob is not None
    assert glob.literal() == literal


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("abc", "abc", True),
        ("abc", "abcd", False),
        ("b", "abc", False),
        ("a|ab", "ab", True),
        ("a|b", "ab", False),
        ("(a|b)*", "abba", True),
        ("a.c", "abc", True),
        ("a.c", "a\nc", False),
        ("a.c", "aéc", True),
        ("[^a]", "\n", True),
        ("[[:alpha:]_]+", "ab_C", True),
        ("[[:word:]]+", "ab_9", True),
        ("[]a]+", "]a", True),
        ("[a-]+", "-a", True),
        ("[+--]", ",", True),
        ("a{2,3}", "aaaa", False),
        ("a{2,3}", "aaa", True),
        ("a{,3}", "a{,3}", True),
        ("a{", "a{", True),
        ("a+?", "aaa", True),  # one or more, optional; not lazy
        ("a+?", "", True),
        ("a**", "aa", True),
        ("(ab)+{2}", "ababab", True),
        ("^a$", "a", True),
        ("a$\n^b", "a\nb", True),  # line ends
        ("\\.\\*", ".*", True),
        ("\\x41\\101\\n", "AA\n", True),
        ("é+", "éé", True),
        ("()", "", True),
        ("a||b", "", True),
    ],
)
def test_regular_expressions(pattern: str, value: str, expected: bool) -> None:
    assert RegexMatch(pattern.encode()).one(value.encode()) is expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"\w", r"invalid escape sequence: \w"),
        (r"a\d+", r"invalid escape sequence: \d"),
        (r"\bx\b", r"invalid escape sequence: \b"),
        (r"[\s]", r"invalid escape sequence: \s"),
        (r"\pL", r"invalid escape sequence: \p"),
        (r"\Qx\E", r"invalid escape sequence: \Q"),
        (r"\q", r"invalid escape sequence: \q"),
        (r"\8", r"invalid escape sequence: \8"),
        ("(?i)x", "missing argument to repetition operator: ?"),
        ("(?:x)", "missing argument to repetition operator: ?"),
        ("*a", "missing argument to repetition operator: *"),
        ("a|+", "missing argument to repetition operator: +"),
        ("a)(b", "unexpected ): a)(b"),
        ("(a", "missing ): (a"),
        ("[a", "missing ]: [a"),
        ("[", "missing ]: ["),
        ("[b-a]", "invalid character class range: b-a"),
        ("[a-c-e]", "invalid character class range: -e"),
        ("[[:nosuch:]]", "invalid character class range: [:nosuch:]"),
        ("a{1001}", "invalid repetition size: {1001}"),
        ("a\\", "trailing \\"),
    ],
)
def test_refused_regular_expressions(pattern: str, message: str) -> None:
    with pytest.raises(PatternError) as caught:
        RegexMatch(pattern.encode())
    assert str(caught.value) == message


def test_regular_expressions_are_text() -> None:
    with pytest.raises(PatternError, match="invalid UTF-8"):
        RegexMatch(b"\xff")
    predicate = RegexMatch("a\ufffd.".encode())
    values = pa.array([b"a\xffb", "a\ufffdé".encode(), None, b"ab"])
    assert predicate.many(values).tolist() == [True, True, False, False]


def test_translation_anchors_the_whole() -> None:
    assert posix_regex("a|b") == r"\A(?:a|b)\z"
    assert posix_regex("(a+?|^b)") == r"\A(?:(?:(?:a+)?|(?m:^)b))\z"


@settings(deadline=None)
@given(st.text("ab()[]{}|*+?^$.\\-:,1dwé", max_size=12))
def test_only_pattern_errors_come_out(pattern: str) -> None:
    try:
        predicate = RegexMatch(pattern.encode())
    except PatternError:
        return
    assert predicate.many(pa.array([b"ab", b""])).shape == (2,)
