"""What an index leaves out of a pass is never an event the filter wants."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scap_formats.blocks import BlockType
from scaptools.api import Capture
from scaptools.capture.headers import StoredBatch
from scaptools.capture.index import CaptureIndex
from scaptools.capture.indexing import write_index
from scaptools.capture.reader import open_reader
from scaptools.capture.sidecar import sidecar_path
from scaptools.fields.catalog import Catalog
from scaptools.filter import compile_filter
from scaptools.filter.narrowing import FilterSelection
from scaptools.testing import CaptureBuilder

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 2000
CATALOG = Catalog()

#: Questions an index knows about, and some it does not.
TERMS = (
    "evt.type = open",
    "evt.type in (close, nanosleep, uselib)",
    "evt.type = munlockall",
    "evt.type != open",
    "evt.type exists",
    "tolower(evt.type) = open",
    "evt.dir = <",
    "evt.is_io = true",
    "evt.is_wait = true",
    "thread.tid = 3",
    "thread.tid in (1, 2, 99)",
    "thread.tid > 6",
    "evt.num < 70",
    "evt.num >= 333",
    "evt.num in (3, 200, 5000)",
    "evt.num != 5",
    "evt.rawtime < 1600000000000000050",
    "evt.rawtime >= 1600000000000000300",
    "evt.rawtime = 1600000000000000111",
    "evt.reltime.ns < 40",
    "evt.cpu = 0",
    "evt.cpu > 5",
    "evt.rawarg.fd = 7",
    "evt.deltatime.ns > 1",
    "evt.source = syscall",
)
filters = st.recursive(
    st.sampled_from(TERMS),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda terms: f"({' and '.join(terms)})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda terms: f"({' or '.join(terms)})"),
        inner.map(lambda term: f"not ({term})"),
    ),
    max_leaves=5,
)


def sample() -> bytes:
    """Stretches of types, threads and times; system calls without a type of their own; metadata and a new section."""
    builder = CaptureBuilder()
    names = ("close", "open", "nanosleep", "read", "syscall")
    for number in range(400):
        name = names[number // 80]
        # The codes of munlockall and fchdir.
        parameters = {"syscall": [(94 if number < 360 else 80).to_bytes(2, "little"), bytes(2)], "read": [bytes(8)] * 2}
        builder.event(
            name,
            parameters.get(name, [number.to_bytes(8, "little")]),
            ts=1_600_000_000_000_000_000 + number,
            tid=number // 50,
            exit=number % 3 == 0 and name != "read",
        )
        if number == 150:
            builder.block(BlockType.MI, bytes(180))
        if number == 220:
            builder.event(9999, [b"x"])
        if number == 300:
            builder.section(minor=0)
    return builder.to_bytes()


def found(path: Path, expression: str) -> list[int]:
    with Capture(path) as capture:
        return [number for batch, rows in capture.matches(expression) for number in batch.numbers(rows).tolist()]


def index_of(path: Path) -> CaptureIndex:
    with open_reader(path, window_bytes=CHUNK) as reader:
        return write_index(reader, path, point_bytes=CHUNK)


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """The sample in several forms, each without and with an index."""
    folder = tmp_path_factory.mktemp("narrowing")
    pairs = {}
    for form, pack in {"raw": bytes, "gzip": gzip.compress}.items():
        plain, indexed = folder / f"{form}.scap", folder / f"{form}-indexed.scap"
        for path in (plain, indexed):
            path.write_bytes(pack(sample()))
        index_of(indexed)
        pairs[form] = plain, indexed
    return pairs


@pytest.mark.parametrize("form", ["raw", "gzip"])
def test_an_index_changes_no_answer(form: str, twins: dict[str, tuple[Path, Path]]) -> None:
    plain, indexed = twins[form]

    @settings(max_examples=150, deadline=None)
    @given(filters)
    def check(expression: str) -> None:
        assert found(indexed, expression) == found(plain, expression)

    check()


@pytest.mark.parametrize("expression", TERMS)
def test_each_term_alone(expression: str, twins: dict[str, tuple[Path, Path]]) -> None:
    plain, indexed = twins["raw"]
    assert found(indexed, expression) == found(plain, expression)


@pytest.mark.parametrize(
    ("expression", "most"),
    [
        ("evt.type = open", 3),
        ("evt.type = uselib", 0),
        ("evt.type = getrlimit", 0),
        ("evt.type = munlockall", 2),
        ("evt.type = open and evt.rawarg.fd = 7", 3),
        ("thread.tid = 3", 3),
        ("evt.num < 70", 2),
        ("evt.rawtime >= 1600000000000000390", 1),
        ("evt.type = uselib or evt.num in (399, 5000)", 1),
        ("evt.deltatime.ns > 1", 8),
    ],
)
def test_chunks_are_left_out(expression: str, most: int, twins: dict[str, tuple[Path, Path]]) -> None:
    index = CaptureIndex.load(twins["raw"][1])
    assert index is not None
    plain = index.chunks["plain"]
    assert plain.sum() == 8
    needed = index.needed(FilterSelection(compile_filter(expression, CATALOG)))
    assert needed[~plain].all()
    assert needed[plain].sum() <= most


def test_only_what_matches_is_read(twins: dict[str, tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []
    original = StoredBatch.fetch

    def counting(self: StoredBatch) -> None:
        fetched.append(self.first_number)
        original(self)

    monkeypatch.setattr(StoredBatch, "fetch", counting)
    # In every chunk of one thread something might match, but in one of them only something does.
    matching = found(twins["raw"][1], "evt.cpu >= 0 and evt.num = 260")
    assert matching == [260]
    assert len(set(fetched)) == 1


def test_a_stale_sidecar_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "c.scap"
    path.write_bytes(sample())
    index_of(path)
    assert sidecar_path(path).is_file()
    with path.open("ab") as file:
        file.write(CaptureBuilder().event("poll", [], ts=1_700_000_000_000_000_000).to_bytes()[28:])
    assert found(path, "evt.type = poll") == [401]


def test_fields_that_remember_see_every_event(twins: dict[str, tuple[Path, Path]]) -> None:
    plain, indexed = twins["raw"]
    answers = []
    for path in (plain, indexed):
        with Capture(path) as capture:
            delta = capture.catalog.parse("evt.deltatime.ns")
            answers.append(
                [
                    value
                    for batch, rows in capture.matches("evt.type = nanosleep", fields=[delta])
                    for value in delta.column(batch, rows).to_arrow().to_pylist()
                ]
            )
    assert answers[0] == answers[1]


def test_a_real_capture(shared_data: Path, tmp_path: Path) -> None:
    data = (shared_data / "captures" / "run_as_user_0_container.scap").read_bytes()
    plain, indexed = tmp_path / "plain.scap", tmp_path / "indexed.scap"
    plain.write_bytes(data)
    indexed.write_bytes(data)
    index_of(indexed)
    for expression in (
        "evt.type = open",
        "evt.type = open and evt.dir = <",
        "evt.type = uselib",
        "evt.type in (execve, clone) and evt.num > 1000",
        "evt.is_io = true and not evt.type = read",
        "evt.rawres < 0",
        "proc.name = sh and evt.type = close",
    ):
        assert found(indexed, expression) == found(plain, expression), expression
