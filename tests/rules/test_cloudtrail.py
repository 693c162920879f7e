"""The CloudTrail rules that come with the package, over the shared logs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scaptools.capture.reader import open_reader
from scaptools.capture.writer import CaptureWriter
from scaptools.columns import ALL_ROWS
from scaptools.plugins.contract import SourcePlugin
from scaptools.plugins.host import load_plugin
from scaptools.record import record
from scaptools.rules.alerts import AlertFormat, AlertWriter
from scaptools.rules.engine import Matching, RuleEngine
from scaptools.rules.ruleset import RuleSet, load_rules

if TYPE_CHECKING:
    from scaptools.fields.catalog import Catalog

SEED_LINE = (
    "00:40:32.000000000: Critical Detected a console login without MFA "
    "(requesting user=bob.user, requesting IP=192.0.2.24, AWS region=us-east-1)"
)


@pytest.fixture(scope="module")
def cloudtrail(catalog: Catalog) -> RuleSet:
    return load_rules(["cloudtrail"], catalog)


@pytest.fixture(scope="module")
def logs(shared_data: Path) -> bytes:
    """A recording of all shared logs that can be read."""
    file = io.BytesIO()
    for number, part in enumerate(("bucket", "edge")):
        recorded = io.BytesIO()
        writer = CaptureWriter(recorded)
        plugin = load_plugin("cloudtrail")
        assert isinstance(plugin, SourcePlugin)
        record([(plugin, str(shared_data / "cloudtrail" / part))], writer)
        writer.close()
        data = recorded.getvalue()
        file.write(data if number == 0 else data[SECTION_HEADER:])
    return file.getvalue()


SECTION_HEADER = 28


def fired(rules: RuleSet, capture: bytes, *, only_enabled: bool) -> dict[str, list[str]]:
    """The rules each event sets off, by event id."""
    engine = RuleEngine(rules.active() if only_enabled else rules.rules, rules.sources, matching=Matching.ALL)
    field = rules.catalog.parse("ct.id")
    found: dict[str, list[str]] = {}
    with open_reader(io.BytesIO(capture)) as reader:
        for batch in engine.prepared(reader.batches()):
            ids = [value.decode() for value in field.column(batch, ALL_ROWS).to_arrow().to_pylist()]
            found |= {name: [] for name in ids}
            matches = engine.matches(batch)
            for row, index in zip(matches.rows.tolist(), matches.rules.tolist(), strict=True):
                found[ids[row]].append(engine.rules[index].name)
    return found


@pytest.mark.parametrize("default", [False, True], ids=["all enabled", "as they come"])
def test_every_event_sets_off_the_rules_it_should(
    cloudtrail: RuleSet, logs: bytes, shared_data: Path, *, default: bool
) -> None:
    events = json.loads((shared_data / "cloudtrail" / "expected.json").read_text())["events"]
    found = fired(cloudtrail, logs, only_enabled=default)
    assert len(found) > 140

    def wanted(event: dict[str, Any]) -> list[str]:
        rules = event.get("rules", [])
        return list(event.get("rules_default", rules) if default else rules)

    assert {name: rules for name, rules in found.items() if rules != wanted(events[name])} == {}


def test_same_rules_as_the_shared_ones(cloudtrail: RuleSet, shared_data: Path, catalog: Catalog) -> None:
    reference = load_rules([str(shared_data / "cloudtrail" / "rules.yaml")], catalog)
    assert len(reference.rules) == 21
    for ours, theirs in zip(cloudtrail.rules, reference.rules, strict=True):
        assert str(ours.condition.expression) == str(theirs.condition.expression)
        assert [token.text for token in ours.output.template.fields] == [
            token.text for token in theirs.output.template.fields
        ]
        for attribute in ("name", "priority", "tags", "source"):
            assert getattr(ours, attribute) == getattr(theirs, attribute)
        assert ours.definition.enabled == theirs.definition.enabled
        assert ours.output.text != theirs.output.text


def test_no_doubts(cloudtrail: RuleSet) -> None:
    assert cloudtrail.results[0].issues == []
    assert [rule.name for rule in cloudtrail.rules if not rule.definition.enabled] == ["List Buckets"]


LOGIN = {
    "eventVersion": "1.08",
    "userIdentity": {"type": "IAMUser", "userName": "bob.user"},
    "eventTime": "2021-06-01T00:40:32Z",
    "eventSource": "signin.amazonaws.com",
    "eventName": "ConsoleLogin",
    "eventType": "AwsConsoleSignIn",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "192.0.2.24",
    "requestParameters": None,
    "responseElements": {"ConsoleLogin": "Success"},
    "additionalEventData": {"MFAUsed": "No"},
    "eventID": "00000000-0000-4000-8000-000000000001",
}


@pytest.mark.usefixtures("utc")
def test_seed_line(cloudtrail: RuleSet, tmp_path: Path) -> None:
    log = tmp_path / "login.json"
    log.write_text(json.dumps({"Records": [LOGIN]}))
    file = io.BytesIO()
    plugin = load_plugin("cloudtrail")
    assert isinstance(plugin, SourcePlugin)
    writer = CaptureWriter(file)
    record([(plugin, str(log))], writer)
    writer.close()
    lines = []
    engine = RuleEngine(cloudtrail.active(), cloudtrail.sources)
    with open_reader(io.BytesIO(file.getvalue())) as reader:
        for batch in engine.prepared(reader.batches()):
            lines += AlertWriter(engine, AlertFormat()).lines(batch, engine.matches(batch)).lines.to_pylist()
    assert lines == [SEED_LINE.encode()]
