"""Lines and JSON, byte for byte those of sysdig 0.29.3."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

import pytest

from scap_formats.table import event_table
from tests.differential.conftest import FULL, READABLE, corpus

pytestmark = pytest.mark.interop

FORMATS = corpus("formats.txt")
LINES, JSON = (), ("-j",)
#: Captures all formats are tried on, with what kind of output.
TRIED = (
    [(name, style) for name in READABLE for style in (LINES, JSON)]
    if FULL
    else [("run_as_user_0_container", LINES), ("cat_write", JSON)]
)
OPTIONS = (
    *((f"-t{letter}",) for letter in "ardDh"),
    ("-A",),
    ("-b",),
    ("-x",),
    ("-X",),
    ("-pc",),
    ("-pk",),
    ("-pm",),
    ("-tD", "-X", "-pc"),
)
#: What sysdig 0.29.3 gets wrong, by what the format has in it, and why.
WRONG_THERE = {
    "%fd.cport": "the port of a server socket's client is 0 instead of missing",
    "%evt.rawarg.size": "numbers without a print format are missing",
    "%evt.deltatime": "each field is asked twice for JSON, the second time 0 ns after the first",
    "\\e[": "the terminal's colours are reset at the end of the output",
}
#: The last event type sysdig 0.29.3 knows.
_LAST_KNOWN = 335


@pytest.mark.parametrize("name", READABLE)
def test_every_line_is_the_same(
    captures: Path, theirs: Callable[..., object], ours: Callable[..., bytes], name: str
) -> None:
    capture = captures / f"{name}.scap"
    expected = theirs(capture).output
    assert bool(expected) != name.startswith("empty")
    assert ours("dump", capture).splitlines() == expected.splitlines()


def test_lines_of_a_capture_with_newer_events(
    captures: Path, theirs: Callable[..., object], ours: Callable[..., bytes]
) -> None:
    """Events it does not know get no number from sysdig; but for the numbers, the others are the same."""
    newer = {event.name for event in event_table().events if event.id > _LAST_KNOWN}
    capture = captures / "sample.scap"
    lines = [line.split(b" ", 1)[1] for line in ours("dump", capture).splitlines()]
    known = [line for line in lines if re.search(rb"\) [<>] (\w+)", line)[1].decode() not in newer]  # type: ignore[index]
    assert len(lines) - len(known) == 95
    assert known == [line.split(b" ", 1)[1] for line in theirs(capture).output.splitlines()]


def test_a_capture_sysdig_cannot_open(
    captures: Path, theirs: Callable[..., object], ours: Callable[..., bytes]
) -> None:
    """Comments in event blocks stop sysdig, which takes them for parameters; the capture without them is there too."""
    assert theirs(captures / "curl_google_comments.scap").error is not None
    commented, plain = (ours("dump", captures / f"{name}.scap") for name in ("curl_google_comments", "curl_google"))
    assert commented == plain


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
@pytest.mark.parametrize("style", [LINES, JSON], ids=str)
@pytest.mark.parametrize("name", READABLE if FULL else ("curl_google",))
def test_options(
    captures: Path,
    theirs: Callable[..., object],
    ours: Callable[..., bytes],
    name: str,
    style: tuple[str, ...],
    options: tuple[str, ...],
) -> None:
    capture = captures / f"{name}.scap"
    expected = theirs(capture, *style, *options).output
    assert bool(expected) != name.startswith("empty")
    assert ours("dump", *style, *options, capture).splitlines() == expected.splitlines()


@pytest.mark.parametrize(("name", "style"), TRIED, ids=str)
def test_formats(
    captures: Path,
    answers: Callable[..., list[object]],
    ours: Callable[..., bytes],
    name: str,
    style: tuple[str, ...],
) -> None:
    capture = captures / f"{name}.scap"
    found = answers([(capture, *style, "-p", form) for form in FORMATS])
    different = {}
    for form, answer in zip(FORMATS, found, strict=True):
        assert answer.error is None, form
        printed = ours("dump", *style, "-p", form, capture)
        if printed != answer.output and not any(part in form for part in WRONG_THERE):
            pairs = zip_longest(printed.splitlines(), answer.output.splitlines())
            different[form] = next((mine, other) for mine, other in pairs if mine != other)
    assert different == {}
