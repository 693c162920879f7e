"""Captures compared."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.blocks import BlockType
from scaptools.capture.reader import open_reader
from scaptools.cli.main import main
from scaptools.difference import CaptureComparison, EventDifference
from scaptools.fields.catalog import Catalog
from scaptools.fields.paramtext.style import TextStyle
from scaptools.testing import CaptureBuilder

if TYPE_CHECKING:
    from pathlib import Path

START = 1_700_000_000_000_000_000
CATALOG = Catalog(style=TextStyle(limit=None))


def i64(value: int) -> bytes:
    return value.to_bytes(8, "little", signed=True)


def compared(before: CaptureBuilder, after: CaptureBuilder, window: int = 1 << 20) -> CaptureComparison:
    sides = [open_reader(io.BytesIO(side.to_bytes())).batches(window_bytes=window) for side in (before, after)]
    return CaptureComparison(sides[0], sides[1], CATALOG)


def told(before: CaptureBuilder, after: CaptureBuilder) -> list[str]:
    return [line for difference in compared(before, after).differences() for line in difference.lines()]


def reads(*events: tuple[int, int, int], cpu: int = 0) -> CaptureBuilder:
    """Read exits at seconds, of threads, with results."""
    builder = CaptureBuilder()
    for second, tid, result in events:
        builder.event("read", [i64(result), b"data"], exit=True, ts=START + second * 10**9, tid=tid, cpu=cpu)
    return builder


def test_equal_captures_differ_in_numbers_and_cpus_at_most() -> None:
    before, after = reads((1, 7, 1), (1, 8, 2), (2, 7, 3)), reads((1, 8, 2), (1, 7, 1), (2, 7, 3), cpu=3)
    comparison = compared(before, after)
    assert list(comparison.differences()) == []
    assert (comparison.same, comparison.events) == (3, (3, 3))


def test_lines() -> None:
    before = reads((1, 7, 1), (2, 7, 2), (3, 7, 3), (3, 7, 3))
    after = reads((1, 7, 1), (2, 7, 5), (3, 7, 3), (3, 9, 3))
    assert told(before, after) == [
        "! 2023-11-14T22:13:22.000000000Z 7 < read",
        "    res:",
        "      - 2",
        "      + 5",
        "- 2023-11-14T22:13:23.000000000Z 7 < read res=3 data=data",
        "+ 2023-11-14T22:13:23.000000000Z 9 < read res=3 data=data",
    ]


def test_long_values_are_cut_around_the_first_difference() -> None:
    before, after = CaptureBuilder(), CaptureBuilder()
    before.plugin_event(b"x" * 500 + b"old" + b"y" * 500, ts=START)
    after.plugin_event(b"x" * 500 + b"new" + b"y" * 500, ts=START)
    head, name, old, new = told(before, after)
    assert head.endswith(" -1 > pluginevent")
    assert name == "    event_data:"
    assert "old" in old
    assert "new" in new
    assert len(old) < 120


def test_bytes_that_read_alike_are_told_in_hex() -> None:
    before, after = CaptureBuilder(), CaptureBuilder()
    for builder, data in ((before, b"a\x01"), (after, b"a\x02")):
        builder.event("read", [i64(2), data], exit=True, ts=START, tid=1)
    assert told(before, after)[1:] == ["    data:", "      - 6101", "      + 6102"]


def test_the_form_of_the_block_does_not_count() -> None:
    before, after = CaptureBuilder(), CaptureBuilder()
    before.event("read", [i64(1), b"x"], exit=True, ts=START, block_type=BlockType.EV_V2)
    after.event("read", [i64(1), b"x"], exit=True, ts=START, block_type=BlockType.EVF_V2)
    assert told(before, after) == []
    big = CaptureBuilder("big").event("read", [i64(1)[::-1], b"x"], exit=True, ts=START)
    assert told(before, big) == []


EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2), st.integers(0, 2)), max_size=8)


@given(EVENTS, EVENTS, st.sampled_from([64, 200, 1 << 20]))
def test_what_is_told_leads_from_one_capture_to_the_other(
    before: list[tuple[int, int, int]], after: list[tuple[int, int, int]], window: int
) -> None:
    before, after = sorted(before), sorted(after)

    def values(difference: EventDifference) -> list[tuple[str, tuple[int, int, int]]]:
        event = difference.event
        second, old = (event.time_ns - START) // 10**9, int(event.args.split()[0].removeprefix("res="))
        if difference.kind != "changed":
            return [(difference.kind, (second, event.thread, old))]
        ((_, was, now),) = difference.changes
        assert was == str(old)
        return [("removed", (second, event.thread, old)), ("added", (second, event.thread, int(now or "")))]

    comparison = compared(reads(*before), reads(*after), window)
    steps = [step for difference in comparison.differences() for step in values(difference)]
    made = before.copy()
    for kind, event in steps:
        if kind == "removed":
            made.remove(event)
    made += [event for kind, event in steps if kind == "added"]
    assert sorted(made) == after
    assert comparison.same == len(before) - sum(kind == "removed" for kind, _ in steps)


def run(capsysbinary: pytest.CaptureFixture[bytes], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ending:
        main(["diff", *map(str, words)])
    output, error = capsysbinary.readouterr()
    return int(ending.value.code or 0), output.decode(), error.decode()


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    before, after = tmp_path / "before.scap", tmp_path / "after.scap"
    reads((1, 7, 1), (2, 7, 2)).write(before)
    reads((1, 7, 1), (2, 7, 5), (3, 7, 3)).write(after)
    return before, after


def test_the_command(pair: tuple[Path, Path], capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    status, output, error = run(capsysbinary, *pair)
    assert (status, output.splitlines()[-1]) == (1, "+ 2023-11-14T22:13:23.000000000Z 7 < read res=3 data=data")
    assert error == "2 and 3 events: 1 the same, 0 removed, 1 added, 1 changed\n"
    assert run(capsysbinary, pair[0], pair[0])[0] == 0
    assert run(capsysbinary, "-q", *pair) == (1, "", "")


def test_json(pair: tuple[Path, Path], capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    changed, added = map(json.loads, run(capsysbinary, "--json", *pair)[1].splitlines())
    assert changed == {
        "kind": "changed",
        "time": "2023-11-14T22:13:22.000000000Z",
        "time_ns": START + 2 * 10**9,
        "thread.tid": 7,
        "evt.dir": "<",
        "evt.type": "read",
        "before": {"evt.num": 2, "evt.args": "res=2 data=data"},
        "after": {"evt.num": 2, "evt.args": "res=5 data=data"},
        "changed": ["res"],
    }
    assert (added["kind"], added["before"]) == ("added", None)


def test_kinds_do_not_mix(pair: tuple[Path, Path], capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    alerts = pair[0].with_name("alerts.json")
    alerts.write_text("")
    status, _, error = run(capsysbinary, pair[0], alerts)
    assert (status, "is no capture, but the other is" in error) == (2, True)
    assert run(capsysbinary, *pair, "--ignore", "tags")[0] == 2
    assert run(capsysbinary, pair[0], "nowhere.scap")[2] == "scap: nowhere.scap: No such file or directory\n"


def test_damage(pair: tuple[Path, Path], capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    pair[1].write_bytes(pair[0].read_bytes()[:-5])
    status, output, _ = run(capsysbinary, *pair)
    assert (status, output[:1]) == (1, "-")
    assert run(capsysbinary, "--strict", *pair)[0] == 3


def test_a_real_capture_is_equal_to_itself(shared_data: Path) -> None:
    with open_reader(shared_data / "captures" / "cat_write.scap") as one, open_reader(one.name) as other:
        comparison = CaptureComparison(one.batches(), other.batches(), CATALOG)
        assert list(comparison.differences()) == []
        assert comparison.same == sum(comparison.events) // 2 > 300
