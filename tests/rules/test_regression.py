"""Falco's own regression suite: its inputs, and what Falco 0.44 made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scaptools.capture.reader import open_reader
from scaptools.errors import ExitStatus
from scaptools.rules.engine import RuleEngine, Tally
from scaptools.rules.priority import Priority
from scaptools.rules.ruleset import RuleSet
from scaptools.rules.selection import Selection

if TYPE_CHECKING:
    from scaptools.fields.catalog import Catalog
    from scaptools.rules.issues import Issue

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
CASES = SHARED / "falco-regression" / "cases.json"
pytestmark = pytest.mark.skipif(not CASES.is_file(), reason="the shared data is not beside this checkout")


def cases(key: str) -> list[Any]:
    found = json.loads(CASES.read_text())["cases"] if CASES.is_file() else []
    return [pytest.param(case, id=case["name"]) for case in found if key in case]


def inner_name(issue: Issue) -> str:
    """The name of the innermost place that has one."""
    return next((place.item_name for place in reversed(issue.context.locations) if place.item_name), "")


@pytest.mark.parametrize("case", cases("validate"))
def test_validation(case: dict[str, Any], catalog: Catalog) -> None:
    rules = RuleSet(catalog)
    found = []
    for name in case["validate"]:
        result = rules.load_file(str(CASES.parent / "rules" / name))
        errors = [[error.code.name, error.context.last.item_type.value, inner_name(error)] for error in result.errors]
        warnings = sorted({warning.code.name for warning in result.warnings})
        found.append({"file": Path(name).name, "ok": result.successful, "errors": errors, "warnings": warnings})
        if not result.successful:
            break
    assert found == case["falco_0_44"]["files"]
    assert case["falco_0_44"]["exit"] == (ExitStatus.DONE if found[-1]["ok"] else ExitStatus.FOUND)


def test_rules_warned_about_event_types(catalog: Catalog) -> None:
    case = next(param.values[0] for param in cases("validate") if param.id == "test_warnings")
    rules = RuleSet(catalog)
    result = rules.load_file(str(CASES.parent / "rules" / case["validate"][0]))
    assert sorted(issue.context.item[1] for issue in result.warnings) == sorted(
        name for _, _, name in case["expect"]["warnings"]
    )


@pytest.mark.parametrize("case", cases("rules"))
def test_alerts_per_rule(case: dict[str, Any], catalog: Catalog) -> None:
    minimum = Priority.parse(case.get("min_priority", "debug"))
    assert minimum is not None
    rules = RuleSet(catalog, minimum=minimum)
    for name in case["rules"]:
        assert rules.load_file(str(CASES.parent / "rules" / name)).errors == []
    selections = [Selection(enable=False, pattern=part, substring=True) for part in case.get("disable_substrings", ())]
    selections += [Selection(enable=False, tag=tag) for tag in case.get("disable_tags", ())]
    if "run_tags" in case:
        selections.append(Selection(enable=False, pattern="*"))
        selections += [Selection(enable=True, tag=tag) for tag in case["run_tags"]]
    assert run(rules, selections, case["trace"], raw_events=False) == case["falco_0_44"]["counts"]
    # what Falco 0.33 was to find, which saw enter events as well
    counts, expected = run(rules, selections, case["trace"], raw_events=True), case["expect"]
    wanted = expected.get("counts", {})
    assert {name: counts.get(name, 0) for name in wanted} == wanted
    assert any(counts.values()) == expected.get("any_alert", any(counts.values()))
    if any(counts.values()) and "levels" in expected:
        levels = {rule.priority.short for rule in rules.rules if counts.get(rule.name)}
        assert sorted(levels) == sorted(expected["levels"])


def run(rules: RuleSet, selections: list[Selection], trace: str, *, raw_events: bool) -> dict[str, int]:
    engine = RuleEngine(rules.active(selections), rules.sources, raw_events=raw_events)
    tally = Tally()
    with open_reader(str(SHARED / "captures" / trace)) as reader:
        for batch in engine.prepared(reader.batches()):
            tally.note(engine, engine.matches(batch))
    return dict(tally.alerts)
