"""Test cases of rules: captures or events written inline, and the alerts they must lead to.

    rules: [cloudtrail]
    tests:
      - name: a login without a second factor
        events:
          - {eventName: ConsoleLogin, ...}
        expect:
          - rule: Console Login Without MFA
            output: user=bob
            fields: {ct.user: bob}

``expect`` lists all alerts in order, an empty list asks for none; with ``contains: true`` others may come between.
``output`` is a part of the message. Paths count from the directory of the file.
"""

from __future__ import annotations

import difflib
import io
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scaptools.capture.encode import encode_plugin_events
from scaptools.capture.writer import CaptureWriter
from scaptools.errors import InputError, ScapError
from scaptools.plugins.contract import SourcePlugin
from scaptools.rules.engine import Matching, RuleEngine
from scaptools.rules.library import find_rules
from scaptools.rules.ruleset import load_rules
from scaptools.rules.run import alerts_of
from scaptools.rules.selection import Selection
from scaptools.rules.settings import Text, boolean, read_settings, typed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from scaptools.fields.catalog import Catalog
    from scaptools.rules.alerts import Alert

_CASE_KEYS = frozenset(
    {
        "name", "rules", "capture", "events", "plugin", "expect", "contains", "rule_matching", "raw_events",
        "enable", "disable",
    }
)  # fmt: skip
_EXPECTED_KEYS = frozenset({"rule", "output", "fields", "priority", "count"})
_START_NS = 1_600_000_000_000_000_000
_STEP_NS = 1_000_000_000
_DEFAULT_PLUGIN = "cloudtrail"
_MAX_COUNT = 100_000


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """One alert a case expects; None asks for nothing in particular."""

    rule: str
    output: str | None = None
    priority: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)

    def differences(self, alert: Alert) -> list[str]:
        """What an alert has otherwise."""
        found = []
        if self.rule != alert.rule:
            found.append(f"rule is {alert.rule!r}, not {self.rule!r}")
        if self.output is not None and self.output not in alert.message:
            found.append(f"output does not hold {self.output!r}: {alert.message}")
        if self.priority is not None and self.priority.lower() != alert.priority.label.lower():
            found.append(f"priority is {alert.priority.label}, not {self.priority}")
        for name, value in self.fields.items():
            if name not in alert.fields:
                found.append(f"output has no field {name}")
            elif alert.fields[name] != value and str(alert.fields[name]) != str(value):
                found.append(f"{name} is {alert.fields[name]!r}, not {value!r}")
        return found


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a file."""

    name: str
    rules: tuple[str, ...]
    capture: str | None
    events: tuple[Any, ...]
    plugin: str
    expected: tuple[ExpectedAlert, ...]
    contains: bool
    matching: Matching
    raw_events: bool
    selections: tuple[Selection, ...]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a test ended: ``failure`` is a text of several lines where alerts differ, ``error`` why it could not run."""

    case: Case
    file: str
    seconds: float
    failure: str = ""
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether the alerts were those expected."""
        return not self.failure and not self.error


def read_cases(path: str) -> list[Case]:
    """The test cases of a file. Raises InputError."""
    settings = read_settings(path)
    tests = settings.get("tests")
    if not isinstance(tests, list) or not all(isinstance(test, dict) for test in tests):
        raise InputError("holds no list of tests", path=path, hint="see 'scap rules test --help'")
    return [_case(test, number, settings, path) for number, test in enumerate(tests, 1)]


def run_case(case: Case, path: str, catalog: Catalog) -> CaseResult:
    """Run one test of a file."""
    started = time.perf_counter()
    failure = error = ""
    try:
        rules = load_rules(case.rules, catalog)
        active = rules.active(case.selections)
        engine = RuleEngine(active, rules.sources, matching=case.matching, raw_events=case.raw_events)
        source = case.capture if case.capture is not None else inline_capture(case.events, case.plugin, catalog)
        failure = compare(case.expected, alerts_of(engine, source), contains=case.contains)
    except ScapError as wrong:
        error = str(wrong)
    return CaseResult(case, path, time.perf_counter() - started, failure, error)


def inline_capture(events: Sequence[Any], plugin: str, catalog: Catalog) -> BinaryIO:
    """A capture of payloads of a source plugin: texts as they are, everything else as JSON.

    Raises InputError where there is no such plugin.
    """
    found = next((known for known in catalog.plugins.plugins if known.info.name == plugin), None)
    if not isinstance(found, SourcePlugin):
        raise InputError(f"no plugin {plugin!r} produces events")
    payloads = [
        event.encode() if isinstance(event, str) else json.dumps(event, ensure_ascii=False).encode() for event in events
    ]
    times = np.arange(len(payloads), dtype=np.uint64) * np.uint64(_STEP_NS) + np.uint64(_START_NS)
    file = io.BytesIO()
    writer = CaptureWriter(file)
    writer.section_header()
    if payloads:
        writer.write(encode_plugin_events(found.info.id, payloads, times))
    writer.close()
    return io.BytesIO(file.getvalue())


def compare(expected: Sequence[ExpectedAlert], alerts: Sequence[Alert], *, contains: bool = False) -> str:
    """What is wrong with some alerts, as text for people; empty where nothing is."""
    if contains:
        left = list(alerts)
        for wanted in expected:
            place = next((place for place, alert in enumerate(left) if not wanted.differences(alert)), None)
            if place is None:
                near = [wanted.differences(alert) for alert in left if alert.rule == wanted.rule]
                why = min(map("; ".join, near), key=len) if near else "no such alert"
                return f"expected an alert of {wanted.rule!r}: {why}\n{_listing(expected, alerts)}"
            del left[place]
        return ""
    problems = [
        f"alert {number}: {'; '.join(differences)}"
        for number, (wanted, alert) in enumerate(zip(expected, alerts, strict=False), 1)
        if (differences := wanted.differences(alert))
    ]
    if len(expected) != len(alerts):
        problems.append(f"expected {len(expected)} alerts, got {len(alerts)}")
    return "\n".join([*problems, _listing(expected, alerts)]) if problems else ""


def _listing(expected: Sequence[ExpectedAlert], alerts: Sequence[Alert]) -> str:
    """Expected and actual alerts beside each other, as a diff."""
    before = [wanted.rule for wanted in expected]
    after = [alert.rule for alert in alerts]
    lines = list(difflib.ndiff(before, after))
    messages = (f"got: event {alert.number} {alert.priority.label} {alert.rule}: {alert.message}" for alert in alerts)
    return "\n".join(["- expected, + got:", *lines, *messages])


def _case(test: dict[str, Any], number: int, settings: dict[str, Any], path: str) -> Case:
    name = str(test.get("name") or f"test {number}")

    def fail(message: str) -> InputError:
        return InputError(f"{name}: {message}", path=path)

    unknown = sorted(test.keys() - _CASE_KEYS)
    if unknown:
        raise fail(f"unknown key {unknown[0]!r}")
    rules = test.get("rules") or settings.get("rules") or []
    rules = rules if isinstance(rules, list) else [rules]
    if not rules:
        raise fail("names no rules")
    capture, events = test.get("capture"), test.get("events")
    if (capture is None) == (events is None) or not isinstance(events, list | None):
        raise fail("needs either a capture or a list of events")
    matching = next((kind for kind in Matching if kind.value == (test.get("rule_matching") or "first")), None)
    if matching is None:
        raise fail("rule_matching is first or all")
    expected = test.get("expect")
    if not isinstance(expected, list):
        raise fail("expect is a list, empty where no alert may come")
    return Case(
        name=name,
        rules=tuple(_beside(str(rule), path) for rule in rules),
        capture=None if capture is None else _beside(str(capture), path),
        events=tuple(typed(event) if not isinstance(event, str) else str(event) for event in events or ()),
        plugin=str(test.get("plugin") or settings.get("plugin") or _DEFAULT_PLUGIN),
        expected=tuple(alert for entry in expected for alert in _expected(entry, fail)),
        contains=boolean(test.get("contains")) or False,
        matching=matching,
        raw_events=boolean(test.get("raw_events")) or False,
        selections=(
            *(Selection(enable=False, pattern=str(name)) for name in test.get("disable") or ()),
            *(Selection(enable=True, pattern=str(name)) for name in test.get("enable") or ()),
        ),
    )


def _expected(entry: Any, fail: Any) -> list[ExpectedAlert]:
    if isinstance(entry, str):
        return [ExpectedAlert(str(entry))]
    if not isinstance(entry, dict) or not isinstance(entry.get("rule"), str):
        raise fail("an expected alert is the name of a rule, or has a key 'rule'")
    unknown = sorted(entry.keys() - _EXPECTED_KEYS)
    if unknown:
        raise fail(f"unknown key {unknown[0]!r} of an expected alert")
    fields = entry.get("fields") or {}
    count = typed(entry.get("count") or Text("1"))
    if not isinstance(fields, dict) or not isinstance(count, int) or not 1 <= count <= _MAX_COUNT:
        raise fail("fields of an expected alert are a mapping, and count is a number of at least 1")
    output, priority = entry.get("output"), entry.get("priority")
    alert = ExpectedAlert(
        str(entry["rule"]),
        None if output is None else str(output),
        None if priority is None else str(priority),
        {name: typed(value) for name, value in fields.items()},
    )
    return [alert] * count


def _beside(name: str, path: str) -> str:
    """A path that counts from the directory of a file; names of built-in rules stay."""
    if "://" in name or Path(name).is_absolute():
        return name
    beside = Path(path).parent / name
    return name if not beside.exists() and find_rules(name).exists() else str(beside)
