"""Filters: the events that match are those sysdig 0.29.3 finds, for every filter of the corpus."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scaptools.capture.reader import open_reader
from scaptools.capture.visibility import leading_containers, shown_rows
from scaptools.errors import FilterError
from scaptools.fields.catalog import Catalog
from scaptools.fields.needs import ALL_NEEDS, with_state
from scaptools.filter import compile_filter
from tests.differential.conftest import FULL, READABLE, corpus

FILTERS = corpus("filters.txt")
#: One filter in so many is tried on one capture in an ordinary run.
SHARE = 3
TRIED = ("curl_google", "run_as_user_0_container", "cat_write")
#: Filters whose answer differs, by the start of their text, and why sysdig 0.29.3 is wrong there.
WRONG_THERE = {
    "fd.ip = ::1": "it compares addresses of sockets of the other family that were never set",
    "fd.net = 0.0.0.0/0": "it compares addresses of sockets of the other family that were never set",
    "evt.rawarg.tuple exists": "an empty tuple is a value there",
    "fd.cport": "the port of a server socket's client is 0 there instead of missing",
    "fd.cproto": "the port of a server socket's client is 0 there instead of missing",
    "group.gid": "the upper half of the number is not initialised",
    "evt.latency.human": "where there is no latency it repeats the latest one",
    "fd.dev": "it is not initialised",
}
#: The same for filters whose answers were recorded.
DIFFERENT_IN_RECORD = {
    "evt.buffer icontains http": "today's libraries no longer compare buffers so",
}


@cache
def _batches(path: Path) -> list[Any]:
    return list(with_state(open_reader(path).batches(), ALL_NEEDS))


def matches(path: Path, text: str, *, shown: bool = True) -> list[int]:
    """The numbers of the events that match; those not shown only where sysdig sees them with ``-D``."""
    wanted = compile_filter(text, Catalog())
    numbers: list[int] = []
    for batch in _batches(path):
        rows = wanted.select(batch)
        if shown:
            rows = shown_rows(batch, rows)
        elif batch.first_number == 1:
            rows = rows[rows >= leading_containers(batch)]
        numbers += batch.numbers(rows).tolist()
    return numbers


def is_wrong_there(text: str) -> bool:
    return any(text.startswith(start) for start in WRONG_THERE)


def test_the_corpus_is_large_and_has_no_doubles() -> None:
    assert len(FILTERS) == len(set(FILTERS)) >= 800


def tried() -> Iterable[tuple[str, list[str]]]:
    if FULL:
        return [(name, FILTERS) for name in READABLE]
    return [(name, FILTERS[place :: SHARE * len(TRIED)]) for place, name in enumerate(TRIED)]


@pytest.mark.interop
@pytest.mark.parametrize(("name", "filters"), tried(), ids=[name for name, _ in tried()])
def test_the_same_events_match(
    captures: Path, answers: Callable[..., list[Any]], name: str, filters: list[str]
) -> None:
    capture = captures / f"{name}.scap"
    found = answers([(capture, "-d", "-p", "%evt.num", text) for text in filters])
    different = {}
    for text, answer in zip(filters, found, strict=True):
        assert answer.error is None, text
        expected = [int(number) for number in answer.output.split()]
        mine = matches(capture, text)
        if mine != expected and not is_wrong_there(text):
            different[text] = (sorted(set(mine) - set(expected))[:5], sorted(set(expected) - set(mine))[:5])
    assert different == {}
    assert name not in TRIED or sum(bool(answer.output) for answer in found) > len(found) // 2


def _numbers(ranges: Iterable[Any]) -> list[int]:
    return [number for part in ranges for number in (range(part[0], part[1] + 1) if isinstance(part, list) else [part])]


@pytest.mark.parametrize("name", READABLE if FULL else TRIED)
def test_recorded_answers(shared_data: Path, name: str) -> None:
    """What sysdig answered to other filters once, internal events included."""
    recorded = json.loads(gzip.decompress((shared_data / "oracle" / "filters.json.gz").read_bytes()))[name]
    capture = shared_data / "captures" / f"{name}.scap"
    different: dict[str, Any] = {}
    asked = 0
    for text, by_program in recorded.items():
        if "sysdig0293" not in by_program or is_wrong_there(text) or text in DIFFERENT_IN_RECORD:
            continue
        asked += 1
        expected = _numbers(by_program["sysdig0293"])
        try:
            mine = matches(capture, text, shown=False)
        except FilterError as error:
            different[text] = error
            continue
        if mine != expected:
            different[text] = (sorted(set(mine) - set(expected))[:5], sorted(set(expected) - set(mine))[:5])
    assert different == {}
    assert asked > 50
