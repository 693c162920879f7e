"""Captures of what follows alerts."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools.capture.reader import open_reader
from scaptools.fields.catalog import Catalog
from scaptools.rules.alerts import AlertWriter
from scaptools.rules.config import parse_config
from scaptools.rules.engine import Matching, RuleEngine
from scaptools.rules.eventcapture import CaptureSettings, EventCapture
from scaptools.rules.ruleset import RuleSet
from scaptools.rules.run import RulesRun
from scaptools.testing import CaptureBuilder

if TYPE_CHECKING:
    from pathlib import Path

CATALOG = Catalog()
START_NS = 1_600_000_000_000_000_000
_RULE = """
- rule: {name}
  desc: d
  source: aws_cloudtrail
  condition: ct.name={name}
  output: o
  priority: INFO
  capture: {capture}
  capture_duration: {duration}
"""
RULES = "".join(
    _RULE.format(name=name, capture=capture, duration=duration)
    for name, capture, duration in (("short", "true", 3), ("long", "yes", 10), ("usual", "true", 0), ("none", "no", 50))
)


def written(
    folder: Path, events: list[tuple[int, str]], *, window_bytes: int = 1 << 20, **settings: Any
) -> tuple[dict[str, list[int]], list[str]]:
    """The milliseconds of the events of each capture, by file name, and what was told."""
    builder = CaptureBuilder()
    for milliseconds, name in events:
        builder.plugin_event(b'{"eventName":"%b"}' % name.encode(), ts=START_NS + milliseconds * 1_000_000)
    rules = RuleSet(CATALOG)
    assert rules.load_text(RULES, "r.yaml").successful
    engine = RuleEngine(rules.active(), rules.sources, matching=Matching.ALL)
    told: list[str] = []
    options = {"path_prefix": str(folder / "c"), "default_duration_ms": 5, **settings}
    capture = EventCapture(CaptureSettings(**options), engine.rules, told.append)
    with open_reader(io.BytesIO(builder.to_bytes()), window_bytes=window_bytes) as reader:
        RulesRun(AlertWriter(engine), [], followers=[capture]).over(reader.batches())
    found = {}
    for path in capture.paths:
        with open_reader(path) as reader:
            times = [int(time) for batch in reader.batches() for time in batch.header("ts")]
        found[path.rpartition("/")[2]] = [(time - START_NS) // 1_000_000 for time in times]
    if capture.error is not None:
        told.append(f"error: {capture.error}")
    return found, told


def test_from_the_alert_to_the_first_event_behind_the_deadline(tmp_path: Path) -> None:
    events = [(0, "x"), (1, "short"), (2, "x"), (3, "x"), (6, "x"), (7, "x"), (8, "none"), (9, "short"), (10, "x")]
    assert written(tmp_path, events) == (
        {
            "c_01600000000001000000_00000000000000000002.scap": [1, 2, 3, 6],
            "c_01600000000009000000_00000000000000000008.scap": [9, 10],
        },
        [],
    )


def test_later_alerts_put_the_deadline_off(tmp_path: Path) -> None:
    found, _ = written(tmp_path, [(0, "long"), (2, "short"), (8, "usual"), (12, "x"), (13, "x"), (14, "x")])
    assert list(found.values()) == [[0, 2, 8, 12, 13]]


def test_all_rules(tmp_path: Path) -> None:
    found, _ = written(tmp_path, [(0, "none"), (49, "x"), (50, "x"), (51, "x")], all_rules=True)
    assert list(found.values()) == [[0, 49, 50]]


def test_a_limit_of_size_ends_a_capture(tmp_path: Path) -> None:
    events = [(0, "long"), *[(1, "x" * 400_000)] * 4, (2, "short"), (3, "x")]
    found, told = written(tmp_path, events, max_file_size_mb=1)
    assert list(found.values()) == [[0, 1, 1], [2, 3]]
    assert told == [f"{tmp_path}/c_01600000000000000000_00000000000000000001.scap: the limit of 1 MB is reached"]


def test_what_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    found, told = written(tmp_path, [(0, "short"), (9, "short")], path_prefix=str(tmp_path / "nowhere" / "c"))
    assert found == {}
    assert len(told) == 2
    assert "no more events are captured" in told[0]
    assert told[1].startswith("error: ")


def test_a_section_of_its_own_is_a_capture_of_its_own(tmp_path: Path) -> None:
    builder = CaptureBuilder()
    builder.plugin_event(b'{"eventName":"long"}', ts=START_NS).section()
    builder.plugin_event(b'{"eventName":"x"}', ts=START_NS + 1).plugin_event(b'{"eventName":"long"}', ts=START_NS + 2)
    rules = RuleSet(CATALOG)
    rules.load_text(RULES, "r.yaml")
    engine = RuleEngine(rules.active(), rules.sources)
    capture = EventCapture(CaptureSettings(str(tmp_path / "c")), engine.rules, print)
    with open_reader(io.BytesIO(builder.to_bytes())) as reader:
        RulesRun(AlertWriter(engine), [], followers=[capture]).over(reader.batches())
    assert len(capture.paths) == 2


EVENTS = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(["x", "x", "x", "short", "long", "usual", "none"])), max_size=40
)
DURATIONS = {"short": 3, "long": 10, "usual": 5}


@given(events=EVENTS, window_bytes=st.sampled_from([100, 500, 1 << 20]))
def test_windows_do_not_show(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[int, str]], window_bytes: int
) -> None:
    time, later = 0, []
    for step, name in events:
        time += step - 1 if step else 0  # sometimes back
        later.append((max(time, 0), name))
    expected: list[list[int]] = []
    deadline: int | None = None
    for time, name in later:
        if name in DURATIONS:
            if deadline is None:
                expected.append([])
                deadline = time + DURATIONS[name]
            deadline = max(deadline, time + DURATIONS[name])
        if deadline is not None:
            expected[-1].append(time)
            deadline = None if time >= deadline else deadline
    found, _ = written(tmp_path_factory.mktemp("captures"), later, window_bytes=window_bytes)
    assert list(found.values()) == expected


def test_configuration() -> None:
    assert parse_config({"capture": {"path_prefix": "/x"}}).event_capture is None
    assert parse_config({"capture": {"enabled": "true"}}).event_capture == CaptureSettings("/tmp/falco", False, 5000, 0)
    keys = {"path_prefix": "/x/y", "mode": "all_rules", "default_duration": "7", "max_file_size_mb": "2"}
    assert parse_config({"capture": {"enabled": "yes", **keys}}).event_capture == CaptureSettings("/x/y", True, 7, 2)
