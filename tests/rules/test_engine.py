from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.blocks import BlockType
from scap_formats.header import DumpFlag
from scaptools.capture.reader import open_reader
from scaptools.fields.catalog import Catalog
from scaptools.fields.plugin import _Extraction
from scaptools.filter import parse
from scaptools.plugins.cloudtrail import CloudTrailPlugin
from scaptools.rules.engine import Matching, RuleEngine, Tally
from scaptools.rules.eventtypes import all_types, remaining_types
from scaptools.rules.ratelimit import RateLimit
from scaptools.rules.ruleset import RuleSet
from scaptools.rules.selection import Selection, matches_name
from scaptools.testing import CaptureBuilder

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaptools.plugins.contract import Payloads
    from scaptools.rules.alerts import Alert

    Rules = Callable[..., RuleSet]
    Alerts = Callable[..., list[Alert]]


def rule(name: str, condition: str, **keys: str) -> str:
    values = {"desc": "d", "output": "o", "priority": "INFO", "source": "aws_cloudtrail", **keys}
    lines = [f"- rule: {name}", f"  condition: {condition}", *(f"  {key}: {value}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


EVENTS = [{"eventName": name, "awsRegion": region} for name in ("a", "b", "c") for region in ("x", "y")]
TEXTS = rule("A", "ct.name=a") + rule("X", "ct.region=x") + rule("Not B", "not ct.name=b")


def fired(alerts: list[Alert]) -> list[tuple[int, str]]:
    return [(alert.number, alert.rule) for alert in alerts]


def test_the_first_rule_that_matches(rules: Rules, alerts: Alerts) -> None:
    assert fired(alerts(rules(TEXTS), *EVENTS)) == [(1, "A"), (2, "A"), (3, "X"), (5, "X"), (6, "Not B")]


def test_all_rules_that_match(rules: Rules, alerts: Alerts) -> None:
    assert fired(alerts(rules(TEXTS), *EVENTS, matching=Matching.ALL)) == [
        (1, "A"), (1, "X"), (1, "Not B"), (2, "A"), (2, "Not B"), (3, "X"), (5, "X"), (5, "Not B"), (6, "Not B"),
    ]  # fmt: skip


@given(
    st.lists(
        st.sampled_from(["ct.name=a", "ct.region=x", "not ct.name=b", "evt.num>2", "ct.name in (b, c)"]), max_size=5
    )
)
def test_first_is_the_first_of_all(conditions: list[str]) -> None:
    loaded = RuleSet(CATALOG)
    loaded.load_text("".join(rule(f"R{number}", condition) for number, condition in enumerate(conditions)))
    firsts: dict[int, int] = {}
    for row, index in matches_of(loaded, Matching.ALL):
        firsts.setdefault(row, index)
    assert matches_of(loaded, Matching.FIRST) == sorted(firsts.items())


CATALOG = Catalog()


def matches_of(loaded: RuleSet, matching: Matching) -> list[tuple[int, int]]:
    engine = RuleEngine(loaded.active(), loaded.sources, matching=matching)
    with open_reader(io.BytesIO(trail())) as reader:
        (batch,) = engine.prepared(reader.batches())
        found = engine.matches(batch)
        return list(zip(found.rows.tolist(), found.rules.tolist(), strict=True))


def trail() -> bytes:
    builder = CaptureBuilder()
    for event in EVENTS:
        builder.plugin_event(json.dumps(event).encode())
    return builder.to_bytes()


def test_what_rules_share_is_asked_once(rules: Rules, alerts: Alerts, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    extract = _Extraction.__call__

    def counted(self: _Extraction, batch: Any, rows: Any, argument: Any) -> Any:
        asked.append(self.declaration.name)
        return extract(self, batch, rows, argument)

    monkeypatch.setattr(_Extraction, "__call__", counted)
    loaded = rules("".join(rule(f"R{number}", f"ct.info=x{number} and not ct.error exists") for number in range(20)))
    assert alerts(loaded, *EVENTS) == []
    assert sorted(asked) == ["ct.info"]


def test_events_without_what_every_rule_needs_are_not_parsed(
    rules: Rules, alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    prepare = CloudTrailPlugin.prepare

    def counted(self: CloudTrailPlugin, payloads: Payloads) -> Any:
        asked.append(len(payloads))
        return prepare(self, payloads)

    monkeypatch.setattr(CloudTrailPlugin, "prepare", counted)
    loaded = rules("".join(rule(f"R{number}", f"ct.name=x{number} and not ct.error exists") for number in range(20)))
    events = [{"eventName": f"x{number}" if number % 10 == 0 else "y"} for number in range(100)]
    assert [alert.rule for alert in alerts(loaded, *events)] == ["R0", "R10"]
    assert asked == [10]


def test_rules_see_their_own_source_only(rules: Rules) -> None:
    builder = CaptureBuilder().plugin_event(b'{"eventName": "a"}').event("close", [b"\0" * 8], exit=True)
    builder.plugin_event(b"{}", plugin_id=999)
    loaded = rules(rule("Trail", "evt.num>0"), rule("Calls", "evt.num>0", source="syscall", warn_evttypes="false"))
    engine = RuleEngine(loaded.active(), loaded.sources)
    tally = Tally()
    with open_reader(io.BytesIO(builder.to_bytes())) as reader:
        for batch in engine.prepared(reader.batches()):
            matches = engine.matches(batch)
            tally.note(engine, matches)
            assert matches.rows.tolist() == [0, 1]
    assert tally.alerts == {"Trail": 1, "Calls": 1}


@pytest.mark.parametrize("name", ["evt.type", "proc.name", "evt.args"])
def test_fields_of_system_calls_do_not_exist_elsewhere(rules: Rules, name: str) -> None:
    assert [error.message for error in rules(rule("R", f"{name}=x")).results[-1].errors] == [
        f"filter_check called with nonexistent field {name}"
    ]


@pytest.mark.parametrize("name", ["evt.num", "evt.time", "evt.datetime.s", "evt.pluginname", "ct.name", "json.obj"])
def test_fields_of_every_source(rules: Rules, name: str) -> None:
    assert rules(rule("R", f"{name} exists")).results[-1].errors == []
    assert rules(rule("R", f"{name} exists and evt.type=open", source="syscall")).results[-1].errors == []


def test_enter_events_are_seen_only_as_recorded(rules: Rules) -> None:
    builder = (
        CaptureBuilder().event("open").event("open", [b"\3" + b"\0" * 7, b"/x\0", b"\0" * 4, b"\0" * 4], exit=True)
    )
    loaded = rules(rule("R", "evt.type=open", source="syscall"))
    for raw_events, expected in ((False, [1]), (True, [0, 1])):
        engine = RuleEngine(loaded.active(), loaded.sources, raw_events=raw_events)
        with open_reader(io.BytesIO(builder.to_bytes())) as reader:
            (batch,) = engine.prepared(reader.batches())
            assert engine.matches(batch).rows.tolist() == expected


def test_events_kept_for_the_state_only_set_off_nothing(rules: Rules) -> None:
    builder = CaptureBuilder()
    for flags in (0, DumpFlag.STATE_ONLY):
        builder.event("close", [b"\0" * 8], exit=True, block_type=BlockType.EVF_V2, dump_flags=flags)
    loaded = rules(rule("R", "evt.type=close", source="syscall"))
    engine = RuleEngine(loaded.active(), loaded.sources)
    with open_reader(io.BytesIO(builder.to_bytes())) as reader:
        (batch,) = engine.prepared(reader.batches())
        assert engine.matches(batch).rows.tolist() == [0]


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("abc", "abc", True),
        ("abc", "abcd", False),
        ("a*", "abc", True),
        ("*c", "abc", True),
        ("*a", "aba", False),
        ("a*c", "abc", True),
        ("*b*", "abc", True),
        ("*", "", True),
        ("a?c", "abc", False),
        ("A*", "abc", False),
        ("*b*b*", "abc", False),
    ],
)
def test_patterns_of_names(pattern: str, name: str, *, expected: bool) -> None:
    assert matches_name(pattern, name) is expected


def test_selections_in_order(rules: Rules) -> None:
    loaded = rules(
        rule("A one", "evt.num>0", tags="[t]") + rule("A two", "evt.num>0", enabled="false") + rule("B", "evt.num>0")
    )

    def names(*selections: Selection) -> list[str]:
        return [rule.name for rule in loaded.active(selections)]

    assert names() == ["A one", "B"]
    assert names(Selection(enable=False, pattern="A*")) == ["B"]
    assert names(Selection(enable=True, pattern="A*")) == ["A one", "B", "A two"]
    assert names(Selection(enable=False, pattern="*"), Selection(enable=True, tag="t")) == ["A one"]
    assert names(Selection(enable=False, pattern="one", substring=True)) == ["B"]


@pytest.mark.parametrize(
    ("condition", "restricts"),
    [
        ("evt.type=open", True),
        ("evt.type in (open, close)", True),
        ("evt.type=open and proc.name!=x", True),
        ("not evt.type!=open", True),
        ("not (evt.type!=open or proc.name=x)", True),
        ("evt.type!=open", False),
        ("not evt.type=open", False),
        ("evt.type=open or proc.name=x", False),
        ("evt.type startswith op", False),
        ("proc.name=x", False),
    ],
)
def test_remaining_event_types(condition: str, *, restricts: bool) -> None:
    assert (len(remaining_types(parse(condition))) < 100) is restricts


def test_event_types_of_plain_system_calls() -> None:
    assert remaining_types(parse("evt.type=madvise")) == {0, 1}
    assert remaining_types(parse("evt.type=open and evt.type=close")) == set()
    assert remaining_types(parse("evt.num>0")) == all_types()


def test_rate_limit_goes_by_the_time_of_events() -> None:
    limit = RateLimit(rate=1, burst=2)
    seconds = np.array([0, 0, 0, 1, 1, 5, 5, 5], np.uint64)
    passed = limit.admitted(seconds * np.uint64(1_000_000_000) + np.uint64(10**18))
    assert passed.tolist() == [True, True, False, True, False, True, True, False]
    assert limit.held_back == 3
